"""Logs of an ended run that are gone, emptied or cut: noticed, named, and the rest is given."""

import json
import os
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from espalier import Experiment, Run
from espalier.base.errors import DamageWarning
from espalier.lifecycle import extent as module

DAMAGES: Dict[str, Callable[[Path], Any]] = {
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2])),
    "cut in a line": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.fixture
def run(experiment: Experiment) -> Run:
    """One that has ended, with three metrics and three parts."""
    made = experiment.start_logging()
    for step in range(3):
        made.log("loss", step + 0.5)
        made.log_part(f"p{step}")
    made.complete()
    return made


def log_of(run: Run, folder: str) -> Path:
    (path,) = Path(run.run_dir, folder).iterdir()
    return path


def listed(experiment: Experiment) -> Dict[str, Any]:
    frame = experiment.list_runs().columns
    return {name: frame[name][0] for name in ("status", "error")}


def warned(call: Callable[[], Any]) -> "tuple[Any, List[str]]":
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = call()
    assert all(issubclass(item.category, DamageWarning) for item in caught)
    return value, [str(item.message) for item in caught]


def test_the_end_records_how_much_there_was(run: Run) -> None:
    logs = run._status()["logs"]
    assert logs == {
        f"{folder}/{log_of(run, folder).name}": {"bytes": log_of(run, folder).stat().st_size, "lines": 4}
        for folder in ("events", "parts")
    }


def test_what_is_whole_is_not_warned_of(run: Run, experiment: Experiment) -> None:
    assert warned(run.get_metrics) == ({"loss": [0.5, 1.5, 2.5]}, [])
    assert listed(experiment) == {"status": "Completed", "error": None}
    assert run.get_details()["warnings"] == []


@pytest.mark.parametrize("how", [how for how in DAMAGES if how != "a folder"])
def test_an_event_log(how: str, run: Run, experiment: Experiment) -> None:
    listed(experiment)  # (it is in the index by now)
    path = log_of(run, "events")
    DAMAGES[how](path)
    said = f"{path} is gone" if how == "removed" else f"{path} was cut: it has"
    found = listed(experiment)
    assert found["status"] == "Damaged" and said in found["error"] and "4 lines" in found["error"]
    assert found["error"].endswith("The run itself ended as Completed.")
    assert any(said in text for text in run.get_details()["warnings"])
    rest = {"cut": {"loss": 0.5}, "cut in a line": {"loss": [0.5, 1.5]}}.get(how, {})
    value, told = warned(run.get_metrics)
    assert value == rest and len(told) == 1 and said in told[0]
    for read in (run.get_metric_frames, run.get_metric_history):
        assert len(warned(read)[1]) == 1
    assert run.get_status() == "Completed", "its recorded state is whole"


@pytest.mark.parametrize("how", [how for how in DAMAGES if how != "a folder"])
def test_a_log_of_parts(how: str, run: Run) -> None:
    path = log_of(run, "parts")
    DAMAGES[how](path)
    frame, told = warned(run.list_parts)
    assert len(told) == 1 and str(path) in told[0]
    assert len(frame.columns["key"]) == {"cut": 1, "cut in a line": 2}.get(how, 0)
    assert any(str(path) in text for text in run.get_details()["warnings"])


def test_what_the_job_printed(submit: Any) -> None:
    run = submit("echo hello; echo there")
    run.wait_for_completion()
    log = Path(run.run_dir, "user_logs", "std_log.txt")
    assert run._status()["logs"]["user_logs/std_log.txt"] == {"bytes": 12, "lines": 2}
    log.write_text("hello")
    assert f"{log} was cut: it has 5 bytes, and had 12, 2 lines, when the run ended." in run.get_details()["warnings"]


def test_of_many_logs_the_sums_are_recorded(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SINGLE_LOGS", 1)
    run = experiment.start_logging()
    run.log("a", 1)
    run.log_part("p")
    run.complete()
    assert run._status()["logs"]["files"] == 2
    assert warned(run.get_metrics)[1] == []
    log_of(run, "parts").unlink()
    assert len(warned(run.get_metrics)[1]) == 1


@pytest.mark.parametrize("logs", [None, {}, [], "x", {"a": 1}, {"files": 3}, {"events/../../x": {"bytes": "y"}}])
def test_records_that_say_something_else(logs: Any, run: Run) -> None:
    status = json.loads(Path(run._paths.status).read_text())
    Path(run._paths.status).write_text(json.dumps({**status, "logs": logs}))
    assert isinstance(module.lost_logs(run._paths, run._status()), list)


def test_a_large_log_is_not_read_at_the_end(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COUNTED_BYTES", 10)
    run = experiment.start_logging()
    run.log("a", 1)
    run.complete()
    assert [list(extent) for extent in run._status()["logs"].values()] == [["bytes"]]
    os.truncate(log_of(run, "events"), 5)
    assert len(warned(run.get_metrics)[1]) == 1
