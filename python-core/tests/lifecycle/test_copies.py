"""Telling a folder that was copied from the one that was submitted."""

import os
import shutil
from pathlib import Path
from typing import Callable

from espalier import Run
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.lifecycle.digests import is_copy, origin_of
from espalier.lifecycle.end import retire_copy
from espalier.lifecycle.status import read_status


def test_a_copy_is_one_and_a_renamed_folder_is_none(submit: Callable[..., Run], ended: Callable[..., object], tmp_path: Path) -> None:
    run = submit("true")
    ended(run)
    status = read_status(RunPaths(run.run_dir))
    assert status.origin == origin_of(os.path.join(run.run_dir, "spec.json"))
    shutil.copytree(run.run_dir, tmp_path / "copy")
    os.rename(run.run_dir, tmp_path / "renamed")
    assert is_copy(RunPaths(str(tmp_path / "copy")), status)
    assert not is_copy(RunPaths(str(tmp_path / "renamed")), status)
    assert not is_copy(RunPaths(str(tmp_path / "copy")), status._replace(origin=None)), "of an older espalier"


def test_one_sign_alone_is_not_enough(tmp_path: Path) -> None:
    """File systems that give new inodes after a mount, and a change of owner, make no copies."""
    run = RunPaths(str(tmp_path))
    Path(run.spec).write_text("{}")
    seen = origin_of(run.spec)
    assert not is_copy(run, Status(origin={**seen, "inode": 0}))
    assert not is_copy(run, Status(origin={**seen, "changed_ns": 0}))
    assert is_copy(run, Status(origin={"inode": 0, "changed_ns": 0}))


def test_the_end_of_a_copy_says_so_and_leaves_the_original_alone(tmp_path: Path) -> None:
    original, run = tmp_path / "original", RunPaths(str(tmp_path / "shard" / "exp_1_00000000"))
    (original / "outputs").mkdir(parents=True)
    os.makedirs(run.work)
    os.symlink(original / "outputs", os.path.join(run.work, "outputs"))
    Path(run.spec).write_text('{"format": 1}')
    retire_copy(run, Status("Running"))
    ended = read_status(run)
    error = ended.error or {}
    assert (ended.state, error["code"], ended.warnings) == ("Failed", "copied", ())
    assert "while the run was Running" in error["message"] and (original / "outputs").is_dir()
