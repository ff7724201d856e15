import json
import math
import os
import random
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
from espalier.api.run_parts import RunParts
from espalier.base.errors import DamageWarning, EspalierError
from espalier.base.paths import RunPaths
from espalier.tracking import events
from espalier.tracking.parts import read_parts

HEADER = '{"type":"writer","format":1,"writer":"w","pid":1,"host":"h","time":1.0}'


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path))
    os.makedirs(paths.parts)
    return paths


def write(run: RunPaths, *lines: str, name: str = "w", end: str = "\n") -> None:
    Path(run.parts, name + ".jsonl").write_bytes(("\n".join([HEADER, *lines]) + end).encode("utf-8", "surrogateescape"))


def part(key: str = "k", time: str = "2", more: str = "", status: str = "Completed") -> str:
    return f'{{"type":"part","seq":0,"time":{time},"key":"{key}","status":"{status}"{more}}}'


def metrics(kinds: str, values: str) -> str:
    return f',"kinds":{{{kinds}}},"metrics":{{{values}}}'


def rows(run: RunPaths) -> List[Dict[str, Any]]:
    return read_parts(run).rows()


def test_a_run_without_parts_has_a_frame_without_rows(run: RunPaths) -> None:
    assert rows(run) == [] and list(read_parts(run).kinds) == ["key", "status", "error", "seconds", "digest"]
    os.rmdir(run.parts)
    assert rows(run) == []


def test_columns_and_what_is_missing(run: RunPaths) -> None:
    write(
        run,
        part("a", "1", ',"seconds":1.5,"digest":"sha256:x"' + metrics('"r":"double","n":"integer"', '"r":0.5,"n":3')),
        part("b", "2", ',"error":"no data"', "Failed"),
        part("c", "3", metrics('"ok":"logical","s":"string"', '"ok":true,"s":"x"')),
    )
    frame = read_parts(run)
    assert frame.kinds == {
        "key": "string", "status": "string", "error": "string", "seconds": "double", "digest": "string",
        "r": "double", "n": "integer", "ok": "logical", "s": "string",
    }  # fmt: skip
    assert frame.columns["error"] == [None, "no data", None] and frame.columns["seconds"] == [1.5, None, None]
    assert frame.columns["status"] == ["Completed", "Failed", "Completed"]
    assert [frame.columns[name] for name in ("r", "n", "ok", "s")] == [
        [0.5, None, None], [3, None, None], [None, None, True], [None, None, "x"],
    ]  # fmt: skip


def test_the_last_line_of_a_key_counts_in_the_place_of_the_first(run: RunPaths) -> None:
    write(run, part("a", "1", ',"error":"x"', "Failed"), part("b", "2"), part("a", "5"), name="w1")
    write(run, part("a", "4", ',"error":"y"', "Failed"), part("c", "0.5"), name="w2")
    assert [(row["key"], row["status"]) for row in rows(run)] == [(key, "Completed") for key in "cab"]


ODD = ['"!NA"', '"!NaN"', '"!Inf"', '"!-Inf"', "-0.0", "5e-324", "1e308", "3", str(2**53 - 1)]


def test_values_of_all_kinds(run: RunPaths) -> None:
    write(run, *[part(str(i), more=metrics('"m":"double"', f'"m":{value}')) for i, value in enumerate(ODD)])
    found = read_parts(run).columns["m"]
    assert found[0] is None and math.isnan(found[1]) and found[2:4] == [math.inf, -math.inf]
    assert math.copysign(1, found[4]) == -1 and found[5:] == [5e-324, 1e308, 3.0, 2.0**53 - 1]
    assert {type(value) for value in found[1:]} == {float}


def test_kinds_that_differ_meet(run: RunPaths) -> None:
    write(run, part("a", more=metrics('"m":"integer"', '"m":1')), part("b", more=metrics('"m":"double"', '"m":0.5')))
    frame = read_parts(run)
    assert frame.kinds["m"] == "double" and frame.columns["m"] == [1.0, 0.5]
    write(run, part("c", more=metrics('"m":"string"', '"m":"!!x"')), name="w2")
    assert read_parts(run).columns["m"] == ["1", "0.5", "!x"]


HOSTILE = [
    part() + "x", part(more=',"seconds":-1'), part(more=',"seconds":"1"'), part(more=',"seconds":true'), part(key=""),
    part(status=""), part(more=metrics('"m":"double"', '"m":"x"')), part(more=metrics('"m":"double"', '"n":1')),
    part(more=metrics('"m":"double"', '"m":null')), part(more=metrics('"m":"double"', '"m":[1]')),
    part(more=metrics('"m":"odd"', '"m":1')), part(more=metrics('"m":["double"]', '"m":1')),
    part(more=metrics('"key":"double"', '"key":1')), part(more=metrics('"m":"double"', '"m":1,"n":2')),
    part(more=metrics('"m":"double","n":"double"', '"m":1')), part(more=metrics('"m":"double"', '"m":"x')),
    part(more=metrics('"m":"double"', "")), part(more=',"error":3'), part(more=',"digest":[]'), '{"type":"part"}', "[]",
    part(more=metrics('"m":"integer"', '"m":1.5')), part(more=metrics('"m":"double"', f'"m":{"9" * 400}')),
    part(more=',"metrics":{"m":1}'), part(more=metrics('"m":"string"', '"m":"!odd"')), '{"type":"part","time":2}',
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE)
def test_a_damaged_line_is_named_and_left_out(run: RunPaths, line: str) -> None:
    write(run, part("a", more=metrics('"m":"double"', '"m":1')), line, part("b"))
    with pytest.warns(DamageWarning) as caught:
        found = read_parts(run).columns
    assert [str(one.message) for one in caught] == [
        f"{Path(run.parts, 'w.jsonl')} is damaged at line 3, which is left out."
    ]
    assert found["key"] == ["a", "b"] and found["m"] == [1.0, None]


def test_bytes_that_are_no_text_are_damage(run: RunPaths) -> None:
    write(run, part("a"), part("\udcff"), part("b"))
    with pytest.warns(DamageWarning, match="line 3"):
        assert read_parts(run).columns["key"] == ["a", "b"]


def test_a_lost_payload_is_named_and_its_part_left_out(run: RunPaths) -> None:
    write(run, part("a"), '{"type":"part","seq":1,"time":2,"key":"k","payload":"payloads/w-1.json"}', part("b"))
    with pytest.warns(DamageWarning, match=r"w-1\.json can't be read and is left out"):
        assert read_parts(run).columns["key"] == ["a", "b"]


@pytest.mark.parametrize("tail", ["{", part("b")[:-1], part("b"), "x"])
def test_a_torn_tail_is_left_out(run: RunPaths, tail: str) -> None:
    write(run, part("a"), tail, end="")
    assert [row["key"] for row in rows(run)] == ["a"]


def test_a_newer_format_is_refused(run: RunPaths) -> None:
    Path(run.parts, "w.jsonl").write_text(HEADER.replace('"format":1', '"format":2') + "\nwhatever\n", "utf-8")
    with pytest.raises(EspalierError) as caught:
        read_parts(run)
    assert caught.value.code == "newer_format"


def test_unknown_fields_and_types_are_ignored(run: RunPaths) -> None:
    write(run, part("a", more=',"later":[1]'), '{"type":"odd","time":3}', part("b", status="Skipped"))
    assert [(row["key"], row["status"]) for row in rows(run)] == [("a", "Completed"), ("b", "Skipped")]


def test_other_spellings_say_the_same(run: RunPaths) -> None:
    write(run, '{ "time": 1, "type": "part", "status": "Failed", "key": "\\u00e9", "error": "a\\n\\"b\\"{}" }', part("z"))
    assert [(row["key"], row["error"]) for row in rows(run)] == [("é", 'a\n"b"{}'), ("z", None)]


def test_blocks_meet(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_BLOCK_BYTES", 300)
    more = [metrics('"m":"integer"', f'"m":{i}') if i % 3 else ',"error":"\\t"' for i in range(50)]
    write(run, *[part(f"k{i}", str(i), more[i]) for i in range(50)])
    assert [(row["key"], row["m"]) for row in rows(run)] == [(f"k{i}", i if i % 3 else None) for i in range(50)]


def random_part(made: random.Random) -> Dict[str, Any]:
    text = "".join(made.choice("aé😀 \"\\'{}!,:%\u2028") for _ in range(made.randint(1, 12)))
    values = {
        "d": made.choice([made.uniform(-1, 1) * 10.0 ** made.randint(-300, 300), 0.0, -0.0, math.inf, 7.0]),
        "i": made.randint(-(2**31) + 1, 2**31 - 1), "b": made.random() < 0.5, text + "s": text, "n": None,
    }  # fmt: skip
    kept = {name: value for name, value in values.items() if made.random() < 0.7}
    return {
        "key": text + str(made.randint(0, 40)), "error": made.choice([None, text * made.choice([1, 9000])]),
        "metrics": kept, "seconds": made.choice([None, 0.0, 1.5, 3600.25]), "digest": made.choice([None, "sha256:ab"]),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_recorded_is_read(tmp_path: Path, seed: int) -> None:
    made = random.Random(seed)
    log, wanted = RunParts(str(tmp_path)), {}
    for _ in range(60):
        one = random_part(made)
        log.log_part(**one)
        wanted[one["key"]] = one
        time.sleep(1e-6)
    found = rows(RunPaths(str(tmp_path)))
    assert [row["key"] for row in found] == list(wanted)
    for row, one in zip(found, wanted.values()):
        assert row["status"] == ("Failed" if one["error"] else "Completed")
        assert [row[name] for name in ("error", "seconds", "digest")] == [one["error"], one["seconds"], one["digest"]]
        said = {name: row[name] for name in row if name in one["metrics"] or row[name] is not None}
        for name, value in one["metrics"].items():
            assert repr(said[name]) == repr(value)


def test_lines_are_json(tmp_path: Path) -> None:
    RunParts(str(tmp_path)).log_part("a", metrics={"r": 0.5}, seconds=1)
    (path,) = Path(RunPaths(str(tmp_path)).parts).iterdir()
    header, line = map(json.loads, path.read_text("utf-8").splitlines())
    assert header["writer"] == path.stem and line["metrics"] == {"r": 0.5} and line["kinds"] == {"r": "double"}
