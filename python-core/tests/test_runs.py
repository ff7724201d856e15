"""`ws.runs`: the best run, lists of some runs, values of metrics from logging to filter."""

import json
from pathlib import Path
from typing import Any, List, Optional

import pytest
from espalier import EspalierError, Experiment, Run, Workspace


def logged(experiment: Experiment, *values: Any, parent: Optional[Run] = None, fail: bool = False) -> Run:
    run = experiment.start_logging() if parent is None else parent.child_run()
    for value in values:
        run.log("auc", value)
    if fail:
        run.fail("no")
    else:
        run.complete()
    return run


def test_the_best_run(workspace: Workspace, experiment: Experiment) -> None:
    best = workspace.runs.best
    with pytest.raises(EspalierError) as caught:
        best("auc")
    assert caught.value.code == "run_missing" and "Can't find a completed run with a value" in caught.value.message
    first = logged(experiment, 0.2, 0.99, 0.5)
    second = logged(experiment, 0.7)
    logged(experiment, 0.7)
    low = logged(Experiment(workspace, "other"), 0.3, 0.1)
    logged(experiment, 0.4, float("nan"))
    failed = logged(experiment, 5.0, fail=True)
    assert best("auc") == second and best("auc", maximize=False) == low  # (of two alike the earlier one)
    assert best("auc", value="best") == first and best("auc", False, "first") == first
    assert best("auc", status=None) == best("auc", status="Failed") == failed
    assert best("auc", False, experiment="exp") == first
    assert best("auc", run_ids=[low.id, first.id, "exp_1_00000000"]) == first
    for wrong in ({"value": "mean"}, {"status": "Done"}, {"experiment": "a b"}, {"run_ids": []}, {"parent": "\udc80"}):
        with pytest.raises(EspalierError):
            best("auc", **wrong)  # type: ignore[arg-type]
    with pytest.raises(EspalierError, match=r"Did you mean `metrics\.auc`"):
        best("AUC")


def test_the_best_of_children(workspace: Workspace, experiment: Experiment) -> None:
    parent = experiment.start_logging()
    logged(experiment, 0.95)
    child = logged(experiment, 0.5, parent=parent)
    deep = logged(experiment, 0.9, parent=child)
    assert workspace.runs.best("auc", parent=parent.id) == deep
    assert workspace.runs.best("auc", parent=child.id) == deep
    assert workspace.runs.best("auc", maximize=False, include_children=True) == child
    parent.complete()


def test_values_that_a_run_logged(workspace: Workspace, experiment: Experiment) -> None:
    run = logged(experiment, 3, 1, 2)
    live = experiment.start_logging()
    for value in (0.5, 8.5):
        live.log("auc", value)
    frame = workspace.runs.list(filter="min(metrics.auc) < 2", order_by=["-max(metric_auc)", "first(metrics.auc)"])
    assert frame.columns["run_id"] == [live.id, run.id]
    assert [frame.columns[f"{word}(metric_auc)"] for word in ("min", "max", "first")] == [[0.5, 1.0], [8.5, 3.0], [0.5, 3.0]]
    live.complete()


def test_a_record_of_an_earlier_version(workspace: Workspace, experiment: Experiment) -> None:
    run = logged(experiment, 3, 1, 2)
    status = Path(run.run_dir, "status.json")
    record = json.loads(status.read_text())
    assert record.pop("metric_ranges") == {"auc": {"first": 3, "min": 1, "max": 3}}
    status.write_text(json.dumps(record))
    assert workspace.runs.list(order_by=["min(metrics.auc)"]).columns["min(metric_auc)"] == [1]


@pytest.mark.parametrize(
    "ranges",
    [5, [], {"auc": 5}, {"auc": {"min": []}}, {"auc": {"min": "x"}}, {"auc": {"min": {"kind": "string", "value": "x"}}},
     {"auc": {"min": {"kind": "double", "value": "x"}}}, {"auc": {"first": {"kind": [], "value": 1}}}, {"auc": {"min": "!NaN"}},
     {"no": {"min": 1.0}}],
)  # fmt: skip
def test_hostile_ranges(workspace: Workspace, experiment: Experiment, ranges: Any) -> None:
    run = logged(experiment, 2.0)
    status = Path(run.run_dir, "status.json")
    status.write_text(json.dumps({**json.loads(status.read_text()), "metric_ranges": ranges}))
    frame = workspace.runs.list(filter="min(metrics.auc) = 2 and first(metrics.auc) = 2")
    assert frame.columns["status"] == ["Completed"]


def test_only_some_runs(workspace: Workspace, experiment: Experiment) -> None:
    runs: List[Run] = [logged(experiment, value) for value in (1, 2, 3)]
    wanted = [runs[0].id, runs[2].id]
    frame = workspace.runs.list(run_ids=[*wanted, "x", "\udc80", *wanted], order_by=["metrics.auc"], max_results=1)
    assert frame.columns["run_id"] == wanted[:1]
    more = workspace.runs.list(run_ids=wanted, order_by=["metrics.auc"], max_results=1)
    with pytest.raises(EspalierError, match="page token"):
        workspace.runs.list(order_by=["metrics.auc"], max_results=1, page_token=more.page_token)
    assert len(workspace.runs.list(run_ids=[])) == 0
    assert len(workspace.runs.list(run_ids=[f"e_1_{n:08x}" for n in range(50_000)] + wanted)) == 2
