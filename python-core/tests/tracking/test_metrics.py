import contextlib
import datetime
import decimal
import enum
import errno
import fractions
import json
import math
import numbers
import os
import warnings
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.api.job_log import JobLog
from espalier.base.errors import DamageWarning, EspalierError
from espalier.base.paths import RunPaths
from espalier.base.values import NA
from espalier.tracking.events import Damage
from espalier.tracking.metrics import history_frame, metric_frames, read_metrics, read_params, read_warnings


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    os.makedirs(paths.root)
    return paths


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


@pytest.mark.parametrize("bad", [1j, [1, 2], {}, b"x", object(), (), 2**1023, -(2**2000), 10**20_000, "x" * 20_000], ids=lambda bad: type(bad).__name__)
def test_what_is_no_value_is_recorded_as_text(
    run: RunPaths, log: JobLog, bad: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    log.log("m", bad)
    log.log("m", bad)
    assert capsys.readouterr().err.count("espalier: The value of 'm'") == 1
    recorded, text = read_metrics(run)["m"], hex(bad) if bad == 10**20_000 else str(bad)
    assert len(recorded) == 2 and isinstance(recorded[0], str) and recorded[0][:50] == text[:50]


@pytest.mark.parametrize("bad", [1j, [1, 2], 2**1023])
def test_outside_a_run_what_is_no_value_is_an_error(bad: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        JobLog(None).log("m", bad)
    assert caught.value.code == "bad_argument"


class Scalar:
    """What a torch scalar and its like have in common."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value


class Tensor:
    """A tensor of several values."""

    def item(self) -> Any:
        raise ValueError("only one element tensors can be converted")

    __float__ = __index__ = __int__ = item

    def __str__(self) -> str:
        raise RuntimeError("and it cannot be printed")


def test_names_that_are_no_text(run: RunPaths, log: JobLog) -> None:
    for name in (5, None, ["a"]):
        log.log(name, 1)  # type: ignore[arg-type]
    assert set(read_metrics(run)) == {"5", "None", "['a']"}


class Color(str, enum.Enum):
    RED = "red"


def numpy_values() -> Dict[str, Any]:
    numpy = pytest.importorskip("numpy")
    return {
        "int64": (numpy.int64(3), 3), "float32": (numpy.float32(0.5), 0.5), "float64": (numpy.float64(0.5), 0.5),
        "bool": (numpy.bool_(True), True), "0d": (numpy.array(3), 3), "one": (numpy.array([[2.5]]), 2.5),
        "time": (numpy.datetime64("2024-01-02"), "2024-01-02"), "str": (numpy.str_("a"), "a"),
        "several": (numpy.array([1, 2]), "[1 2]"),
    }  # fmt: skip


VALUES: Dict[str, Any] = {
    "decimal": (decimal.Decimal("1.5"), 1.5),
    "fraction": (fractions.Fraction(1, 4), 0.25),
    "date": (datetime.date(2024, 1, 2), "2024-01-02"),
    "enum": (Color.RED, "red"),
    "int enum": (enum.IntEnum("Level", "low high").high, 2),  # type: ignore[attr-defined]
    "tensor": (Scalar(0.5), 0.5),
    "tensors": (Tensor(), "<Tensor>"),
    "itself": (numbers.Number, "<class 'numbers.Number'>"),
}


def test_values_of_training_loops(run: RunPaths, log: JobLog) -> None:
    values = {**VALUES, **numpy_values()}
    for name, (value, _) in values.items():
        log.log(name, value)
        log.log_list(name + " list", [value])
        log.log_row(name + " row", a=value)
    metrics = read_metrics(run)
    for name, (_, expected) in values.items():
        assert metrics[name] == expected and metrics[name + " list"] == [expected], name
        assert metrics[name + " row"] == {"a": [expected]}, name
    assert type(metrics["bool"]) is bool and type(metrics["int64"]) is int
    assert set(metric_frames(run)) == set(metrics)


@pytest.mark.parametrize("bad", ["", "a\nb", "x" * 256, "\udc80"])
def test_bad_names_are_put_right(run: RunPaths, log: JobLog, bad: Any, capsys: pytest.CaptureFixture[str]) -> None:
    log.log(bad, 1)
    log.log_list(bad, [1])
    log.log_table("t", {bad: [1]})
    metrics = read_metrics(run)
    assert len(metrics) == 2 and len(metrics["t"]) == 1
    assert capsys.readouterr().err.count("espalier: The name") == 1
    with pytest.raises(EspalierError) as caught:
        JobLog(None).log(bad, 1)
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


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"a": [1], "b": []}, {"a": [1], "b": [NA]}),
        ({"a": 1}, {"a": [1]}),
        ({"a": "xy"}, {"a": ["xy"]}),
        ({"a": [[1]]}, {"a": ["[1]"]}),
        (7, {"value": [7]}),
    ],
)
def test_bad_tables(run: RunPaths, log: JobLog, table: Any, expected: Any) -> None:
    log.log_table("t", table)
    assert read_metrics(run)["t"] == expected
    with pytest.raises(EspalierError):
        JobLog(None).log_table("t", table) if table != {"a": "xy"} else JobLog(None).log_table("t", 7)  # type: ignore[arg-type]


def test_images(run: RunPaths, log: JobLog, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"png")
    log.log_image("roc/../curve é", str(tmp_path / "p.png"))
    log.log_image("roc/../curve é", str(tmp_path / "p.png"))
    names = read_metrics(run)["roc/../curve é"]
    assert len(set(names)) == 2
    for name in names:
        assert name.startswith("outputs/images/") and ".." not in name
        assert Path(run.root, name).read_bytes() == b"png"
    with pytest.raises(EspalierError, match="either `path` or `plot`"):
        log.log_image("x")


class Figure:
    """A figure as matplotlib's."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def savefig(self, path: str) -> None:
        Path(path).write_bytes(b"half")
        if self.fails:
            raise ValueError("cannot be drawn")
        Path(path).write_bytes(b"whole")


def test_figures_that_fail(run: RunPaths, log: JobLog, capsys: pytest.CaptureFixture[str]) -> None:
    log.log_image("a", plot=Figure(fails=True))
    log.log_image("a", plot=5)
    log.log_image("a", "no-such.png")
    assert not Path(run.root, "outputs", "images").exists() or not os.listdir(Path(run.root, "outputs", "images"))
    log.log_image("a", plot=Figure())
    assert os.listdir(Path(run.root, "outputs", "images")) == ["a.png"]
    assert read_metrics(run) == {"a": "outputs/images/a.png"}
    assert capsys.readouterr().err.count("espalier: The image 'a' can't be recorded") == 1


@pytest.mark.parametrize("links", [True, False])
def test_images_of_one_name_by_many_processes(run: RunPaths, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            log = JobLog(run.root)
            for _ in range(25):
                log.log_image("one", plot=Figure())
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    names = read_metrics(run)["one"]
    assert len(set(names)) == 100 == len(os.listdir(Path(run.root, "outputs", "images")))
    assert all(Path(run.root, name).read_bytes() == b"whole" for name in names)


def test_history(run: RunPaths, log: JobLog) -> None:
    log.log("a", 1, step=1)
    log.log("b", 0.5)
    log.log("a", 2, step=2.5)
    frame = history_frame(run)
    assert frame.columns["name"] == ["a", "b", "a"]
    assert frame.columns["step"] == [1, None, 2.5]
    assert frame.columns["value"] == [1.0, 0.5, 2.0] and frame.kinds["value"] == "double"
    assert history_frame(run, "a").kinds["value"] == "integer"
    assert frame.columns["text"] == [None, None, None] and frame.kinds["text"] == "string"


def test_text_leaves_numbers_as_they_are(run: RunPaths, log: JobLog) -> None:
    for name, value in {"a": 1, "b": "text", "c": True, "d": 2.5, "e": datetime.date(2024, 1, 2), "f": "!x"}.items():
        log.log(name, value)
    frame = history_frame(run)
    assert frame.columns["value"] == [1.0, None, 1.0, 2.5, None, None] and frame.kinds["value"] == "double"
    assert frame.columns["text"] == [None, "text", None, None, "2024-01-02", "!x"]
    assert [history_frame(run, name).kinds["value"] for name in "abcd"] == ["integer", "double", "logical", "double"]


def test_empty_history(run: RunPaths) -> None:
    assert len(history_frame(run)) == 0


@pytest.mark.parametrize("step", [-1, 1.5, 2**53, 0, 1e300])
def test_steps(run: RunPaths, log: JobLog, step: float) -> None:
    log.log("a", 1, step=step)
    log.log("a", 2, step=step)
    assert history_frame(run).columns["step"] == [step, step]


STEPS: Dict[str, Any] = {
    "text": ("3", 3), "fraction as text": (" 1.5 ", 1.5), "big": (2**70, 2.0**70), "true": (True, 1),
    "decimal": (decimal.Decimal("2"), 2), "tensor": (Scalar(4), 4), "nan": (math.nan, None), "inf": (-math.inf, None),
    "words": ("epoch 3", None), "list": ([1], None), "date": (datetime.date(2024, 1, 2), None), "tensors": (Tensor(), None),
    "huge": (10**400, None), "nan as text": ("nan", None), "nothing": (None, None),
}  # fmt: skip


@pytest.mark.parametrize("kind", STEPS)
def test_steps_of_training_loops(run: RunPaths, log: JobLog, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    step, expected = STEPS[kind]
    log.log("a", 1.0, step=step)
    log.log("a", 2.0, step=step)
    history = history_frame(run)
    assert history.columns["step"] == [expected, expected] and history.columns["value"] == [1.0, 2.0]
    odd = expected is None and step is not None
    assert capsys.readouterr().err.count("isn't a finite number") == odd


@pytest.mark.parametrize(
    ("step", "expected"),
    [("3", 3), (2**70, 2.0**70), (True, 1), ([3], None), ({"a": 1}, None), ("x", None), (2**2000, None), (None, None)],
)
def test_steps_that_others_wrote(run: RunPaths, step: Any, expected: Any, recwarn: pytest.WarningsRecorder) -> None:
    scalar = {"type": "metric", "name": "m", "kind": "double"}
    write(run, {**scalar, "value": 1, "step": 0}, {**scalar, "value": 2, "step": step})
    history = history_frame(run, "m")
    assert history.columns["step"] == [0, expected] and history.columns["value"] == [1.0, 2.0]
    assert len(recwarn) == (expected is None and step is not None)
    assert read_metrics(run) == {"m": [1.0, 2.0]} and metric_frames(run)["m"].columns == {"": [1.0, 2.0]}


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
    write(run, {**GOOD, "name": "good"}, event)
    with pytest.warns(UserWarning, match="another program"):
        metrics = read_metrics(run)
    assert metrics["good"] == 1.0 and metrics.get("m", NA) is NA


GOOD: Dict[str, Any] = {"type": "metric", "name": "m", "kind": "double", "value": 1}


@pytest.mark.parametrize("bad", [{"value": "abc"}, {"value": [1]}, {"value": None}, {"kind": "time"}, {"kind": []}, {"name": 3}])
def test_history_beside_a_bad_event(run: RunPaths, bad: Dict[str, Any]) -> None:
    write(run, GOOD, {**GOOD, **bad})
    with pytest.warns(UserWarning, match="another program"):
        history = history_frame(run)
    assert history.columns["value"] == ([1.0, None] if "value" in bad else [1.0])
    with pytest.warns(UserWarning, match="another program") if "name" not in bad else contextlib.nullcontext():
        assert metric_frames(run, "m")["m"].columns == {"": history.columns["value"]}


LONG = {"seq": 0, "payload": "payloads/w-0.json"}


def long_event(run: RunPaths, kind: str, body: Dict[str, Any]) -> None:
    """One event whose body lies in a payload file."""
    os.makedirs(run.payloads, exist_ok=True)
    Path(run.payloads, "w-0.json").write_text(json.dumps(body))
    write(run, {"type": kind, "name": "m", **LONG} if kind != "warning" else {"type": kind, **LONG})


def test_bodies_of_any_event_may_be_payloads(run: RunPaths) -> None:
    long_event(run, "metric", {"kind": "string", "value": "x" * 9999, "step": 3})
    assert read_metrics(run) == {"m": "x" * 9999}
    assert history_frame(run).columns["text"] == ["x" * 9999] and history_frame(run).columns["step"] == [3]
    long_event(run, "image", {"path": "outputs/images/m.png"})
    assert read_metrics(run) == {"m": "outputs/images/m.png"}
    long_event(run, "param", {"kind": "string", "value": ["x" * 9999]})
    assert read_params(run, Damage()) == {"m": {"kind": "string", "value": ["x" * 9999]}}
    long_event(run, "warning", {"message": "x" * 9999, "call": None})
    assert read_warnings(run) == ["x" * 9999]


def plain(found: Any) -> Any:
    """What was read, to be compared."""
    return getattr(found, "columns", None) or {name: getattr(each, "columns", each) for name, each in found.items()}


@pytest.mark.parametrize("read", [read_metrics, history_frame, metric_frames])
@pytest.mark.parametrize("damage", ["broken", '{"type":"metric","seq":0,"time":1,"name":"m","payload":"payloads/w-0.json"}'])
def test_damage_is_warned_of_and_the_rest_is_whole(run: RunPaths, read: Any, damage: str) -> None:
    write(run, {"type": "metric", "name": "a", "kind": "double", "value": 0.5})
    before = plain(read(run))
    log = Path(run.events, "w.jsonl")
    log.write_text(log.read_text() + damage + "\n" + damage + "\n")
    with pytest.warns(DamageWarning, match=r"w\.jsonl is damaged at 2 lines|w-0\.json can't be read and is left out") as caught:
        found = read(run)
    assert len(caught) == 1, "once"
    assert plain(found) == before


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
    write(run, {**GOOD, "name": "good"}, event)
    with pytest.warns(UserWarning, match="another program"):
        frames = metric_frames(run)
    assert frames["good"].columns == {"": [1.0]}
    missing = [value for values in frames["m"].columns.values() for value in values] if "m" in frames else [None]
    assert None in missing


def test_params_and_warnings(run: RunPaths) -> None:
    write(
        run,
        {"type": "param", "name": "a", "kind": "double", "value": 1.0},
        {"type": "param", "name": "a", "kind": "double", "value": 2.0},
        {"type": "param"},
        {"type": "warning", "message": "careful", "call": None},
    )
    assert read_params(run, Damage()) == {"a": {"kind": "double", "value": 2.0}}
    assert read_warnings(run) == ["careful"]
    Path(run.events, "w.jsonl").write_text("broken\n")
    assert "w.jsonl is damaged at line 1" in read_warnings(run)[0]
