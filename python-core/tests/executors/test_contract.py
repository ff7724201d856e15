"""An executor that another package brings does what every executor does."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from espalier import Experiment, ScriptRunConfig
from espalier.base.paths import RunPaths
from espalier.base.records import read_record
from espalier.lifecycle.status import read_status
from espalier.testing.executor_contract import ExecutorContract, runner_of


@pytest.mark.usefixtures("far")
class TestFar(ExecutorContract):
    target = "far"


def test_a_job_elsewhere_ends_when_all_of_its_processes_here_are_killed(
    far: None, experiment: Experiment, reach: Any, ended: Any, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "held")
    command = ["/bin/sh", "-c", f"sleep 600 > {tmp_path}/held"]
    run = experiment.submit(ScriptRunConfig(command=command, compute_target="far"))
    with open(tmp_path / "held", "rb") as held:
        reach(run, "Running")
        client = read_record(RunPaths(run.run_dir).processes)["job_pid"]
        for pid in (*runner_of(run), client):
            os.kill(pid, signal.SIGKILL)
        assert ended(run)["status"] == "Failed"
        assert held.read() == b""
    assert (read_status(RunPaths(run.run_dir)).error or {})["code"] == "runner_lost"
    assert not os.path.exists(RunPaths(run.run_dir).executor)


def test_the_documented_example_is_this_one() -> None:
    page = (Path(__file__).parents[3] / "inst" / "executors.md").read_text("utf-8")
    assert (Path(__file__).parent / "far" / "executor.py").read_text("utf-8") in page
