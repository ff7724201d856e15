import gc
import json
import os
from pathlib import Path
from typing import Any, List, Tuple

import pytest
from espalier.api.job_log import JobLog
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.tracking import events
from espalier.tracking import scalars as scalars_module
from espalier.tracking.events import Damage
from espalier.tracking.scalars import Scalars, typed_column

HEADER = '{"type":"writer","format":1,"writer":"w","pid":1,"host":"h","time":1.0}'


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path))
    os.makedirs(paths.events)
    return paths


def write(run: RunPaths, *lines: str, name: str = "w", end: str = "\n") -> None:
    Path(run.events, name + ".jsonl").write_bytes(("\n".join([HEADER, *lines]) + end).encode("utf-8", "surrogateescape"))


def read_log(run: RunPaths, *texts: str) -> Tuple[Scalars, List[Any]]:
    """The two halves; what is damaged is as given."""
    damage = Damage()
    found = scalars_module.read_log(run, damage)
    assert damage.texts() == [f"{Path(run.events, 'w.jsonl')} is damaged at {text}" for text in texts]
    return found


def line(value: str = "0.5", kind: str = "double", time: str = "2", name: str = "m", more: str = "") -> str:
    return f'{{"type":"metric","seq":0,"time":{time},"name":"{name}","kind":"{kind}","value":{value}{more}}}'


def all_events(run: RunPaths) -> List[Any]:
    """What both halves hold, without absent steps."""
    scalars, others = read_log(run)
    placed = sorted(scalars.events() + others, key=lambda one: (one[1]["time"], one[0]))
    return [{key: value for key, value in event.items() if value is not None} for _, event in placed]


def told_by_json(run: RunPaths) -> List[Any]:
    plain = [{key: value for key, value in event.items() if key != "seq"} for event in events.read_events(run, Damage())]
    return [event for event in plain]


VALUES = ["0.5", "1", "-1", "0", "1e5", "1E-3", "-2.5e+10", "5e-324", "1e999", "123456789012345", "1234567890123456789"]
WORDS = ['"!NA"', '"!NaN"', '"!Inf"', '"!-Inf"', "true", "false", '"text"', '"!!x"', '"é"', "9" * 400]


@pytest.mark.parametrize("kind", ["double", "integer", "logical", "string"])
def test_every_line_says_what_json_says(run: RunPaths, kind: str) -> None:
    write(run, *[line(value, kind, str(i)) for i, value in enumerate(VALUES + WORDS)])
    for mine, theirs in zip(all_events(run), told_by_json(run)):
        mine.pop("seq", None)
        assert {**mine, "value": 0} == {**theirs, "value": 0}
        assert mine["value"] == theirs["value"]
        assert kind == "double" or type(mine["value"]) is type(theirs["value"])


@pytest.mark.parametrize("name", ["a b", "é😀", "\\u00e9", "\\\"", "'", "%", "x" * 255, "!NA", ""])
@pytest.mark.parametrize("more", ["", ',"step":3', ',"step":-1.5', ',"step":"x"', ',"later":[1]', ', "step":3', " "])
def test_names_and_what_follows(run: RunPaths, name: str, more: str) -> None:
    write(run, line(name=name, more=more), line(name=name, more=more, time="3.25"))
    mine = [{key: value for key, value in event.items() if key != "seq"} for event in all_events(run)]
    assert mine == told_by_json(run)


def test_plain_lines_are_columns(run: RunPaths) -> None:
    write(run, line("0.25"), '{"type":"warning","seq":1,"time":3,"message":"x","call":null}', line("1", "integer", "4"))
    scalars, others = read_log(run)
    assert scalars.values == [0.25, 1] and scalars.kinds == ["double", "integer"] and scalars.places == [2, 4]
    assert [(place, event["type"]) for place, event in others] == [(3, "warning")]


@pytest.mark.parametrize("torn", ['{"type":"met', "{", line()[:-1], line(), "\udcff"])
def test_a_torn_tail_is_left_out(run: RunPaths, torn: str) -> None:
    write(run, line(), torn, end="")
    assert len(all_events(run)) == 1


BAD = [
    '{"type":"met{"type":"metric"}', "", "null", "[1]", "\udcff", "{},{}", '{"type":"metric"}', "{", line()[:-1], line() + "}",
    line() + line(), line("01"), line("+1"), line(".5"), line("1."), line("NA"), line("٣"), line(time="1e12"),
    line(time='"2"'), line(name="a\tb"), line(name="\udcff"), line(time="01"),
]


@pytest.mark.parametrize("bad", BAD)
def test_a_damaged_line_is_named_and_left_out(run: RunPaths, bad: str) -> None:
    write(run, line(), line(), bad, line(value="7"))
    scalars, others = read_log(run, "line 4, which is left out.")
    assert [event["value"] for _, event in sorted(scalars.events() + others, key=lambda one: one[0])] == [0.5, 0.5, 7.0]


def test_line_numbers_across_blocks(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_BLOCK_BYTES", 100)
    write(run, *[line(time=str(number)) for number in range(50)])
    assert read_log(run)[0].times == list(range(50))
    write(run, *[line(time=str(number)) for number in range(50)], "broken", line())
    assert read_log(run, "line 52, which is left out.")[0].times[-1] == 49


def test_newer_format(run: RunPaths) -> None:
    write(run, line())
    Path(run.events, "x.jsonl").write_text(HEADER.replace('"format":1', '"format":2') + "\n" + "what comes is not known\n")
    with pytest.raises(EspalierError) as caught:
        read_log(run)
    assert caught.value.code == "newer_format"


def test_merge_by_time_then_writer_then_line(run: RunPaths) -> None:
    write(run, line("3", time="2"), line("4", time="2"), line("6", time="5"), name="b")
    write(run, line("1", time="1"), line("2", time="2"), line("5", time="3"), name="a")
    assert read_log(run)[0].values == [1, 2, 3, 4, 5, 6]
    assert [event["value"] for event in all_events(run)] == [1, 2, 3, 4, 5, 6]


def test_by_name(run: RunPaths) -> None:
    write(run, line("1", name="a"), line("2", name="b"), line("3", name="a"))
    series = read_log(run)[0].by_name()
    assert {name: rows.values for name, rows in series.items()} == {"a": [1, 3], "b": [2]}


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("double", ["1", '"!Inf"', '"!NA"'], ("double", [1.0, float("inf"), None])),
        ("integer", ["1", '"!NA"'], ("integer", [1, None])),
        ("integer", ["1", "4294967296"], ("double", [1.0, 4294967296.0])),
        ("logical", ["true", '"!NA"', "false"], ("logical", [True, None, False])),
    ],
)
def test_typed_columns(run: RunPaths, kind: str, values: List[str], expected: Any) -> None:
    write(run, *[line(value, kind) for value in values])
    kind_found, found = typed_column(read_log(run)[0])
    assert (kind_found, found) == expected
    assert list(map(type, found)) == list(map(type, expected[1]))


@pytest.mark.parametrize(("kind", "value"), [("integer", "1.0"), ("integer", "true"), ("double", "true"), ("logical", "1")])
def test_a_value_of_another_kind(run: RunPaths, kind: str, value: str) -> None:
    write(run, line(value, kind))
    with pytest.raises(ValueError, match="another kind"):
        typed_column(read_log(run)[0])


def test_what_our_writer_writes_is_plain(tmp_path: Path) -> None:
    run = RunPaths(str(tmp_path))
    log = JobLog(run.root)
    for value in (0.1, -1e-300, 5, True, None, float("nan")):
        log.log("é m", value, step=3)
    scalars, others = read_log(run)
    assert len(scalars.values) == 6 and not others and scalars.steps == [3] * 6


def test_what_r_writes_is_plain(run: RunPaths) -> None:
    recorded = '{"type":"metric","seq":0,"time":1764000001.512345,"name":"auc","kind":"double","value":-0.0,"step":1}'
    write(run, recorded)
    scalars, others = read_log(run)
    assert str(scalars.values) == "[-0.0]" and not others
    assert json.loads(recorded)["time"] == scalars.times[0]


def test_the_collector_is_put_back(run: RunPaths) -> None:
    Path(run.events, "w.jsonl").write_text(HEADER.replace('"format":1', '"format":2') + "\n")
    with pytest.raises(EspalierError):
        read_log(run)
    assert gc.isenabled()
