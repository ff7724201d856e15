"""A runner that is started ahead of its run: it executes that, or leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, List

import espalier
import pytest
from espalier import Experiment, ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.lifecycle.status import read_status
from espalier.queue import spawn
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.spawn import runner_ahead

CORE = str(Path(espalier.__file__).parent.parent)
SUBMITTER = """
import sys, time
sys.path.append(sys.argv[1])
from espalier.queue import spawn
from espalier.queue.spawn import runner_ahead
with runner_ahead("local"):
    print(spawn._children[-1], flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def without_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here such runs have one too: no engine is needed to see what becomes of it."""
    monkeypatch.setattr("espalier.api.experiment._loads_ahead", lambda config: True)


def arguments_of(pid: int) -> List[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def ended(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def guardian_of(run: espalier.Run) -> int:
    runner = read_status(RunPaths(run.run_dir)).pid
    return int(Path(f"/proc/{runner}/stat").read_text().rpartition(")")[2].split()[1])


def test_it_executes_the_run_that_is_submitted(experiment: Experiment) -> None:
    run = experiment.submit(ScriptRunConfig(command="echo on; sleep 60"))
    until(lambda: run.get_status() == "Running")
    assert b"ahead:local" in arguments_of(guardian_of(run))
    run.cancel()
    until(lambda: run.get_status() == "Canceled")
    assert not spawn._ahead


@pytest.mark.parametrize("is_collected", [False, True])
def test_where_a_submit_fails_nothing_stays_of_it(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, is_collected: bool
) -> None:
    """No zombie either, even if a process that was forked meanwhile has the connection open."""
    pids: List[int] = []

    def failing(*_: Any) -> None:
        pids.append(spawn._ahead[-1].pid)
        copies.append(os.dup(spawn._ahead[-1].connection.fileno()))
        if is_collected:  # (by another part of the user's program)
            os.kill(pids[0], signal.SIGKILL)
            os.waitpid(pids[0], 0)
        raise EspalierError("bad_argument", "no")

    copies: List[int] = []
    monkeypatch.setattr("espalier.api.experiment.plan", failing)
    with pytest.raises(EspalierError, match="no"):
        experiment.submit(ScriptRunConfig(command="true"))
    assert not Path(f"/proc/{pids[0]}").exists()
    assert not spawn._ahead and pids[0] not in spawn._children
    os.close(copies[0])


def test_where_the_submitter_is_killed_it_ends(home: Path) -> None:
    argv = [sys.executable, "-c", SUBMITTER, CORE]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as submitter:
        assert submitter.stdout is not None
        pid = int(submitter.stdout.readline())
        submitter.kill()
    until(lambda: ended(pid))


def test_killed_before_it_has_a_run(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run gets one of its own."""
    real = spawn.spawn_runner

    def kill_first(run: RunPaths, lease: int) -> None:
        os.kill(spawn._children[-1], signal.SIGKILL)
        until(lambda: ended(spawn._children[-1]))
        real(run, lease)

    monkeypatch.setattr("espalier.queue.step.spawn_runner", kill_first)
    run = experiment.submit(ScriptRunConfig(command="true"))
    assert run.wait_for_completion()["status"] == "Completed"


def test_killed_with_its_run(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks sees a run whose runner is dead, and has it executed."""
    real = spawn.spawn_runner

    def kill_at_once(run: RunPaths, lease: int) -> None:
        monkeypatch.setattr("espalier.queue.step.spawn_runner", real)
        os.kill(spawn._children[-1], signal.SIGSTOP)
        real(run, lease)
        os.kill(spawn._children[-1], signal.SIGKILL)

    monkeypatch.setattr("espalier.queue.step.spawn_runner", kill_at_once)
    run = experiment.submit(ScriptRunConfig(command="true"))
    assert run.wait_for_completion()["status"] == "Completed"


@pytest.mark.parametrize("why", ["a run is queued", "no slot is free", "a job submits"])
def test_where_it_would_have_to_wait_none_is_started(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    set_capacity(queue_paths(), cpus=1 if why != "a job submits" else 4)
    if why == "a job submits":
        monkeypatch.setenv("ESPALIER_RUN_DIR", "/run")
    else:
        runs = [experiment.submit(ScriptRunConfig(command="sleep 60")) for _ in range(2 if why == "a run is queued" else 1)]
    before = list(spawn._children)
    with runner_ahead("local"):
        assert spawn._children == before
    if why != "a job submits":
        for run in reversed(runs):
            run.cancel()
