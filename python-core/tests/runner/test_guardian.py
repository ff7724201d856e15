import os
import signal
import time
from pathlib import Path
from typing import Callable

import pytest
from espalier.adapters import posix
from espalier.adapters.processes import become_subreaper
from espalier.base.paths import RunPaths
from espalier.lifecycle.place import Place
from espalier.runner.serve import guarded, has_lost

RUN = Place(RunPaths("/nowhere/e_1_abcdef01"))


def in_a_process(body: Callable[[], None]) -> int:
    """Run something in a child, so that what becomes of its children does not touch the tests; returns its status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if posix.process_start(pid) is None:
            return True
        time.sleep(0.005)
    return False


def test_in_order(tmp_path: Path) -> None:
    def body() -> None:
        assert guarded(RUN, (tmp_path / "done").touch) is True

    assert in_a_process(body) == 0 and (tmp_path / "done").exists()


@pytest.mark.parametrize("how", [die, lambda: os._exit(3), lambda: 1 / 0])
def test_whatever_ends_it_is_noticed(how: Callable[[], None], capfd: pytest.CaptureFixture[str]) -> None:
    def body() -> None:
        assert guarded(RUN, how) is False

    assert in_a_process(body) == 0


def test_what_a_killed_one_had_started_is_dead_before_it_is_told(tmp_path: Path) -> None:
    """A group of its own, one that left it, an orphan, and one that cleared its environment."""
    pids = tmp_path / "pids"
    script = f"sleep 60 & setsid sleep 60 & (env -i setsid sleep 60 & echo $! >> {pids}); echo $$ $! >> {pids}; wait"

    def execute() -> None:
        posix.spawn_session(["/bin/sh", "-c", script], {}, [])
        while not pids.exists() or len(pids.read_text().split()) < 3:
            time.sleep(0.005)
        die()

    def body() -> None:
        become_subreaper()  # (as who executes a job is before it starts one; else an orphan may be none of theirs yet)
        assert guarded(RUN, execute) is False
        assert all(posix.process_start(int(pid)) is None for pid in pids.read_text().split())

    assert in_a_process(body) == 0
    assert len(pids.read_text().split()) == 3


def test_one_after_the_other(tmp_path: Path) -> None:
    def body() -> None:
        assert [guarded(RUN, die), guarded(RUN, lambda: None), guarded(RUN, die), guarded(RUN, lambda: None)] == [False, True, False, True]

    assert in_a_process(body) == 0


def test_a_killed_guardian_disturbs_nobody(tmp_path: Path) -> None:
    def body() -> None:
        guardian = os.getpid()

        def execute() -> None:
            assert not has_lost(guardian)
            os.kill(guardian, signal.SIGKILL)
            while not has_lost(guardian):
                time.sleep(0.001)
            (tmp_path / str(os.getpid())).touch()

        guarded(RUN, execute)

    assert in_a_process(body) == signal.SIGKILL
    deadline = time.monotonic() + 5
    while not os.listdir(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert gone(int(os.listdir(tmp_path)[0]))


def test_it_has_a_process_group_of_its_own(tmp_path: Path) -> None:
    """Who kills the guardian's group leaves the other to end the run."""

    def body() -> None:
        group = os.getpgid(0)
        assert guarded(RUN, lambda: os._exit(os.getpgid(0) == group)) is True

    assert in_a_process(body) == 0
