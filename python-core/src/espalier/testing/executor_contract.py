"""The tests that every executor passes. Extend the class, and have pytest collect it:

    class TestMine(ExecutorContract):
        target = "mine"
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping

import pytest

from espalier.adapters.processes import all_processes
from espalier.api.experiment import Experiment
from espalier.api.run import Run
from espalier.api.workspace import Workspace
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.executors.contract import Executor
from espalier.executors.registry import executor_for
from espalier.lifecycle.scratch import live_scratch
from espalier.lifecycle.status import read_status, status_record
from espalier.queue.home import queue_paths

# Opens a pipe that its processes hold open, a child of it too, and waits: what reads the pipe hears of their end.
_HOLDS = "mkfifo held; (sleep 600 & wait) > held & wait"

Submit = Callable[..., Run]


class Contract:
    """What the contracts share: a workspace, and runs in it."""

    # The executor's name; and what its jobs need beside their command, such as an environment.
    target = "local"
    fields: Mapping[str, Any] = {}
    # So long a run may take before a test fails, seconds.
    patience = 60.0

    @pytest.fixture
    def experiment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
        """An experiment in a workspace with a separate queue."""
        monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "state"))
        return Experiment(Workspace.create("contract", str(tmp_path)), "contract")

    @pytest.fixture
    def submit(self, experiment: Experiment) -> Iterator[Submit]:
        """Submit a shell line, or a program as a list."""
        made: List[Run] = []

        def submit_command(command: Any, **fields: Any) -> Run:
            config = ScriptRunConfig(command=command, compute_target=self.target, **{**self.fields, **fields})
            made.append(experiment.submit(config))
            return made[-1]

        yield submit_command
        for run in made:
            with contextlib.suppress(EspalierError):
                run.cancel()

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < deadline, "it doesn't come true"
            time.sleep(0.01)

    def ended(self, run: Run) -> Dict[str, Any]:
        """Wait until a run has ended, and its place in the queue is free; returns its record."""
        self.until(lambda: run.follow(1 << 60, 0.2)["final"])
        self.until(lambda: not os.path.exists(queue_paths().lease(run.id)))
        return status_record(RunPaths(run.run_dir))

    def log_of(self, run: Run) -> List[str]:
        """The lines of a run's log."""
        return Path(RunPaths(run.run_dir).log).read_text("utf-8").splitlines()


class ExecutorContract(Contract):
    """What a job, its user and the queue may rely on with every executor."""

    def executor(self) -> Executor:
        """The executor."""
        return executor_for(self.target)[0]

    def holding(self, run: Run) -> int:
        """The reading end of the pipe that a job's processes hold open."""
        paths = RunPaths(run.run_dir)
        self.until(lambda: (scratch := live_scratch(paths)) and os.path.exists(os.path.join(scratch.job, "held")))
        scratch = live_scratch(paths)
        assert scratch is not None
        pipe = os.path.join(scratch.job, "held")
        fd = os.open(pipe, os.O_RDONLY)  # returns when the job has opened it, too
        os.unlink(pipe)
        return fd

    def assert_let_go(self, fd: int) -> None:
        """No process of the job has the pipe open any more."""
        try:
            assert os.read(fd, 1) == b""
        finally:
            os.close(fd)

    def test_a_job_that_ends_well(self, submit: Submit) -> None:
        status = self.ended(submit("echo one; echo two >&2; echo three"))
        assert (status["state"], status["exit_code"]) == ("Completed", 0)

    def test_its_output_is_the_log(self, submit: Submit) -> None:
        run = submit("echo one; echo two >&2; printf 'no line end'")
        self.ended(run)
        assert self.log_of(run) == ["one", "two", "no line end"]

    @pytest.mark.parametrize("number", [1, 7, 125])
    def test_its_exit_status_is_the_runs(self, submit: Submit, number: int) -> None:
        status = self.ended(submit(f"echo done; exit {number}"))
        assert (status["state"], status["exit_code"]) == ("Failed", number)
        assert status["error"]["code"] == "job_failed"

    def test_a_program_that_is_not_there(self, submit: Submit) -> None:
        status = self.ended(submit(["/no/such/program"]))
        assert status["state"] == "Failed" and status["error"]["message"]

    def test_it_finds_its_variables(self, submit: Submit) -> None:
        run = submit("echo $ESPALIER_RUN_ID $MINE", environment_variables={"MINE": "a b"})
        self.ended(run)
        assert self.log_of(run) == [f"{run.id} a b"]

    def test_what_it_leaves_is_kept(self, submit: Submit) -> None:
        run = submit("echo kept > outputs/file")
        assert self.ended(run)["state"] == "Completed"
        assert Path(RunPaths(run.run_dir).outputs, "file").read_text() == "kept\n"

    def test_a_cancel_ends_it_and_all_its_processes(self, submit: Submit) -> None:
        run = submit(_HOLDS)
        held = self.holding(run)
        run.cancel()
        assert self.ended(run)["state"] == "Canceled"
        self.assert_let_go(held)

    def test_so_does_its_time_limit(self, submit: Submit) -> None:
        run = submit(_HOLDS, max_run_duration_seconds=1.0)
        held = self.holding(run)
        status = self.ended(run)
        assert (status["state"], status["error"]["code"]) == ("Canceled", "timed_out")
        self.assert_let_go(held)

    def test_when_its_runner_is_killed_nothing_is_left_of_it(self, submit: Submit) -> None:
        run = submit(_HOLDS)
        held = self.holding(run)
        for pid in runner_of(run):
            os.kill(pid, signal.SIGKILL)
        status = self.ended(run)
        assert status["state"] == "Failed" and status["error"]["code"] in ("runner_lost", "job_killed")
        self.assert_let_go(held)

    def test_another_can_follow(self, submit: Submit) -> None:
        for number in (3, 0):
            assert self.ended(submit(f"exit {number}"))["exit_code"] == number

    def test_it_records_what_executes_it(self, submit: Submit) -> None:
        run = submit("true")
        assert read_as(JobSpec, RunPaths(run.run_dir).spec).target == self.target
        self.ended(run)

    def test_it_inherits_nothing_that_the_session_does_not_have(self) -> None:
        variables = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "OMP_NUM_THREADS": "2"}
        assert self.executor().inherits(variables).items() <= variables.items()

    @pytest.mark.parametrize(
        "capability, fields",
        [
            ("gpus", {"gpus": 1}),
            ("secrets", {"secrets": ["a"]}),
            ("private", {"environment": {"name": "e", "python": {}}}),
        ],
    )
    def test_what_it_can_not_do_is_refused_at_submit(
        self, submit: Submit, experiment: Experiment, capability: str, fields: Dict[str, Any]
    ) -> None:
        can = self.executor().capabilities
        if capability in can.environments or getattr(can, capability, False) or "image" in can.environments:
            pytest.skip("it can")
        if capability == "secrets":
            experiment.workspace.get_default_keyvault().set_secrets({"a": "a secret of some length"})
        with pytest.raises(EspalierError) as refused:
            submit("true", **fields)
        assert refused.value.code == "not_supported" and self.target in refused.value.message


def runner_of(run: Run) -> List[int]:
    """The processes of a run's runner: its guardian, and the one that executes it."""
    pid = int(read_status(RunPaths(run.run_dir)).pid or 0)
    found = all_processes()[pid]
    return [found.parent, pid]
