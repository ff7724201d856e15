"""The runner itself, started by hand as the queue starts it."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import Run, Workspace
from espalier.base.queue_paths import QueuePaths
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.spawn import RUNNER, interpreter
from espalier.queue.tickets import open_lease, remove

Submit = Callable[..., Run]


@pytest.fixture
def queued(home: Path, submit: Submit, tmp_path: Path, reach: Any) -> Run:
    """A run that waits, and will be started by no queue."""
    set_capacity(queue_paths(), cpus=1)
    blocker = submit("sleep 60")
    run = submit(f"echo x >> {tmp_path / 'count'}; sleep 0.2")
    reach(blocker, "Running")
    assert run.get_status() == "Queued"
    for name in os.listdir(queue_paths().tickets):
        remove(os.path.join(queue_paths().tickets, name))
    return run


def start(run: Run, state: str = "") -> "subprocess.Popen[bytes]":
    """As the queue in a state folder does."""
    env = dict(os.environ)
    queue = queue_paths()
    if state:
        env["ESPALIER_STATE_DIR"] = state
        queue = QueuePaths(state, os.path.basename(queue.root))
        os.makedirs(queue.leases)
    lease = open_lease(queue, run.id, run.run_dir)
    argv = [interpreter(), "-I", "-S", RUNNER, run.run_dir, str(lease)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(argv, pass_fds=[lease], env=env, start_new_session=True, **pipes)
    os.close(lease)
    return process


def test_it_executes_the_run_and_says_nothing(queued: Run, tmp_path: Path) -> None:
    assert start(queued).communicate()[0] == b""
    assert queued.get_status() == "Completed" and (tmp_path / "count").read_text() == "x\n"


def test_of_two_runners_one_works(queued: Run, tmp_path: Path) -> None:
    """Two queues that know one run may start it at the same moment."""
    runners: List[Any] = [start(queued, str(tmp_path / f"state{number}")) for number in range(4)]
    assert {runner.communicate()[0] for runner in runners} == {b""}
    assert queued.get_status() == "Completed" and (tmp_path / "count").read_text() == "x\n"


def test_a_late_runner_leaves_a_started_run_alone(queued: Run, tmp_path: Path) -> None:
    status = Path(queued.run_dir, "status.json")
    record = {**json.loads(status.read_text()), "state": "Running", "started_at": "2026-01-01T00:00:00.000000Z"}
    status.write_text(json.dumps(record))
    with open(Path(queued.run_dir, "spec.json"), "r+") as spec:
        fcntl.flock(spec, fcntl.LOCK_EX)  # as its runner does, as long as it lives
        assert start(queued).communicate()[0] == b""
    assert json.loads(status.read_text()) == record and not (tmp_path / "count").exists()


def test_a_run_that_is_gone_does_not_stop_the_queue(queued: Run, submit: Submit, ended: Any, workspace: Workspace) -> None:
    last = submit("true")
    set_capacity(queue_paths(), cpus=2)
    queued_dir, hidden = Path(queued.run_dir), Path(queued.run_dir + "-gone")
    queued_dir.rename(hidden)
    assert b"Traceback" in start(queued).communicate()[0]
    assert ended(last)["status"] == "Completed", "started by the runner that found nothing to do"


def test_it_needs_nothing_of_the_environment(queued: Run) -> None:
    lease = open_lease(queue_paths(), queued.id, queued.run_dir)
    argv = [sys.executable, "-I", "-S", RUNNER, queued.run_dir, str(lease)]
    env = {"ESPALIER_STATE_DIR": os.environ["ESPALIER_STATE_DIR"]}
    assert subprocess.run(argv, pass_fds=[lease], env=env, cwd="/", start_new_session=True).returncode == 0
    os.close(lease)
    assert queued.get_status() == "Completed"
