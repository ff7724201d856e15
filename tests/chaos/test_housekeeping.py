"""Deleting, exporting and importing runs, killed -9 before each act in turn: a run is there whole, or not at all."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any, Callable, Dict, List

from acts import Acts
from espalier import Run, ScriptRunConfig, Workspace
from world import DONE, World, digest_of


def family(world: World) -> List[str]:
    """A run with a snapshot, and one recorded by hand with a child; the parent comes before its child."""
    project = world.home.parent / "project"
    project.mkdir(exist_ok=True)
    for number in range(3):
        (project / f"{number}.txt").write_text(f"{number}\n")
    job = world.job(world.writes())
    run = world.experiment.submit(ScriptRunConfig(command=job.command, source_directory=str(project)))
    world.check((DONE,), proof=False)
    parent = world.experiment.start_logging()
    child = parent.child_run()
    child.log("AUC", 0.5)
    child.complete(), parent.complete()
    return [run.id, parent.id, child.id]


def listed(workspace: Workspace) -> List[str]:
    return list(workspace.runs.list(include_children=True).columns["run_id"])


def killed_at_each_act(world: World, deed: Callable[[], Any], judge: Callable[[bool], None]) -> int:
    """Do something again and again, each time killed one act later, until it comes to its end."""
    number, ended = 0, signal.SIGKILL
    while ended != 0:
        ended = world.forked(Acts(die_before=number), deed)
        assert ended in (0, signal.SIGKILL), f"failed before its act {number}: {ended}"
        judge(ended == 0)
        number += 1
    print(f"{number} kills")
    return number


def test_a_process_that_deletes_runs_is_killed(world: World) -> None:
    ids = family(world)
    whole = {run_id: world.digest(run_id) for run_id in ids}
    backup = world.home.parent / "backup"
    shutil.copytree(world.workspace.path, backup, symlinks=True)

    def judge(is_done: bool) -> None:
        left = listed(world.workspace)
        assert {run_id: world.digest(run_id) for run_id in left} == {run_id: whole[run_id] for run_id in left}
        assert ids[1] in left or ids[2] not in left, "a child whose parent is gone"
        assert not is_done or left == []
        for path in Path(world.workspace.path, "runs").glob("*/.tmp-*"):
            os.utime(path, (0, 0))
        world.workspace.snapshots.collect_garbage(dry_run=False)
        assert not list(Path(world.workspace.path, "runs").glob("*/.tmp-*")), "not swept"
        if not is_done:
            for run_id in ids:
                shutil.rmtree(world.workspace._paths.run(run_id).root, ignore_errors=True)
            shutil.copytree(backup, world.workspace.path, symlinks=True, dirs_exist_ok=True)

    deed = lambda: world.workspace.housekeeping.delete_runs(  # noqa: E731
        [run_id for run_id in ids if Path(world.workspace._paths.run(run_id).root).exists()]
    )
    assert killed_at_each_act(world, deed, judge) >= 10


def test_a_process_that_imports_runs_is_killed(world: World) -> None:
    ids = family(world)
    file, other = str(world.home.parent / "runs.zip"), Workspace.create("other", str(world.home))
    world.workspace.housekeeping.export_runs(ids, file)
    other.housekeeping.import_runs(file)
    whole = {run_id: parts_of(other.runs.get(run_id)) for run_id in ids}
    other.housekeeping.delete_runs(ids)
    other.snapshots.collect_garbage(dry_run=False)

    def judge(is_done: bool) -> None:
        came = listed(other)
        assert {run_id: parts_of(other.runs.get(run_id)) for run_id in came} == {run_id: whole[run_id] for run_id in came}
        assert len(other.verify()) == 0
        other.snapshots.collect_garbage()
        assert not is_done or set(came) == set(ids)
        if not is_done:
            assert len(other.housekeeping.import_runs(file)) == 3 and set(listed(other)) == set(ids)
            other.housekeeping.delete_runs(ids)
            for path in Path(other.path, "runs").glob("*/.tmp-*"):
                shutil.rmtree(path)
            other.snapshots.collect_garbage(dry_run=False)

    assert killed_at_each_act(world, lambda: other.housekeeping.import_runs(file), judge) >= 30


def test_a_process_that_exports_runs_is_killed(world: World) -> None:
    ids = family(world)
    whole = {run_id: world.digest(run_id) for run_id in ids}
    folder = world.home.parent / "out"
    folder.mkdir()
    file = folder / "runs.zip"

    def judge(is_done: bool) -> None:
        assert {run_id: world.digest(run_id) for run_id in ids} == whole
        assert not is_done or file.exists()
        if file.exists():
            assert world.workspace.housekeeping.import_runs(str(file)).columns["imported"] == [False] * 3
            file.unlink()

    deed = lambda: world.workspace.housekeeping.export_runs(ids, str(file))  # noqa: E731
    assert killed_at_each_act(world, deed, judge) >= 3


def parts_of(run: Run) -> Dict[str, str]:
    """A run's files by their digests, but for the time at which it was imported."""
    top = Path(run.run_dir)
    return {path.name: digest_of(str(path)) for path in top.iterdir() if path.name != "meta.json"}
