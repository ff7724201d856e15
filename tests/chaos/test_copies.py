"""A workspace that was copied, restored from a backup, or moved: same ids, and each run is executed once at most."""

import contextlib
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acts import Acts
from espalier import EspalierError, Experiment, Run, ScriptRunConfig, Workspace
from espalier.jobs import commit as submission
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from test_marked_points import running_run, until
from world import DONE, World, named_processes

COPIED = ("Failed", "copied")


def copy_of(world: World) -> Workspace:
    """The workspace, copied as `cp -a` does it."""
    target = world.home / "copy"
    shutil.copytree(world.workspace.path, target, symlinks=True, ignore=shutil.ignore_patterns(".tmp-*"))
    return Workspace(str(target))


def end_in(workspace: Workspace, run_id: str) -> Any:
    details = workspace.runs.get(run_id).get_details()
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
    copy.runs.list()
    assert end_in(copy, queued.id) == COPIED and world.end_of(queued.id) == DONE
    world.check()
    assert world.executions(queued.id) == 1


def test_a_running_run_of_a_copy_does_not_harm_the_original(world: World) -> None:
    run = running_run(world)
    copy = copy_of(world)
    copy.runs.list()
    assert end_in(copy, run.id) == COPIED
    assert run.get_status() == "Running" and named_processes(run.run_dir, set())
    os.kill(int(run._status()["pid"]), signal.SIGTERM)  # its own end
    world.check((("Canceled", "canceled"),))
    assert end_in(copy, run.id) == COPIED, "and a later look changes nothing"


def test_a_copy_seen_from_another_queue_does_not_harm_the_original(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = running_run(world)
    copy = copy_of(world)
    with monkeypatch.context() as patch:
        patch.setenv("ESPALIER_STATE_DIR", str(world.home / "state2"))
        copy.runs.list()
    assert end_in(copy, run.id) == COPIED
    assert run.get_status() == "Running" and world.executions(run.id) == 1
    run.cancel()
    world.check((("Canceled", "canceled"),))


def test_cancel_in_a_copy_does_not_reach_the_original(world: World) -> None:
    run = running_run(world)
    copy = copy_of(world)
    copy.runs.get(run.id).cancel()
    assert end_in(copy, run.id)[0] in ("Canceled", "Failed") and run.get_status() == "Running"
    run.cancel()
    world.check((("Canceled", "canceled"),))


def test_the_end_of_a_parent_in_a_copy_does_not_reach_the_originals_children(world: World) -> None:
    parent = running_run(world)
    child, by_hand = parent.submit_child(world.job("sleep 30")), parent.child_run()
    until(lambda: world.executions(child.id) == 1)
    copy = copy_of(world)
    copy.runs.list()
    copy.runs.get(parent.id).cancel()
    assert end_in(copy, child.id) == end_in(copy, parent.id) == COPIED
    assert {run.get_status() for run in (parent, child, by_hand)} == {"Running"}
    parent.cancel()
    world.workspace.runs.list()
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


def in_place(source: str, target: str) -> None:
    """What `rsync --inplace --delete` does: files keep their inodes, and what the source does not have goes."""
    for here, folders, names in os.walk(target, topdown=False):
        inside = os.path.relpath(here, target)
        for name in [*names, *folders]:
            path, original = os.path.join(here, name), os.path.join(source, inside, name)
            if not os.path.lexists(original):
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    for here, _, names in os.walk(source):
        inside = os.path.join(target, os.path.relpath(here, source))
        os.makedirs(inside, exist_ok=True)
        for name in names:
            with open(os.path.join(here, name), "rb") as old, open(os.path.join(inside, name), "wb") as new:
                new.write(old.read())


def test_put_back_in_place_from_a_backup_of_before_it_ran(world: World, queued: Run) -> None:
    """File by file, as `rsync --inplace` does it: no inode tells. The queue remembers what it has started."""
    backup = world.home.parent / "backup"
    shutil.copytree(world.workspace.path, backup, symlinks=True, ignore=shutil.ignore_patterns(".tmp-*"))
    assert world.settle()[queued.id] == "Completed"
    in_place(str(backup), world.workspace.path)
    assert queued._status()["state"] == "Queued"
    world.check((COPIED,))
    assert world.executions(queued.id) == 1


def test_workspace_and_queue_copied_over_what_is_there(world: World, queued: Run) -> None:
    """As `cp -a` of yesterday's folder over today's: what is newer stays, the queue's notes among it."""
    backup = world.home.parent / "backup"
    shutil.copytree(world.home, backup, symlinks=True)
    assert world.settle()[queued.id] == "Completed"
    shutil.copytree(backup, world.home, symlinks=True, dirs_exist_ok=True)
    world.check((COPIED,))
    assert world.executions(queued.id) == 1


def moved(world: World) -> str:
    """Rename the workspace; returns where it was."""
    old, target = world.workspace.path, world.home / "elsewhere"
    os.rename(old, target)
    world.workspace = Workspace(str(target))
    world.experiment = Experiment(world.workspace, "exp")
    return old


def test_moved_while_it_runs(world: World) -> None:
    """The runner follows: the run has its own end, where the workspace is now, and so has what waits behind it."""
    gate = world.home.parent / "gate"
    gate.touch()
    set_capacity(queue_paths(), cpus=1)
    run = world.submit(f"while test -e {gate}; do sleep 0.01; done; echo heard")
    until(lambda: world.executions(run.id) == 1)
    waiting = world.submit()
    old = moved(world)
    gate.unlink()
    world.check((DONE,))
    found = world.workspace.runs.get(run.id)
    assert found.follow()["log"] == "heard\n" and found.get_details()["exitCode"] == 0
    assert world.executions(run.id) == world.executions(waiting.id) == 1
    assert not os.path.exists(old), "what was moved away is not made again"


def test_canceled_where_it_was_moved_to(world: World) -> None:
    run = running_run(world)
    old = moved(world)
    world.workspace.runs.get(run.id).cancel()
    world.check((("Canceled", "canceled"),))
    assert not os.path.exists(old)


def test_moved_and_then_its_runner_killed(world: World) -> None:
    run = running_run(world)
    moved(world)
    os.kill(int(world.workspace.runs.get(run.id)._status()["pid"]), signal.SIGKILL)
    world.check((("Failed", "runner_lost"),))
    assert world.executions(run.id) == 1


def test_moved_while_it_runs_and_tried_again(world: World) -> None:
    gate = world.home.parent / "gate"
    gate.touch()
    job = world.job(f"while test -e {gate}; do sleep 0.01; done; exit 3")
    run = world.experiment.submit(replace(job, retry={"attempts": 2}))
    world.attempts[run.id] = 2
    until(lambda: world.executions(run.id) == 1)
    moved(world)
    gate.unlink()
    world.check((("Failed", "job_failed"),))
    assert world.executions(run.id) == 2


def put_back(there: Path, home: str) -> None:
    """The workspace under its own name again, if it isn't already: that name is always free."""
    if there.exists():
        os.rename(there, home)


@pytest.mark.parametrize("acts", [3, 1000])
def test_renamed_before_each_act_of_a_submit(world: World, tmp_path: Path, acts: int) -> None:
    """For some acts, or to the end of it: what submit has returned is executed, once."""
    there, told, project = world.home / "elsewhere", tmp_path / "told", tmp_path / "project"
    project.mkdir()
    (project / "a.sh").write_text(world.job().command)

    def submit() -> None:
        told.write_text("refused")
        with contextlib.suppress(EspalierError):
            told.write_text(world.experiment.submit(ScriptRunConfig(str(project), "a.sh")).id)

    number, total, returned = -1, 0, []
    while number < total:
        (project / "data").write_text(str(number))  # (something new for the store)
        watched = Acts(None if number < 0 else number, count_to=str(tmp_path / "count"), moves=(world.workspace.path, str(there), acts))
        assert world.forked(watched, submit) == 0, f"neither done nor refused, renamed before act {number}"
        put_back(there, world.workspace.path)
        world.check((DONE,), proof=False)
        if told.read_text() != "refused":
            returned.append(told.read_text())
            assert world.executions(returned[-1]) == 1, f"renamed before act {number}"
        total = total or int((tmp_path / "count").read_text())
        number += 2
    assert total > 20 and len(returned) > 3


@pytest.mark.parametrize("acts", [3, 1000])
def test_renamed_before_each_act_of_a_runner(world: World, acts: int) -> None:
    """It failed, for the cause that its definition had been changed, or a folder was missing."""
    there, count, total, number = world.home / "elsewhere", world.home / "count", 0, -2
    while number < total:
        world.plan(runner=None if number < 0 else number, count_to=str(count), moves=[world.workspace.path, str(there), acts])
        run = world.submit("echo kept > outputs/kept")
        until(lambda: not os.listdir(queue_paths().leases))
        put_back(there, world.workspace.path)
        world.check((DONE,), proof=False)
        assert world.executions(run.id) == 1 and "outputs/kept" in run.get_file_names(), f"renamed before act {number}"
        total = total or int(Path(f"{count}.fork").read_text())
        number += 2
    assert number > 15
