import json
import os
from pathlib import Path
from typing import Any, List

import pytest
from espalier.base.errors import DamageWarning, EspalierError
from espalier.base.paths import RunPaths
from espalier.tracking import events
from espalier.tracking.events import Damage

HEADER = '{"type":"writer","format":1,"writer":"w","pid":1,"host":"h","time":1.0}'


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path))
    os.makedirs(paths.events)
    os.makedirs(paths.payloads)
    return paths


def write(run: RunPaths, *lines: str, name: str = "w", end: str = "\n") -> None:
    Path(run.events, name + ".jsonl").write_bytes(("\n".join([HEADER, *lines]) + end).encode("utf-8", "surrogateescape"))


def read_events(run: RunPaths) -> List[Any]:
    """The events of logs without damage."""
    damage = Damage()
    found = events.read_events(run, damage)
    assert damage.texts() == []
    return found


def read_damaged(run: RunPaths, *texts: str) -> List[float]:
    """The times of the events that are left, and that the damage is named."""
    damage = Damage()
    found = events.read_events(run, damage)
    assert damage.texts() == [f"{Path(run.events, 'w.jsonl')} is damaged at {text}" for text in texts]
    return [event["time"] for event in found]


def metric(time: float, seq: int = 0, **fields: Any) -> str:
    return json.dumps({"type": "metric", "seq": seq, "time": time, "name": "m", "kind": "double", "value": 0.5, **fields})


def test_no_log_at_all(tmp_path: Path) -> None:
    assert read_events(RunPaths(str(tmp_path / "gone"))) == []


@pytest.mark.parametrize("torn", ['{"type":"met', "{", "é"[:1], '{"type":"metric","seq":1,"time":2}', "\udcff"])
def test_a_torn_tail_is_left_out(run: RunPaths, torn: str) -> None:
    write(run, metric(1), torn, end="")
    assert len(read_events(run)) == 1


def test_a_header_being_written(run: RunPaths) -> None:
    Path(run.events, "w.jsonl").write_text(HEADER[:20])
    Path(run.events, "v.jsonl").write_text("")
    assert read_events(run) == []


@pytest.mark.parametrize(
    "bad", ['{"type":"met{"type":"metric"}', "", "null", "[1]", "\udcff", "{},{}", '{"type":"metric"}', '{"time":1}', "{"]
)
def test_a_damaged_line_is_named_and_left_out(run: RunPaths, bad: str) -> None:
    write(run, metric(1), metric(2), bad, metric(3))
    assert read_damaged(run, "line 4, which is left out.") == [1, 2, 3]


def test_each_damaged_log_is_warned_of_once(run: RunPaths) -> None:
    damage = Damage()
    write(run, "bad", metric(1), "bad")
    for _ in range(2):
        events.read_events(run, damage)
    with pytest.warns(DamageWarning) as caught:
        damage.warn()
    path = Path(run.events, "w.jsonl")
    assert [str(one.message) for one in caught] == [f"{path} is damaged at 2 lines, which are left out; the first is line 2."]


def test_two_halves_of_a_line(run: RunPaths) -> None:
    """Joined by a comma they would be an object again."""
    line = metric(1)
    write(run, metric(1), line[: line.index(",")], line[line.index(",") + 1 :])
    assert read_damaged(run, "2 lines, which are left out; the first is line 3.") == [1]


def test_line_numbers_across_blocks(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_BLOCK_BYTES", 100)
    write(run, *[metric(number) for number in range(50)])
    assert [event["time"] for event in read_events(run)] == list(range(50))
    write(run, *[metric(number) for number in range(50)], "broken", metric(99))
    assert read_damaged(run, "line 52, which is left out.") == [*range(50), 99]


def test_newer_format(run: RunPaths) -> None:
    write(run, metric(1))
    Path(run.events, "x.jsonl").write_text(HEADER.replace('"format":1', '"format":2') + "\n" + "what comes is not known\n")
    with pytest.raises(EspalierError) as caught:
        read_events(run)
    assert caught.value.code == "newer_format"


def test_unknown_types_and_fields_are_no_damage(run: RunPaths) -> None:
    write(run, metric(1, later=[1]), '{"type":"later","seq":1,"time":2,"what":{}}')
    assert [event["type"] for event in read_events(run)] == ["metric", "later"]


def test_merge_by_time_then_writer_then_sequence(run: RunPaths) -> None:
    write(run, metric(2, 0, value=3.0), metric(2, 1, value=4.0), metric(5, 2, value=6.0), name="b")
    write(run, metric(1, 0, value=1.0), metric(2, 1, value=2.0), metric(3, 2, value=5.0), name="a")
    assert [event["value"] for event in read_events(run)] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_other_files_are_not_read(run: RunPaths) -> None:
    Path(run.events, ".tmp-1").write_text("x\n")
    Path(run.events, "notes.txt").write_text("x\n")
    assert read_events(run) == []


def test_payload(run: RunPaths) -> None:
    Path(run.payloads, "w-0.json").write_text('{"kind": "integer", "values": [1]}')
    damage = Damage()
    event = damage.with_payload(run, {"type": "list", "name": "l", "payload": "payloads/w-0.json"})
    assert event is not None and event["values"] == [1]
    assert damage.with_payload(run, {"type": "metric", "value": 1}) == {"type": "metric", "value": 1}
    assert damage.texts() == []


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "[" * 100_000])
def test_bad_payload(run: RunPaths, content: Any) -> None:
    if content is not None:
        Path(run.payloads, "w-0.json").write_text(content)
    damage, good = Damage(), {"type": "metric", "value": 1}
    assert damage.whole(run, [{"type": "list", "name": "l", "payload": "payloads/w-0.json"}, good]) == [good]
    assert len(damage.texts()) == 1
    assert damage.texts()[0].startswith(f"{Path(run.payloads, 'w-0.json')} can't be read and is left out: ")


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "payloads/../../secret.json"])
def test_payloads_are_read_below_their_folder_only(run: RunPaths, name: str) -> None:
    Path(run.root, "secret.json").write_text('{"kind": "integer", "values": [42]}')
    damage = Damage()
    assert damage.with_payload(run, {"type": "list", "name": "l", "payload": name}) is None
    assert len(damage.texts()) == 1


def test_every_event_of_a_long_log_is_read(run: RunPaths) -> None:
    lines: List[str] = [metric(number, number) for number in range(20_000)]
    write(run, *lines)
    assert len(read_events(run)) == 20_000
