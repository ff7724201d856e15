"""What the tests share: a workspace of its own for each, with its queue and cache, and nothing left running."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.queue.home import allocator, queue_paths

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's background job; tests interrupt what they start
    signal.signal(signal.SIGINT, signal.default_int_handler)


def processes() -> Set[str]:
    return {name for name in os.listdir("/proc") if name.isdigit()} if os.path.isdir("/proc/self") else set()


def processes_that_name(text: str, others: Set[str]) -> List[int]:
    """Processes with a text in their arguments or environment: runners, jobs and helpers of one test.

    Args:
        others: Processes that are older than the test: reading all of a machine would take longer than most tests.
    """
    found = []
    for name in processes() - others:
        try:
            data = b"".join(Path("/proc", name, part).read_bytes() for part in ("cmdline", "environ"))
        except OSError:
            continue
        if os.fsencode(text) in data:
            found.append(int(name))
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a queue and a cache of its own; whatever a test started is killed after it."""
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(tmp_path / "cache"))
    others = processes()
    yield tmp_path
    for _ in range(5):  # a killed runner's guardian may be starting the next
        left = processes_that_name(str(tmp_path), others)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        if not left:
            return
        time.sleep(0.02)


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.create("ws", str(home))


@pytest.fixture
def experiment(workspace: Workspace) -> Experiment:
    return Experiment(workspace, "exp")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def submit(experiment: Experiment) -> Callable[..., Run]:
    """Submit a shell line (a string) or a program (a list), without a snapshot."""

    def submit_command(command: Any, **fields: Any) -> Run:
        return experiment.submit(ScriptRunConfig(command=command, **fields))

    return submit_command


@pytest.fixture
def reach() -> Callable[..., None]:
    """Wait until a run is in one of some states, or a condition holds."""

    def reach_state(wanted: Any, *words: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not (wanted() if callable(wanted) else wanted.get_status() in words):
            seen = "" if callable(wanted) else wanted.get_status()
            assert time.monotonic() < deadline, f"still {seen} after {seconds} s"
            time.sleep(0.005)

    return reach_state


@pytest.fixture
def as_user() -> Callable[..., str]:
    """Run lines of Python as one whom permissions bind, which they do not do to root; returns what they print."""
    prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"] if os.geteuid() == 0 else []
    if prefix and shutil.which(prefix[0]) is None:
        pytest.skip("root is bound by no permissions, and there is no setpriv to give that up")

    def run_as_user(code: str, *args: str) -> str:
        command = [*prefix, sys.executable, "-c", code, *args]
        return subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE, encoding="utf-8").stdout

    return run_as_user


@pytest.fixture
def ended() -> Callable[..., Dict[str, Any]]:
    """Wait for a run's end, until its runner has also cleaned up and left, and return its details."""

    def wait(run: Run, seconds: float = 20.0) -> Dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not run.follow(1 << 60, 0.2)["final"]:
            assert time.monotonic() < deadline, f"{run.id} is still {run.get_status()} after {seconds} s"
        while os.path.exists(queue_paths().lease(run.id)):
            assert time.monotonic() < deadline, f"the runner of {run.id} holds on"
            time.sleep(0.002)
        with allocator(queue_paths()):  # (its runner gives its lease up in the middle of a step, which may clean up)
            pass
        details: Dict[str, Any] = run.get_details()
        return details

    return wait
