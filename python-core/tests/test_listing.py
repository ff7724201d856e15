import math
from typing import Any, Callable, Dict, List, Optional

import pytest
from espalier import Experiment, Run
from espalier.base.records import seconds_of
from espalier.base.types import Frame
from espalier.store.index import columns, rows
from espalier.store.index.columns import frame_of
from espalier.store.index.rows import IN_MEMORY, Look, opened, store


def row(**fields: Any) -> Dict[str, Any]:
    return {"status": "Completed", "tags": {}, "params": {}, "metrics": {}, **fields}


def rows_as_frame(rows: List[Dict[str, Any]]) -> Frame:
    """Rows that went through the index."""
    database = opened(IN_MEMORY)
    for number, each in enumerate(rows):
        store(database, {"run_id": f"e_1_{number:08x}", **each}, Look("00", 0, 0.0, None))
    return frame_of(database, [n for (n,) in database.execute("SELECT n FROM runs ORDER BY n")])


def cell(value: Any, kind: str) -> Dict[str, Any]:
    return {"kind": kind, "value": value}


def test_no_rows() -> None:
    frame = rows_as_frame([])
    assert len(frame) == 0 and "status" in frame.columns and frame.kinds["started_at"] == "time"


def test_a_column_for_each_tag_param_and_metric() -> None:
    frame = rows_as_frame(
        [
            row(tags={"a": "x"}, metrics={"auc": cell(0.9, "double")}),
            row(params={"n": cell(3, "integer")}, metrics={"auc": cell(1, "integer"), "ok": cell(True, "logical")}),
        ]
    )
    assert frame.columns["tag_a"] == ["x", None]
    assert frame.columns["param_n"] == [None, 3] and frame.kinds["param_n"] == "integer"
    assert frame.columns["metric_auc"] == [0.9, 1.0] and frame.kinds["metric_auc"] == "double"
    assert frame.columns["metric_ok"] == [None, True]


@pytest.mark.parametrize(
    "one,other,kind,values",
    [
        (cell(1, "integer"), cell("a", "string"), "string", ["1", "a"]),
        (cell(100000.0, "double"), cell("a", "string"), "string", ["100000", "a"]),
        (cell("!Inf", "double"), cell(1, "integer"), "double", [math.inf, 1.0]),
        (cell("!NA", "logical"), cell(1, "integer"), "integer", [None, 1]),
        (cell(2**40, "integer"), cell(1, "integer"), "double", [float(2**40), 1.0]),
        (cell("!!a", "string"), cell("!NA", "string"), "string", ["!a", None]),
    ],
)
def test_mixed_kinds(one: Any, other: Any, kind: str, values: Any) -> None:
    frame = rows_as_frame([row(metrics={"m": one}), row(metrics={"m": other})])
    assert (frame.kinds["metric_m"], frame.columns["metric_m"]) == (kind, values)


@pytest.mark.parametrize("way", ["newest", "mixed", "some"])
@pytest.mark.parametrize("value", [cell(2, "integer"), cell("x", "string"), cell("!NA", "double"), cell(True, "logical"), None])
def test_whole_tables_from_blocks(value: Any, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those that single rows make, also after a run has changed, and where nothing may be written."""
    for module in (rows, columns):
        monkeypatch.setattr(module, "BLOCK", 4)
    monkeypatch.setattr(columns, "_MANY", 3)
    database = opened(IN_MEMORY)

    def put(number: int, **fields: Any) -> None:
        store(database, row(run_id=f"e_1_{number:08x}", **fields), Look("00", 0, 0.0, None))

    for number in range(11):
        put(number, tags={"t": str(number)}, params={"p": cell(number, "integer")}, metrics={"m": cell(0.5, "double")}, exit_code=1)
    put(9, metrics={} if value is None else {"m": value, "late": value})
    wanted = [n for (n,) in database.execute("SELECT n FROM runs ORDER BY n")]
    wanted = {"newest": wanted[::-1], "mixed": wanted[5:] + wanted[:5], "some": wanted[3:]}[way]
    for change in (lambda: None, lambda: None, lambda: put(2, display_name="é\n", metrics={"m": cell("!NaN", "double")})):
        change()
        made, expected = columns.table_of(database, wanted), frame_of(database, wanted)
        if way != "some":
            assert list(made.columns) == list(expected.columns)
            assert made.kinds == expected.kinds
        for name in made.columns:
            assert repr(made.columns[name]) == repr(expected.columns[name]), name
    kept = database.execute("SELECT count(DISTINCT number) FROM blocks").fetchone()
    assert kept == (3,)


def test_nan_is_not_missing() -> None:
    (value,) = rows_as_frame([row(metrics={"m": cell("!NaN", "double")})]).columns["metric_m"]
    assert math.isnan(value)


@pytest.mark.parametrize("value", [[cell(1, "integer"), cell(0.5, "double")], cell([1, 0.5], "double")])
def test_vectors_are_text(value: Any) -> None:
    assert rows_as_frame([row(params={"v": value})]).columns["param_v"] == ["1 0.5"]


@pytest.mark.parametrize("tag", ["!NA", "!", "!!x", "", "é😀"])
def test_tags_stay_as_they_are(tag: str) -> None:
    assert rows_as_frame([row(tags={"a": tag})]).columns["tag_a"] == [tag]


@pytest.mark.parametrize("name", ["a.b", "'", "<img src=x onerror=alert(1)>", "drop table", "é 😀", "run_id"])
def test_any_name_is_a_column(name: str) -> None:
    assert rows_as_frame([row(tags={name: "x"})]).columns["tag_" + name] == ["x"]


@pytest.mark.parametrize(
    "text,seconds",
    [
        (None, None), ("", None), ("nonsense", None), ("1970-01-01T00:00:00.000000Z", 0.0),
        ("2025-11-23T18:43:46.500000Z", 1763923426.5), ("2025-11-23T18:43:46Z", 1763923426.0),
    ],
)  # fmt: skip
def test_seconds_of(text: Optional[str], seconds: Optional[float]) -> None:
    assert seconds_of(text) == seconds


def test_the_table_of_real_runs(experiment: Experiment, submit: Callable[..., Run], ended: Any) -> None:
    good = submit("exit 0", script_params={"lr": 0.5, "layers": [1, 2]})
    bad = submit("exit 3", script_params={"lr": 1})
    for run in (good, bad):
        ended(run)
    frame = experiment.list_runs()
    table = {item["run_id"]: item for item in frame.rows()}
    assert table[good.id]["status"] == "Completed" and table[good.id]["param_lr"] == 0.5
    assert table[good.id]["param_layers"] == "1 2" and table[bad.id]["param_layers"] is None
    assert table[bad.id]["exit_code"] == 3 and "exit status 3" in table[bad.id]["error"]
    assert table[good.id]["created_at"] <= table[good.id]["started_at"] <= table[good.id]["ended_at"]
