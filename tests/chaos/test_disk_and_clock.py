"""A full disk, a disk that takes no writes, a clock that jumps, folders and files that go."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest
from espalier import EspalierError, Experiment, Workspace
from espalier.jobs import commit as submission
from espalier.queue import nudge as nudging
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.reasons import why_waiting
from test_marked_points import until
from world import DONE, World


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, where this user may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)]).returncode:
        pytest.skip("no small file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def small(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world on it."""
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(small_disk / "home" / "state"))
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(small_disk.parent / "cache"))
    (small_disk / "home").mkdir()
    made = World(small_disk / "home")
    made.marks = small_disk.parent / "marks"
    made.marks.touch()
    yield made
    made.sweep()


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """No byte more goes on it."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    yield
    ballast.unlink()


def test_disk_full_at_submit(small: World, small_disk: Path) -> None:
    small.check((DONE,))
    first = small.submit()
    small.check((DONE,))
    with full(small_disk):
        with pytest.raises((EspalierError, OSError)) as caught:
            small.submit()
        assert getattr(caught.value, "code", "") == "workspace_read_only" and "space" in str(caught.value)
        assert small.end_of(first.id) == DONE, "what was there is read as before"
    assert small.check() == [], "nothing was left of the submit"


def test_disk_full_while_the_job_runs(small: World, small_disk: Path) -> None:
    """The job sees the error of its own write; the run has its end once there is space, and none is run again."""
    gate = small_disk.parent / "gate"
    gate.touch()
    run = small.submit(f"while test -e {gate}; do sleep 0.01; done; echo x > outputs/x")
    until(lambda: small.executions(run.id) == 1)
    with full(small_disk):
        gate.unlink()
        time.sleep(1)
        small.ends()
    (ended,) = small.check()
    assert small.end_of(ended) in (("Failed", "job_failed"), ("Failed", "runner_lost")), small.end_of(ended)


def test_disk_full_while_runs_wait(small: World, small_disk: Path) -> None:
    gate = small_disk.parent / "gate"
    gate.touch()
    set_capacity(queue_paths(), cpus=1)
    small.submit(f"while test -e {gate}; do sleep 0.01; done")
    waiting = [small.submit() for _ in range(3)]
    with full(small_disk):
        gate.unlink()
        time.sleep(1)
        small.ends()
    small.check()
    for run in waiting:
        state, code = small.end_of(run.id)
        assert (state, code) == DONE or small.executions(run.id) == 0, (state, code)


def test_read_only_disk(small: World, small_disk: Path) -> None:
    small.check((DONE,))
    run = small.submit()
    small.check((DONE,))
    before = small.digest(run.id)
    remount(small_disk, "ro")
    try:
        with pytest.raises(EspalierError) as caught:
            small.submit()
        assert caught.value.code in ("workspace_read_only", "not_supported")
        assert small.end_of(run.id) == DONE and small.digest(run.id) == before
        assert len(small.workspace.runs.list()) == 3, "reading needs no writing"
        with pytest.raises((EspalierError, OSError)):
            run.set_tags({"a": "b"})
    finally:
        remount(small_disk, "rw")
    small.check()


def remount(place: Path, how: str) -> None:
    for _ in range(100):
        if not subprocess.run(["mount", "-o", f"remount,{how}", str(place)], stderr=subprocess.DEVNULL).returncode:
            return
        time.sleep(0.05)
    pytest.skip("the file system is in use")


# The clock of a session or runner is not the machine's: it is set by whoever starts it.
JUMPING = """
import sys, time
real, jump = time.time, float(sys.argv[2])
time.time = lambda: real() + jump
time.time_ns = lambda: int((real() + jump) * 1e9)
from espalier import Experiment, ScriptRunConfig, Workspace
run = Experiment(Workspace(sys.argv[1]), "exp").submit(ScriptRunConfig(command=f'echo "$ESPALIER_RUN_ID" >> {sys.argv[3]}'))
print(run.id)
"""


@pytest.mark.parametrize("jump", [-7200.0, 10 * 365 * 86400.0, -60 * 365 * 86400.0])
def test_clock_jumps(jump: float, world: World) -> None:
    """Back, ahead, and to before 1970: runs are executed, once, and no duration is negative."""
    world.check((DONE,))
    argv = [sys.executable, "-c", JUMPING, world.workspace.path, str(jump), str(world.marks)]
    done = subprocess.run(argv, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    world.check((DONE,))
    assert world.executions(done.stdout.strip()) == 1


def test_clock_set_back_while_runs_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who came first is served first."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        patch.setattr(nudging, "step", lambda: None)
        first = world.submit()
        real = time.time_ns
        patch.setattr(time, "time_ns", lambda: real() - 7_200_000_000_000)
        second = world.submit()
    assert [why_waiting(run.id).position for run in (first, second)] == [1, 2]
    world.check((DONE,))


def test_workspace_folder_deleted(world: World) -> None:
    """The queue serves the others; what was queued of it is dropped."""
    world.check((DONE,))
    shutil.rmtree(world.workspace.path)
    with pytest.raises(EspalierError) as caught:
        world.submit()
    assert caught.value.code == "workspace_missing"
    world.workspace = Workspace.create("other", str(world.home))
    world.experiment = Experiment(world.workspace, "exp")
    world.sealed.clear()
    world.marks.write_text("")
    world.check()
