"""A workspace that was copied, restored from a backup, or moved: same ids, and each run is executed once at most."""

import os
import shutil
import signal
from typing import Any

import pytest
from espalier import Experiment, Run, Workspace
from espalier.queue.home import queue_paths
from espalier.submission import submit as submission
from test_marked_points import running_run, until
from world import DONE, World, processes_of

COPIED = ("Failed", "copied")


def copy_of(world: World) -> Workspace:
    """The workspace, copied as `cp -a` does it."""
    target = world.home / "copy"
    shutil.copytree(world.workspace.path, target, symlinks=True)
    return Workspace(str(target))


def end_in(workspace: Workspace, run_id: str) -> Any:
    details = workspace.get_run(run_id).get_details()
    return details["status"], (details["error"] or {}).get("code")


@pytest.fixture
def queued(world: World, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose ticket nobody has taken."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        return world.submit()


def test_a_queued_run_of_a_copy_is_not_executed(world: World, queued: Run) -> None:
    copy = copy_of(world)
    world.check((DONE,))
    copy.list_runs()
    assert end_in(copy, queued.id) == COPIED and world.end_of(queued.id) == DONE
    world.check()
    assert world.executions(queued.id) == 1


def test_a_running_run_of_a_copy_does_not_harm_the_original(world: World) -> None:
    run = running_run(world)
    copy = copy_of(world)
    copy.list_runs()
    assert end_in(copy, run.id) == COPIED
    assert run.get_status() == "Running" and processes_of(run.run_dir)
    os.kill(int(run._status()["pid"]), signal.SIGTERM)  # its own end
    world.check((("Canceled", "canceled"),))
    assert end_in(copy, run.id) == COPIED, "and a later look changes nothing"


def test_a_copy_seen_from_another_queue_does_not_harm_the_original(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = running_run(world)
    copy = copy_of(world)
    with monkeypatch.context() as patch:
        patch.setenv("ESPALIER_STATE_DIR", str(world.home / "state2"))
        copy.list_runs()
    assert end_in(copy, run.id) == COPIED
    assert run.get_status() == "Running" and world.executions(run.id) == 1
    run.cancel()
    world.check((("Canceled", "canceled"),))


def test_cancel_in_a_copy_does_not_reach_the_original(world: World) -> None:
    run = running_run(world)
    copy = copy_of(world)
    copy.get_run(run.id).cancel()
    assert end_in(copy, run.id)[0] in ("Canceled", "Failed") and run.get_status() == "Running"
    run.cancel()
    world.check((("Canceled", "canceled"),))


def test_the_end_of_a_parent_in_a_copy_does_not_reach_the_originals_children(world: World) -> None:
    parent = running_run(world)
    child, by_hand = parent.submit_child(world.job("sleep 30")), parent.child_run()
    until(lambda: world.executions(child.id) == 1)
    copy = copy_of(world)
    copy.list_runs()
    copy.get_run(parent.id).cancel()
    assert end_in(copy, child.id) == end_in(copy, parent.id) == COPIED
    assert {run.get_status() for run in (parent, child, by_hand)} == {"Running"}
    parent.cancel()
    world.workspace.list_runs()
    os.unlink(queue_paths().lease(by_hand.id))  # this process records it and will not end
    world.check((("Canceled", "canceled"),))


def test_restored_from_a_backup_of_before_it_ran(world: World, queued: Run) -> None:
    """Workspace and queue are put back as they were when the run was waiting; it has been executed since."""
    backup = world.home.parent / "backup"
    shutil.copytree(world.home, backup, symlinks=True)
    assert world.settle()[queued.id] == "Completed"
    shutil.rmtree(world.home)
    shutil.copytree(backup, world.home, symlinks=True)
    world.check((COPIED,))
    assert world.executions(queued.id) == 1


def test_moved_while_it_waits(world: World, queued: Run) -> None:
    """A folder that was renamed is no copy: what waits in it is executed, once."""
    target = world.home / "elsewhere"
    os.rename(world.workspace.path, target)
    world.workspace = Workspace(str(target))
    world.experiment = Experiment(world.workspace, "exp")
    world.check((DONE,))
    assert world.executions(queued.id) == 1
