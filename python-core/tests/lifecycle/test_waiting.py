import json
import os
import subprocess
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier import Experiment, Run, Workspace
from espalier.adapters.posix import process_start
from espalier.lifecycle.waiting import job_is_over, marked_as_waiting, marks, waits_for_runs


@pytest.fixture
def run(experiment: Experiment) -> Run:
    return experiment.start_logging()


def mark(run: Run, record: Any) -> None:
    folder = Path(run.run_dir, "requests")
    folder.mkdir(exist_ok=True)
    text = record if isinstance(record, str) else json.dumps(record)
    (folder / "waiting-r-1-00000000.json").write_text(text)


def test_while_a_process_waits_for_a_run_that_has_not_ended(run: Run, experiment: Experiment) -> None:
    other = experiment.start_logging()
    assert not waits_for_runs(run._paths)
    with marked_as_waiting(run._paths, [other._paths]):
        assert waits_for_runs(run._paths)
        other.complete()
        assert not waits_for_runs(run._paths)
        assert len(marks(run._paths)) == 1
    assert marks(run._paths) == []


def test_a_mark_dies_with_its_process(run: Run, experiment: Experiment) -> None:
    other = experiment.start_logging()
    process = subprocess.Popen(["sleep", "30"])
    mark(run, {"format": 1, "pid": process.pid, "start": process_start(process.pid), "runs": [other.id]})
    assert waits_for_runs(run._paths)
    process.kill()
    process.wait()
    assert not waits_for_runs(run._paths)


def test_runs_of_another_workspace_count(run: Run, home: Path) -> None:
    other = Experiment(Workspace.create("other", str(home)), "exp").start_logging()
    with marked_as_waiting(run._paths, [other._paths]):
        assert waits_for_runs(run._paths)
        other.complete()
        assert not waits_for_runs(run._paths)


def test_what_is_no_mark_is_none(run: Run, experiment: Experiment) -> None:
    other, pid = experiment.start_logging(), os.getpid()
    good: Dict[str, Any] = {"pid": pid, "start": process_start(pid), "runs": [other.id]}
    mark(run, good)
    assert waits_for_runs(run._paths)
    mark(run, {**good, "folders": [other.run_dir]})
    assert waits_for_runs(run._paths)
    bad = [{"folders": ["/x"]}, {"folders": [1]}, {"folders": other.run_dir}, {"folders": [os.path.basename(other.run_dir)]}, {"start": 1}, {"pid": True}, {"pid": "1"}, {"runs": other.id}, {"runs": ["../x"]}, {"runs": [1]}, {"runs": None}]
    for record in [*({**good, **change} for change in bad), [], "", "[" * 100_000]:
        mark(run, record)
        assert not waits_for_runs(run._paths), record


def test_a_run_that_waits_for_its_children(run: Run) -> None:
    run.child_run()
    status = Path(run.run_dir, "status.json")
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "Finalizing"}))
    assert job_is_over(run._paths) and not waits_for_runs(run._paths)
