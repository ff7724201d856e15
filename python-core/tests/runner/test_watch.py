import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
from espalier.adapters import posix
from espalier.adapters.processes import become_subreaper
from espalier.base.paths import RunPaths
from espalier.lifecycle.status import Outcome
from espalier.runner import watch as module
from espalier.runner.patience import WAKERS, block_signals
from espalier.runner.watch import watch
from hanging import not_hanging


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(str(tmp_path))


@pytest.fixture(autouse=True)
def signals() -> Any:
    """watch() takes signals one by one and collects orphans, as in the runner."""
    others = threading.enumerate()[1:]
    assert not others, f"left by other tests, these would take the signals: {others}"
    become_subreaper()
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    block_signals()
    yield
    while signal.sigtimedwait(WAKERS, 0):
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


def how(ended: Outcome) -> Any:
    return ended.exit_code, ended.signal, ended.stopped_by


def outcome(run: RunPaths, code: str, limit: Optional[float] = None) -> Outcome:
    return watch(run, start(READY + code), time.monotonic(), limit)


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_exit_status(run: RunPaths, code: int) -> None:
    assert how(outcome(run, f"exit {code}")) == (code, None, None)
    assert not Path(run.usage).exists()  # nothing is sampled of what is so short


@pytest.mark.parametrize("number", [1, 2, 9, 11, 15])
def test_signals_of_others(run: RunPaths, number: int) -> None:
    assert how(outcome(run, f"kill -{number} $$; sleep 9")) == (None, number, None)


def test_the_end_is_noticed_at_once(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 600.0)
    monkeypatch.setattr(module, "_GATHER_SECONDS", 600.0)
    pid = start(READY + "sleep 0.2")
    with not_hanging():
        assert watch(run, pid, time.monotonic(), None).duration > 0.1


def test_time_limit(run: RunPaths) -> None:
    result = outcome(run, "sleep 60", 0.2)
    assert how(result) == (None, 15, "timed_out") and 0.2 <= result.duration < 1


def test_a_job_that_will_not_end_is_killed_after_the_grace(run: RunPaths) -> None:
    pid = start(f"trap '' TERM; {READY} while :; do sleep 0.05; done")
    result = watch(run, pid, time.monotonic(), 0.1, grace=0.2)
    assert how(result) == (None, 9, "timed_out") and 0.3 <= result.duration < 1.5


def test_a_request_is_found_without_a_signal(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody on another host, or whose signal did not reach the runner."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    os.mkdir(os.path.dirname(run.cancel))
    Path(run.cancel).write_text("{}")
    assert how(outcome(run, "sleep 60")) == (None, 15, "canceled")


def test_a_signal_to_the_runner_cancels(run: RunPaths) -> None:
    pid = start(READY + "sleep 60")
    os.kill(os.getpid(), signal.SIGTERM)
    assert how(watch(run, pid, time.monotonic(), None)) == (None, 15, "canceled")


def test_a_wake_up_makes_it_look_at_the_request_and_is_none_itself(run: RunPaths) -> None:
    pid = start(READY + "sleep 0.3")
    os.kill(os.getpid(), signal.SIGUSR1)
    assert how(watch(run, pid, time.monotonic(), None)) == (0, None, None)
    pid = start(READY + "sleep 60")
    os.mkdir(os.path.dirname(run.cancel))
    Path(run.cancel).write_text("{}")
    os.kill(os.getpid(), signal.SIGUSR1)
    assert how(watch(run, pid, time.monotonic(), None)) == (None, 15, "canceled")


def test_ending_by_itself_wins_over_a_late_request(run: RunPaths) -> None:
    pid = start(READY + "exit 0")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    os.mkdir(os.path.dirname(run.cancel))
    Path(run.cancel).write_text("{}")
    assert how(watch(run, pid, time.monotonic(), None)) == (0, None, None)


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


# ---- the whole tree


def cancel(run: RunPaths) -> None:
    os.makedirs(os.path.dirname(run.cancel), exist_ok=True)
    Path(run.cancel).write_text("{}")


def cancel_in(run: RunPaths, seconds: float) -> threading.Timer:
    """Request and signal, as somebody who cancels does; to be joined while the signal is still blocked."""

    def act() -> None:
        cancel(run)
        os.kill(os.getpid(), signal.SIGUSR1)

    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def alive(path: Path) -> List[int]:
    pids = [int(line) for line in path.read_text().split()]
    return [pid for pid in pids if posix.process_start(pid) is not None]


# Each says its number, leaves the job's group, and lives long; the second one has no environment and no parent.
SHAPES = [
    "setsid sh -c 'echo $$ >> {told}; exec sleep 60' 9>&- &",
    "(env -i PATH=$PATH setsid sh -c 'echo $$ >> {told}; exec sleep 60' 9>&- &) ;",
    "setsid sh -c 'echo $$ >> {told}; kill -STOP $$; exec sleep 60' 9>&- &",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_job_leaves_behind_is_ended(run: RunPaths, tmp_path: Path, shape: str) -> None:
    told = tmp_path / "told"
    code = shape.format(told=told) + f" while [ ! -s {told} ]; do sleep 0.01; done; {READY} exit 4"
    assert how(watch(run, start(code), time.monotonic(), None)) == (4, None, None)
    assert told.exists() and not alive(told)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("age", [0, 0.4], ids=["young", "with a control group"])
def test_a_cancel_reaches_all(run: RunPaths, tmp_path: Path, shape: str, age: float) -> None:
    told = tmp_path / "told"
    pid = start(shape.format(told=told) + f" while [ ! -s {told} ]; do sleep 0.01; done; {READY} sleep 60")
    asking = cancel_in(run, age)
    assert how(watch(run, pid, time.monotonic(), None)) == (None, 15, "canceled")
    asking.join()
    assert told.exists() and not alive(told)


def test_others_than_the_job_have_the_grace_too(run: RunPaths, tmp_path: Path) -> None:
    """The job ends at once, another process of its tree needs a moment."""
    code = f"setsid sh -c 'trap \"sleep 0.5; echo saved > {tmp_path}/saved; exit\" TERM; touch {tmp_path}/up; while :; do sleep 0.05; done' 9>&- & "
    pid = start(code + f"while [ ! -e {tmp_path}/up ]; do sleep 0.01; done; {READY} exec sleep 60")
    cancel(run)
    assert how(watch(run, pid, time.monotonic(), None, grace=600)) == (None, 15, "canceled")
    assert (tmp_path / "saved").read_text() == "saved\n"


def test_deaf_processes_are_killed_after_the_grace(run: RunPaths, tmp_path: Path) -> None:
    told = tmp_path / "told"
    deaf = f"setsid sh -c 'trap \"\" TERM; echo $$ > {told}; while :; do sleep 0.1; done' 9>&- & "
    pid = start(deaf + f"while [ ! -s {told} ]; do sleep 0.01; done; {READY} exec sleep 60")
    cancel(run)
    before = time.monotonic()
    assert how(watch(run, pid, before, None, grace=0.5)) == (None, 15, "canceled")
    assert time.monotonic() - before >= 0.5 and not alive(told)


@pytest.mark.parametrize("age", [0, 0.5], ids=["young", "with a control group"])
def test_five_hundred_processes(run: RunPaths, tmp_path: Path, age: float) -> None:
    told = tmp_path / "told"
    tree = f"for i in $(seq 10); do setsid sh -c 'for j in $(seq 49); do sleep 60 & echo $!; done >> {told}; wait' 9>&- & done; "
    pid = start(tree + f"while [ $(cat {told} | wc -l) -lt 490 ]; do sleep 0.02; done; {READY} wait")
    asking = cancel_in(run, age)
    assert watch(run, pid, time.monotonic(), None).stopped_by == "canceled"
    asking.join()
    assert len(told.read_text().split()) == 490 and not alive(told)


def test_a_note_is_left_for_those_who_settle(run: RunPaths) -> None:
    pid = start(READY + "sleep 0.6")
    notes: List[Dict[str, Any]] = []
    reader = threading.Timer(0.4, lambda: notes.append(json.loads(Path(run.processes).read_text())))
    reader.start()
    watch(run, pid, time.monotonic(), None)
    reader.join()
    assert notes[0]["job_pid"] == pid and notes[0]["boot_id"] == posix.boot_id()
    group = notes[0]["cgroup"]
    assert group is None or (os.path.basename(group) == "espalier-" + tmp_name(run) and not os.path.exists(group))


def tmp_name(run: RunPaths) -> str:
    return os.path.basename(run.root)


def test_what_it_used_is_told(run: RunPaths, tmp_path: Path) -> None:
    """Also by a process that left it, and of what that one held."""
    burn = f"{sys.executable} -c 'import time; x = bytearray(50_000_000)\nwhile time.process_time() < 0.3: pass'"
    wait = f"while [ ! -e {tmp_path}/done ]; do sleep 0.02; done"
    usage = outcome(run, f"(setsid sh -c \"{burn}; touch {tmp_path}/done\" &); {burn}; {wait}; sleep 0.1").usage
    assert usage is not None and 0.6 <= usage["cpu_seconds"] < 3
    # (a process that has just been started counts with what its parent held: the runner of a few MB, or these tests)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 50_000_000 < usage["max_memory_bytes"] < max(200_000_000, 2 * held)


R = shutil.which("Rscript")
# How R is started, with `{}` in place of `Rscript file.R`.
WRAPPED = {
    "alone": "exec {}",
    "a shell": "{}; echo on > next",
    "timeout": "timeout 60 {}; echo on > next",
    "in the background": "{} & wait",
    "a shell that passes TERM on": "{} & trap 'kill $!' TERM; wait; wait",
    "python": "python3 -c \"import subprocess, sys; subprocess.run(sys.argv[1:])\" {}",
}
CLEANS_UP = """
.Last <- function() cat("last\\n", file = "seen", append = TRUE)
reg.finalizer(globalenv(), function(e) cat("finalizer\\n", file = "seen", append = TRUE), onexit = TRUE)
f <- function() {
  on.exit(cat("on.exit\\n", file = "seen", append = TRUE))
  tryCatch({ cat(tempdir(), "\\n", file = "temp"); writeLines("x", "ready"); WAIT }, finally = {
    Sys.sleep(0.5)
    cat("finally\\n", file = "seen", append = TRUE)
  })
}
f()
"""


def ended_r(run: RunPaths, tmp_path: Path, wrapped: str, code: str, grace: float = 10.0) -> Outcome:
    """An R job that is canceled when it is ready."""
    (tmp_path / "a.R").write_text(code)
    prelude = Path(module.__file__).with_name("prelude.R")
    variables = f"R_PROFILE_USER={prelude} ESPALIER_PREVIOUS_R_PROFILE_USER= ESPALIER_RUN_DIR={tmp_path}"
    pid = start(f"{READY} cd {tmp_path}; export {variables}; " + wrapped.format(f"{R} a.R"))
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    ask_for_cancel(run)
    return watch(run, pid, time.monotonic(), None, grace=grace)


def assert_cleaned_up(tmp_path: Path) -> None:
    first, second, *ends = (tmp_path / "seen").read_text().split()
    assert (first, second) == ("finally", "on.exit") and sorted(ends) == ["finalizer", "last"]


def ask_for_cancel(run: RunPaths) -> None:
    os.makedirs(os.path.dirname(run.cancel), exist_ok=True)
    Path(run.cancel).write_text("{}")


@pytest.mark.skipif(R is None, reason="R is not installed")
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_r_cleans_up(run: RunPaths, tmp_path: Path, wrapped: str) -> None:
    result = ended_r(run, tmp_path, WRAPPED[wrapped], CLEANS_UP.replace("WAIT", "Sys.sleep(60)"))
    assert result.stopped_by == "canceled" and result.duration < 5
    assert_cleaned_up(tmp_path)
    assert not os.path.exists((tmp_path / "temp").read_text().strip()) and not (tmp_path / "next").exists()


@pytest.mark.skipif(R is None, reason="R is not installed")
def test_r_that_waits_for_a_program_cleans_up(run: RunPaths, tmp_path: Path) -> None:
    """While it does, it ignores INT."""
    code = CLEANS_UP.replace('writeLines("x", "ready")', 'system("touch ready; sleep 60")')
    result = ended_r(run, tmp_path, "exec {}", code.replace("WAIT", 'system("sleep 60"); Sys.sleep(60)'))
    assert result.duration < 8  # (4 s if it was interrupted between the two)
    assert_cleaned_up(tmp_path)


@pytest.mark.skipif(R is None, reason="R is not installed")
def test_r_that_handles_the_interrupt_has_its_time(run: RunPaths, tmp_path: Path) -> None:
    code = 'tryCatch({ writeLines("x", "ready"); Sys.sleep(60) }, interrupt = function(e) { Sys.sleep(1); cat("saved\\n", file = "seen") })'
    result = ended_r(run, tmp_path, "exec {}", code, grace=3.0)
    assert (result.exit_code, result.stopped_by) == (0, "canceled") and 1 <= result.duration < 3
    assert (tmp_path / "seen").read_text() == "saved\n"


@pytest.mark.skipif(R is None, reason="R is not installed")
def test_r_that_goes_on_gets_term(run: RunPaths, tmp_path: Path) -> None:
    code = 'repeat tryCatch({ writeLines("x", "ready"); Sys.sleep(60) }, interrupt = function(e) NULL)'
    result = ended_r(run, tmp_path, "exec {}", code, grace=2.0)
    assert result.signal == signal.SIGTERM and 1.5 <= result.duration < 2
