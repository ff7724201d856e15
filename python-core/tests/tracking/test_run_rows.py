import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.base.paths import RunPaths
from espalier.store.index.rows import IN_MEMORY, Look, opened, store
from espalier.tracking.run_rows import summarise

ID = "my_exp_1795464485_abcdef01"
SPEC = {"format": 1, "experiment": "my_exp", "type": "command", "created_at": "2026-01-01T00:00:00.000000Z", "params": {}}
STATUS: Dict[str, Any] = {"format": 1, "state": "Completed", "exit_code": 0, "duration_seconds": 1.5, "metrics": {}}
META = {"format": 1, "display_name": None, "tags": {"a": "b"}, "properties": {}}


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / ID))
    os.makedirs(paths.events)
    write(paths)
    return paths


def write(run: RunPaths, **changed: Any) -> None:
    for name, record in {"spec": SPEC, "status": STATUS, "meta": META, **changed}.items():
        content = record if isinstance(record, str) else json.dumps(record)
        Path(run.root, name + ".json").write_text(content)


def events(run: RunPaths, *lines: Dict[str, Any]) -> None:
    text = "".join(json.dumps({"seq": 0, "time": 1.0, **line}) + "\n" for line in lines)
    Path(run.events, "w.jsonl").write_text(text)


def row_of(run: RunPaths) -> Dict[str, Any]:
    row = summarise(run.root)
    store(opened(IN_MEMORY), row, Look(ID[-8:-6], 0, 0.0, None))  # the index takes any row
    assert json.loads(json.dumps(row)) == row
    return row


def test_finished(run: RunPaths) -> None:
    row = row_of(run)
    assert (row["run_id"], row["status"], row["experiment"]) == (ID, "Completed", "my_exp")
    assert (row["duration_seconds"], row["exit_code"], row["tags"]) == (1.5, 0, {"a": "b"})


@pytest.mark.parametrize("name", ["spec", "status", "meta"])
@pytest.mark.parametrize(
    "content,status", [("", "Damaged"), ("{", "Damaged"), ("[]", "Damaged"), ('{"format": 3}', "Unreadable")]
)
def test_damaged_records(run: RunPaths, name: str, content: str, status: str) -> None:
    write(run, **{name: content})
    row = row_of(run)
    assert row["status"] == status and row["error"]
    assert row["experiment"] == "my_exp", "a damaged run stays in the list of its experiment"


@pytest.mark.parametrize("name", ["spec", "status", "meta"])
def test_missing_records(run: RunPaths, name: str) -> None:
    os.unlink(os.path.join(run.root, name + ".json"))
    assert row_of(run)["status"] == "Damaged"


@pytest.mark.parametrize(
    "changed",
    [
        {"status": {**STATUS, "state": "Dancing"}},
        {"status": {"format": 1}},
        {"status": {**STATUS, "exit_code": "zero"}},
        {"status": {**STATUS, "duration_seconds": [1]}},
        {"spec": {**SPEC, "created_at": 5}},
        {"spec": {**SPEC, "experiment": ["x"]}},
        {"spec": {**SPEC, "params": [1]}},
        {"meta": {**META, "tags": "x"}},
        {"meta": {**META, "tags": {"a": {"b": 1}}}},
        {"meta": {**META, "display_name": 5}},
    ],
)
def test_fields_of_another_type_are_damage(run: RunPaths, changed: Any) -> None:
    write(run, **changed)
    assert row_of(run)["status"] == "Damaged"


def test_metrics_of_a_running_run_come_from_its_log(run: RunPaths) -> None:
    write(run, status={"format": 1, "state": "Running"})
    events(run, {"type": "metric", "name": "m", "kind": "double", "value": 0.5})
    assert row_of(run)["metrics"] == {"m": {"kind": "double", "value": 0.5}}


def test_metrics_of_a_finished_run_come_from_its_state(run: RunPaths) -> None:
    write(run, status={**STATUS, "metrics": {"m": {"kind": "integer", "value": 3}}, "metric_ranges": {}})
    assert row_of(run)["metrics"]["m"]["value"] == 3


def test_nonsense_in_the_state_spoils_no_table(run: RunPaths) -> None:
    bad = {"a": 1, "b": {"kind": "double", "value": "abc"}, "c": {"kind": "foo", "value": 1}, "d": {}, "e": None}
    write(run, status={**STATUS, "metrics": {**bad, "good": {"kind": "double", "value": 1}}, "metric_ranges": {}})
    assert list(row_of(run)["metrics"]) == ["good"]
    write(run, status={**STATUS, "metrics": [1], "metric_ranges": {}})
    assert row_of(run)["metrics"] == {}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "metric"},
        {"type": "metric", "name": "m", "kind": "foo", "value": 1},
        {"type": "metric", "name": "m", "kind": "double", "value": 10**400},
        {"type": "metric", "name": ["m"], "kind": "double", "value": 1},
        {"type": "param"},
        {"type": "param", "name": "p"},
        {"type": "param", "name": "p", "kind": "foo", "value": [1, [2]]},
        {"type": "param", "name": {"p": 1}, "kind": "double", "value": 1},
    ],
)
def test_nonsense_in_the_log_spoils_no_table(run: RunPaths, event: Dict[str, Any]) -> None:
    write(run, status={"format": 1, "state": "Running"})
    events(run, event, {"type": "metric", "name": "good", "kind": "integer", "value": 1})
    row = row_of(run)
    assert row["status"] == "Running" and "good" in row["metrics"] and "m" not in row["metrics"]


def test_params_from_both_sides(run: RunPaths) -> None:
    cell = {"kind": "integer", "value": 1}
    write(run, spec={**SPEC, "params": {"a": cell, "v": [cell, cell], "bad": 5}})
    events(run, {"type": "param", "name": "b", "kind": "double", "value": 0.5})
    assert row_of(run)["params"] == {"a": cell, "v": [cell, cell], "b": {"kind": "double", "value": 0.5}}


GOOD_LINE = '{"type":"metric","seq":0,"time":1.0,"name":"m","kind":"double","value":0.5}\n'


@pytest.mark.parametrize("state,error", [("Completed", None), ("Failed", {"message": "boom"}), ("Canceled", None)])
def test_a_damaged_log_of_an_ended_run(run: RunPaths, state: str, error: Any) -> None:
    metrics = {"m": {"kind": "integer", "value": 3}}
    write(run, spec={**SPEC, "params": {"a": metrics["m"]}}, status={**STATUS, "state": state, "error": error, "metrics": metrics, "metric_ranges": {}})
    log = Path(run.events, "w.jsonl")
    log.write_text(GOOD_LINE + "broken\n" + GOOD_LINE)
    row = row_of(run)
    assert row["status"] == "Damaged" and row["error"].startswith(f"{log} is damaged at line 2")
    assert state in row["error"] and (error is None or "boom" in row["error"]), "how it ended is still told"
    assert (row["metrics"], row["params"], row["tags"]) == (metrics, {"a": metrics["m"]}, {"a": "b"}), "the rest is whole"
    log.write_text(GOOD_LINE)
    assert row_of(run)["status"] == state


@pytest.mark.parametrize("tail", [GOOD_LINE[:-1], GOOD_LINE[:30], "\0" * 100])
def test_a_torn_last_line_is_no_damage(run: RunPaths, tail: str) -> None:
    Path(run.events, "w.jsonl").write_text(GOOD_LINE + tail)
    assert row_of(run)["status"] == "Completed" and row_of(run)["error"] is None


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("/etc/passwd", path), os.mkfifo])
def test_no_log_where_a_log_should_be(run: RunPaths, make: Any) -> None:
    make(os.path.join(run.events, "w.jsonl"))
    row = row_of(run)
    assert row["status"] == "Damaged" and "Can't read the event log" in row["error"]


def test_no_folder_where_the_logs_should_be(run: RunPaths) -> None:
    os.rmdir(run.events)
    assert row_of(run)["status"] == "Completed", "a run that logged nothing may have none"
    Path(run.events).write_text("")
    assert row_of(run)["status"] == "Damaged"


def test_a_log_of_a_newer_format(run: RunPaths) -> None:
    Path(run.events, "w.jsonl").write_text('{"type":"writer","format":2}\n{"later":1}\n')
    assert row_of(run)["status"] == "Unreadable"


def test_a_damaged_log_of_a_running_run(run: RunPaths) -> None:
    """Its state decides what is done for it, so that is shown."""
    write(run, status={"format": 1, "state": "Running"})
    Path(run.events, "w.jsonl").write_text(GOOD_LINE + "broken\n")
    row = row_of(run)
    assert row["status"] == "Running" and "line 2" in row["error"] and row["metrics"]["m"]["value"] == 0.5


def test_cancel_requested(run: RunPaths) -> None:
    os.mkdir(os.path.dirname(run.cancel))
    Path(run.cancel).write_text("{}")
    assert row_of(run)["status"] == "Completed"
    write(run, status={"format": 1, "state": "Running"})
    assert row_of(run)["status"] == "CancelRequested"
