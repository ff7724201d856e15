import json
import math
import os
import warnings
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.errors import EspalierError
from espalier.job_log import JobLog
from espalier.paths import RunPaths
from espalier.tracking.metrics import history_frame, metric_frames, read_metrics, read_params, read_warnings
from espalier.values import NA


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))


@pytest.fixture
def log(run: RunPaths) -> JobLog:
    return JobLog(run.root)


def write(run: RunPaths, *events: Dict[str, Any]) -> None:
    os.makedirs(run.events, exist_ok=True)
    lines = [{"seq": i, "time": float(i), **event} for i, event in enumerate(events)]
    Path(run.events, "w.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_once_a_scalar_more_often_a_series(run: RunPaths, log: JobLog) -> None:
    log.log("once", 0.5)
    for value in (1, 2, 3):
        log.log("often", value)
    assert read_metrics(run) == {"once": 0.5, "often": [1, 2, 3]}
    assert read_metrics(run, "once") == {"once": 0.5}
    assert read_metrics(run, "never") == {}


def test_values_survive(run: RunPaths, log: JobLog) -> None:
    values = [0.1, -0.0, 1e308, 5e-324, math.inf, -math.inf, 2**53 + 1, -(2**62), True, "", "!NA", "a\nb", "é😀"]
    for value in values:
        log.log("m", value)
    back = read_metrics(run)["m"]
    assert back == values and [type(v) for v in back] == [type(v) for v in values]
    assert math.copysign(1, back[1]) == -1


def test_nan_and_na_stay_apart(run: RunPaths, log: JobLog) -> None:
    log.log("nan", math.nan)
    log.log("na", None)
    assert math.isnan(read_metrics(run)["nan"]) and read_metrics(run)["na"] is NA


@pytest.mark.parametrize("name", ["a.b", "a b", "'", "`", '"', "__class__", "é😀", "x" * 255, "../x", "a/b", "%s", "$x"])
def test_names_are_kept(run: RunPaths, log: JobLog, name: str) -> None:
    log.log(name, 1.0)
    log.log_list(name + "l"[: 255 - len(name)], [1]) if len(name) < 255 else None
    assert read_metrics(run)[name] == 1.0


def test_ten_thousand_names(run: RunPaths, log: JobLog) -> None:
    for number in range(10_000):
        log.log(f"m{number}", number)
    assert len(read_metrics(run)) == 10_000


@pytest.mark.parametrize("bad", [1j, [1, 2], {}, b"x", object(), (), 2**1023, -(2**2000)])
def test_what_is_no_value_is_refused(run: RunPaths, log: JobLog, bad: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        log.log("m", bad)
    assert caught.value.code == "bad_argument"
    assert read_metrics(run) == {}


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256, 5])
def test_bad_names(log: JobLog, name: Any) -> None:
    for call in (lambda: log.log(name, 1), lambda: log.log_list(name, [1]), lambda: log.log_table(name, {"a": [1]})):
        with pytest.raises(EspalierError) as caught:
            call()
        assert caught.value.code == "bad_name"


def test_lists(run: RunPaths, log: JobLog) -> None:
    log.log_list("l", [1, None, 2.5])
    log.log_list("l", ["x", 1])
    log.log_list("empty", [])
    metrics = read_metrics(run)
    assert metrics["l"] == [1.0, NA, 2.5, "x", "1"] and metrics["empty"] == []


def test_rows_make_a_table(run: RunPaths, log: JobLog) -> None:
    log.log_row("r", a=1, b="x")
    log.log_row("r", a=2, c=None)
    assert read_metrics(run)["r"] == {"a": [1, 2], "b": ["x", None], "c": [None, NA]}


def test_a_table_logged_again_appends(run: RunPaths, log: JobLog) -> None:
    log.log_table("t", {"a": [1, 2], "b": [math.inf, None]})
    log.log_table("t", {"a": [3], "b": [0.5]})
    assert read_metrics(run)["t"] == {"a": [1, 2, 3], "b": [math.inf, NA, 0.5]}


@pytest.mark.parametrize("table", [{"a": [1], "b": []}, {"a": 1}, {"a": "xy"}, {"a": [[1]]}])
def test_bad_tables(log: JobLog, table: Any) -> None:
    with pytest.raises(EspalierError):
        log.log_table("t", table)


def test_images(run: RunPaths, log: JobLog, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"png")
    log.log_image("roc/../curve é", str(tmp_path / "p.png"))
    log.log_image("roc/../curve é", str(tmp_path / "p.png"))
    names = read_metrics(run)["roc/../curve é"]
    assert len(set(names)) == 2
    for name in names:
        assert name.startswith("outputs/images/") and ".." not in name
        assert Path(run.root, name).read_bytes() == b"png"
    with pytest.raises(EspalierError, match="either path or plot"):
        log.log_image("x")


def test_history(run: RunPaths, log: JobLog) -> None:
    log.log("a", 1, step=1)
    log.log("b", 0.5)
    log.log("a", 2, step=2.5)
    frame = history_frame(run)
    assert frame.columns["name"] == ["a", "b", "a"]
    assert frame.columns["step"] == [1, None, 2.5]
    assert frame.columns["value"] == [1.0, 0.5, 2.0] and frame.kinds["value"] == "double"
    assert history_frame(run, "a").kinds["value"] == "integer"
    log.log("a", "text")
    assert history_frame(run, "a").columns["value"] == ["1", "2", "text"]


def test_empty_history(run: RunPaths) -> None:
    assert len(history_frame(run)) == 0


@pytest.mark.parametrize("step", [-1, 1.5, 2**53, 0, 1e300])
def test_steps(run: RunPaths, log: JobLog, step: float) -> None:
    log.log("a", 1, step=step)
    log.log("a", 2, step=step)
    assert history_frame(run).columns["step"] == [step, step]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "metric", "name": "m", "kind": "double"},
        {"type": "metric", "name": "m", "kind": "double", "value": "!Bogus"},
        {"type": "metric", "name": "m", "kind": "double", "value": None},
        {"type": "list", "name": "m", "kind": "double"},
        {"type": "list", "name": "m", "kind": "double", "values": 1},
        {"type": "row", "name": "m", "row": []},
        {"type": "table", "name": "m", "columns": {"a": 1}},
        {"type": "image", "name": "m"},
    ],
)
def test_events_that_lack_what_they_need(run: RunPaths, event: Dict[str, Any]) -> None:
    write(run, event)
    with pytest.raises(EspalierError) as caught:
        read_metrics(run)
    assert caught.value.code == "damaged"


def test_history_of_a_damaged_event(run: RunPaths) -> None:
    write(run, {"type": "metric", "name": "m", "kind": "double", "value": "abc"})
    with pytest.raises(EspalierError) as caught:
        history_frame(run)
    assert caught.value.code == "damaged"


LONG = {"seq": 0, "payload": "payloads/w-0.json"}


def long_event(run: RunPaths, kind: str, body: Dict[str, Any]) -> None:
    """One event whose body lies in a payload file."""
    os.makedirs(run.payloads, exist_ok=True)
    Path(run.payloads, "w-0.json").write_text(json.dumps(body))
    write(run, {"type": kind, "name": "m", **LONG} if kind != "warning" else {"type": kind, **LONG})


def test_bodies_of_any_event_may_be_payloads(run: RunPaths) -> None:
    long_event(run, "metric", {"kind": "string", "value": "x" * 9999, "step": 3})
    assert read_metrics(run) == {"m": "x" * 9999}
    assert history_frame(run).columns["value"] == ["x" * 9999] and history_frame(run).columns["step"] == [3]
    long_event(run, "image", {"path": "outputs/images/m.png"})
    assert read_metrics(run) == {"m": "outputs/images/m.png"}
    long_event(run, "param", {"kind": "string", "value": ["x" * 9999]})
    assert read_params(run) == {"m": {"kind": "string", "value": ["x" * 9999]}}
    long_event(run, "warning", {"message": "x" * 9999, "call": None})
    assert read_warnings(run) == ["x" * 9999]


@pytest.mark.parametrize("read", [read_metrics, history_frame, metric_frames])
def test_a_lost_payload_is_damage(run: RunPaths, read: Any) -> None:
    long_event(run, "metric", {"kind": "string", "value": "x"})
    os.unlink(os.path.join(run.payloads, "w-0.json"))
    with pytest.raises(EspalierError, match=r"w-0\.json") as caught:
        read(run)
    assert caught.value.code == "damaged"


def test_frames_keep_kinds_where_nothing_but_na_was_logged(run: RunPaths) -> None:
    kinds = ("double", "integer", "logical", "string")
    write(
        run,
        *({"type": "metric", "name": kind, "kind": kind, "value": "!NA"} for kind in kinds),
        *({"type": "list", "name": kind + "s", "kind": kind, "values": ["!NA", "!NA"]} for kind in kinds),
        {"type": "table", "name": "t", "kinds": {k: k for k in kinds}, "columns": {k: ["!NA"] for k in kinds}},
        {"type": "table", "name": "none", "kinds": {"a": "string"}, "columns": {"a": []}},
    )
    frames = metric_frames(run)
    for kind in kinds:
        assert frames[kind].kinds == {"": kind} and frames[kind].columns == {"": [None]}
        assert frames[kind + "s"].kinds == {"": kind} and len(frames[kind + "s"]) == 2
    assert frames["t"].kinds == {kind: kind for kind in kinds} and list(frames["t"].columns) == list(kinds)
    assert frames["none"].columns == {"a": []} and frames["none"].kinds == {"a": "string"}
    assert list(metric_frames(run, "double")) == ["double"]


def test_frames_of_mixed_kinds(run: RunPaths, log: JobLog) -> None:
    for value in (None, 1, 2.5):
        log.log("number", value)
    for value in (1, "x"):
        log.log("text", value)
    log.log_row("r", a=1)
    log.log_row("r", a=0.5, b=True)
    frames = metric_frames(run)
    assert frames["number"].columns == {"": [None, 1.0, 2.5]} and frames["number"].kinds == {"": "double"}
    assert frames["text"].columns == {"": ["1", "x"]}
    assert frames["r"].columns == {"a": [1.0, 0.5], "b": [None, True]}
    assert frames["r"].kinds == {"a": "double", "b": "logical"}


def test_frames_say_when_they_round(run: RunPaths, log: JobLog) -> None:
    log.log("huge", 2**53 + 1)
    with pytest.warns(UserWarning, match=r"beyond 2\^53"):
        assert metric_frames(run)["huge"].columns == {"": [float(2**53)]}
    log.log("exact", 2**54)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metric_frames(run, "exact")["exact"].columns == {"": [float(2**54)]}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "metric", "name": "m", "kind": "double", "value": "abc"},
        {"type": "metric", "name": "m", "kind": "time", "value": 1},
        {"type": "list", "name": "m", "kind": "integer", "values": ["abc"]},
        {"type": "table", "name": "m", "kinds": {}, "columns": {"a": [1]}},
        {"type": "table", "name": "m", "kinds": {"a": "double"}, "columns": {"a": [2**2000]}},
        {"type": "table", "name": "m", "kinds": {"a": "double", "b": "double"}, "columns": {"a": [1], "b": []}},
    ],
)
def test_frames_of_events_that_lie(run: RunPaths, event: Dict[str, Any]) -> None:
    write(run, event)
    with pytest.raises(EspalierError) as caught:
        metric_frames(run)
    assert caught.value.code == "damaged"


def test_params_and_warnings(run: RunPaths) -> None:
    write(
        run,
        {"type": "param", "name": "a", "kind": "double", "value": 1.0},
        {"type": "param", "name": "a", "kind": "double", "value": 2.0},
        {"type": "param"},
        {"type": "warning", "message": "careful", "call": None},
    )
    assert read_params(run) == {"a": {"kind": "double", "value": 2.0}}
    assert read_warnings(run) == ["careful"]
    Path(run.events, "w.jsonl").write_text("broken\n")
    assert "w.jsonl is damaged at line 1" in read_warnings(run)[0]
