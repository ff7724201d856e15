import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import pytest
from espalier.adapters import posix
from espalier.adapters.processes import kill_group
from espalier.runner.guardian import Guardian, start_guardian


def guarded(job: int, run_id: str, take_over: Callable[[], None]) -> Guardian:
    guardian = start_guardian(run_id, take_over)
    guardian.guard(job)
    return guardian


def run_as_runner(body: Callable[[], None]) -> int:
    """Run something in a child that then ends without a farewell, as a killed runner does."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    return pid


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if posix.process_start(pid) is None:
            return True
        time.sleep(0.005)
    return False


def appears(path: Path, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not path.exists():
        time.sleep(0.005)
    return path.exists()


def test_a_farewell_means_nothing_to_do(tmp_path: Path) -> None:
    job = posix.spawn_session(["/bin/sleep", "60"], {}, [])
    guardian = guarded(job, "e_1_abcdef01", lambda: (tmp_path / "took over").touch())
    guardian.dismiss()
    assert posix.process_start(guardian.pid) is None
    assert posix.process_start(job) is not None and not (tmp_path / "took over").exists()
    kill_group(job, signal.SIGKILL)
    os.waitpid(job, 0)


def test_a_killed_runner_takes_its_job_with_it(tmp_path: Path) -> None:
    run_id = f"e_1_{os.getpid():08x}"
    env = {"ESPALIER_RUN_ID": run_id}
    pids = tmp_path / "pids"

    def body() -> None:
        job = posix.spawn_session(["/bin/sleep", "60"], env, [])
        (tmp_path / "new").write_text(str(job))
        os.rename(tmp_path / "new", pids)
        guarded(job, run_id, lambda: (tmp_path / "took over").touch())

    os.waitpid(run_as_runner(body), 0)
    assert appears(tmp_path / "took over")
    assert gone(int(pids.read_text()))


def test_the_job_is_dead_before_somebody_takes_over(tmp_path: Path) -> None:
    run_id = f"f_1_{os.getpid():08x}"

    def body() -> None:
        job = posix.spawn_session(["/bin/sleep", "60"], {}, [])  # found by its group alone

        def look() -> None:
            time.sleep(0.05)  # the parent is dead, init collects
            (tmp_path / "new").write_text(str(posix.process_start(job)))
            os.rename(tmp_path / "new", tmp_path / "seen")

        guarded(job, run_id, look)

    os.waitpid(run_as_runner(body), 0)
    assert appears(tmp_path / "seen") and (tmp_path / "seen").read_text() == "None"


def test_a_killed_guardian_disturbs_nobody() -> None:
    job = posix.spawn_session(["/bin/sleep", "60"], {}, [])
    guardian = guarded(job, "e_1_abcdef01", lambda: None)
    os.kill(guardian.pid, signal.SIGKILL)
    os.waitid(os.P_PID, guardian.pid, os.WEXITED | os.WNOWAIT)
    guardian.dismiss()
    kill_group(job, signal.SIGKILL)
    os.waitpid(job, 0)


def test_it_leaves_the_group_of_the_runner() -> None:
    guardian = start_guardian("e_1_abcdef01", lambda: None)
    for _ in range(200):
        if os.getpgid(guardian.pid) == guardian.pid:
            break
        time.sleep(0.005)
    else:
        pytest.fail("killing the runner's group would kill the guardian")
    guardian.dismiss()


def test_a_group_that_cleared_its_environment(tmp_path: Path) -> None:
    def body() -> None:
        guardian = start_guardian("e_1_abcdef01", lambda: (tmp_path / "took over").touch())
        job = posix.spawn_session(["/bin/sleep", "60"], {}, [])
        (tmp_path / "new").write_text(str(job))
        os.rename(tmp_path / "new", tmp_path / "job")
        guardian.guard(job)

    os.waitpid(run_as_runner(body), 0)
    assert appears(tmp_path / "took over") and gone(int((tmp_path / "job").read_text()))


NAMESAKES = """
import os, signal, time
from espalier.adapters.processes import kill_namesakes
pid = os.fork()
if pid == 0:
    time.sleep(5)
    os._exit(7)
kill_namesakes(os.environ["ASKED"])
os.kill(pid, signal.SIGTERM)
print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("asked,number", [("exp_1_00000000", 9), ("exp_1_11111111", 15)])
def test_a_job_that_is_forked_and_not_yet_executed_dies_too(asked: str, number: int) -> None:
    """Until then it bears the runner's arguments. Whoever does not name the run is left alone."""
    argv = [sys.executable, "-c", NAMESAKES, "runs/00/exp_1_00000000"]
    done = subprocess.run(argv, env={**os.environ, "ASKED": asked}, stdout=subprocess.PIPE, check=True, timeout=30)
    assert int(done.stdout) == number
