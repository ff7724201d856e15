import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

import pytest
from espalier.adapters import posix
from espalier.lifecycle.outcome import Outcome
from espalier.paths import RunPaths
from espalier.runner import watch as module
from espalier.runner.watch import block_signals, watch


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(str(tmp_path))


@pytest.fixture(autouse=True)
def signals() -> Any:
    """watch() takes signals one by one, as in the runner."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    block_signals()
    yield
    while signal.sigtimedwait(module.WAKERS, 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, old)


def start(code: str) -> int:
    """A job that has begun, leader of a session of its own."""
    read_end, write_end = os.pipe()
    pid = posix.spawn_session(["/bin/sh", "-c", code], dict(os.environ), [(os.POSIX_SPAWN_DUP2, write_end, 9)])
    os.close(write_end)
    os.read(read_end, 1)  # ends when the job says `ready` or closes the pipe
    os.close(read_end)
    return pid


READY = "exec 9>&-; "


def outcome(run: RunPaths, code: str, limit: Optional[float] = None) -> Outcome:
    return watch(run, start(READY + code), time.monotonic(), limit)


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_exit_status(run: RunPaths, code: int) -> None:
    assert outcome(run, f"exit {code}")[:3] == (code, None, None)


@pytest.mark.parametrize("number", [1, 2, 9, 11, 15])
def test_signals_of_others(run: RunPaths, number: int) -> None:
    assert outcome(run, f"kill -{number} $$; sleep 9")[:3] == (None, number, None)


def test_the_end_is_noticed_at_once(run: RunPaths) -> None:
    pid = start(READY + "sleep 0.2")
    before = time.monotonic()
    result = watch(run, pid, before, None)
    assert 0.1 < result.duration < 0.5
    assert time.monotonic() - before < 0.5


def test_time_limit(run: RunPaths) -> None:
    result = outcome(run, "sleep 60", 0.2)
    assert result[:3] == (None, 15, "timed_out") and 0.2 <= result.duration < 1


def test_a_job_that_will_not_end_is_killed_after_the_grace(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    pid = start(f"trap '' TERM; {READY} while :; do sleep 0.05; done")
    result = watch(run, pid, time.monotonic(), 0.1)
    assert result[:3] == (None, 9, "timed_out") and 0.3 <= result.duration < 1.5


def test_a_request_is_found_without_a_signal(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody on another host, or whose signal did not reach the runner."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    os.mkdir(os.path.dirname(run.cancel))
    Path(run.cancel).write_text("{}")
    assert outcome(run, "sleep 60")[:3] == (None, 15, "canceled")


def test_a_signal_to_the_runner_cancels(run: RunPaths) -> None:
    pid = start(READY + "sleep 60")
    os.kill(os.getpid(), signal.SIGTERM)
    assert watch(run, pid, time.monotonic(), None)[:3] == (None, 15, "canceled")


def test_ending_by_itself_wins_over_a_late_request(run: RunPaths) -> None:
    pid = start(READY + "exit 0")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    os.mkdir(os.path.dirname(run.cancel))
    Path(run.cancel).write_text("{}")
    assert watch(run, pid, time.monotonic(), None)[:3] == (0, None, None)


def test_the_group_is_gone_afterwards(run: RunPaths, tmp_path: Path) -> None:
    pid = start(f"sleep 60 9>&- & echo $! > {tmp_path / 'child'}; {READY} exit 0")
    watch(run, pid, time.monotonic(), None)
    child = int((tmp_path / "child").read_text())
    for _ in range(200):
        if posix.process_start(child) is None:
            return
        time.sleep(0.005)
    pytest.fail("a child of the job lives on")


def test_an_exit_status_somebody_else_took_is_no_success(run: RunPaths) -> None:
    pid = start(READY + "exit 3")
    os.waitpid(pid, 0)
    with pytest.raises(ChildProcessError):
        watch(run, pid, time.monotonic(), None)


def test_spawned_processes_have_default_signals() -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
        "from espalier.adapters import posix\n"
        "posix.spawn_session(['/bin/grep', 'SigIgn', '/proc/self/status'], {}, [])\n"
        "import time; time.sleep(0.3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[1], 16) & 0x7FFFFFFF == 0
