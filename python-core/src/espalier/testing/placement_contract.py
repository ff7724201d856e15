"""The tests that every placement passes: what brings runners to where runs are executed. This host's queue is one.

    class TestMine(PlacementContract):
        target = "mine"
"""

import os
import signal
import subprocess
import sys
import threading
from typing import Dict, List

import espalier
from espalier.api.experiment import Experiment
from espalier.api.run import Run
from espalier.base import states
from espalier.base.config import ScriptRunConfig
from espalier.base.paths import RunPaths
from espalier.lifecycle.status import read_status
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.testing.executor_contract import Contract, Submit, runner_of

_SUBMITS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from espalier import Experiment, ScriptRunConfig, Workspace
config = ScriptRunConfig(command="echo done", compute_target=sys.argv[3])
os.write(1, Experiment(Workspace(sys.argv[2]), "contract").submit(config).id.encode())
os._exit(0)
"""


class PlacementContract(Contract):
    """What a user may rely on, wherever the runner starts."""

    def limit(self, number: int) -> None:
        """Let so many runs be executed at once."""
        set_capacity(queue_paths(), cpus=number)

    def kill_runner(self, run: Run) -> None:
        """End the runner of a run, as a machine that is switched off does."""
        for pid in runner_of(run):
            os.kill(pid, signal.SIGKILL)

    def blocker(self, submit: Submit, experiment: Experiment) -> Run:
        """A run that is executed, and takes all there is."""
        self.limit(1)
        run = submit("sleep 600")
        self.until(lambda: run.get_status() == states.RUNNING)
        return run

    def test_a_run_needs_no_submitter(self, experiment: Experiment) -> None:
        workspace, source = experiment.workspace, os.path.dirname(os.path.dirname(espalier.__file__))
        argv = [sys.executable, "-c", _SUBMITS, source, workspace.path, self.target]
        run_id = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        run = workspace.runs.get(run_id)
        assert self.ended(run)["state"] == states.COMPLETED and self.log_of(run) == ["done"]

    def test_what_finds_no_room_waits_in_order(self, submit: Submit, experiment: Experiment) -> None:
        first = self.blocker(submit, experiment)
        others = [submit("true"), submit("true"), submit("true", priority=9)]
        places: List[Dict[str, object]] = [run.get_detailed_status() for run in others]
        assert [place["position"] for place in places] == [2, 3, 1] and all(place["reason"] for place in places)
        first.cancel()
        starts = [str(self.ended(run)["started_at"]) for run in others]
        assert starts[2] < starts[0] < starts[1]

    def test_no_more_at_once_than_there_is_room_for(self, submit: Submit, experiment: Experiment) -> None:
        self.limit(2)
        spans = [(self.ended(run)) for run in [submit("sleep 0.05") for _ in range(6)]]
        began, over = sorted(str(each["started_at"]) for each in spans), sorted(str(each["ended_at"]) for each in spans)
        assert all(start >= end for start, end in zip(began[2:], over))

    def test_a_run_that_waits_is_canceled_and_never_started(self, submit: Submit, experiment: Experiment) -> None:
        self.blocker(submit, experiment)
        run = submit("true")
        assert run.cancel()
        status = self.ended(run)
        assert (status["state"], status.get("started_at")) == (states.CANCELED, None)

    def test_many_who_look_start_it_once(self, submit: Submit, experiment: Experiment) -> None:
        first = self.blocker(submit, experiment)
        run = submit("echo once")
        looks = [threading.Thread(target=lambda: [run.get_status() for _ in range(20)]) for _ in range(4)]
        for look in looks:
            look.start()
        first.cancel()
        for look in looks:
            look.join()
        assert self.ended(run)["state"] == states.COMPLETED and self.log_of(run) == ["once"]

    def test_a_lost_runner_is_noticed_and_its_room_is_free(self, submit: Submit, experiment: Experiment) -> None:
        first = self.blocker(submit, experiment)
        run = submit("true")
        self.kill_runner(first)
        assert self.ended(first)["state"] == states.FAILED
        assert self.ended(run)["state"] == states.COMPLETED

    def test_what_a_run_depends_on_comes_first(self, submit: Submit, experiment: Experiment) -> None:
        first = self.blocker(submit, experiment)
        run = experiment.submit(ScriptRunConfig(command="true", compute_target=self.target, depends_on=[first.id]))
        assert run.get_detailed_status()["position"] is None
        first.cancel()
        status = self.ended(run)
        assert status["state"] == states.CANCELED or status["state"] == states.FAILED
        assert read_status(RunPaths(run.run_dir)).started_at is None
