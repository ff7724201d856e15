import os
import shutil
from pathlib import Path
from typing import Callable, Iterator

import pytest
from espalier.adapters.files import remove_tree
from espalier.lifecycle.collect import collect_kept_folders, remove_scratch
from espalier.paths import RunPaths


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunPaths]:
    """A run whose job has just ended: links in its working copy, nothing moved yet."""
    paths = RunPaths(str(tmp_path / "run"))
    for folder in (paths.outputs, paths.logs, paths.work):
        os.makedirs(folder)
    for name in ("outputs", "logs"):
        os.symlink(getattr(paths, name), Path(paths.work, name))
    yield paths
    remove_tree(str(tmp_path / "run"))


def replace_link(run: RunPaths, name: str = "outputs") -> Path:
    path = Path(run.work, name)
    path.unlink()
    path.mkdir()
    return path


def tree(folder: str) -> dict:  # type: ignore[type-arg]
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(Path(folder).rglob("*"))
    }


def deep(folder: str, levels: int) -> None:
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def test_links_left_alone_mean_nothing_to_do(run: RunPaths) -> None:
    Path(run.outputs, "a").write_text("a")
    assert collect_kept_folders(run) == [] and tree(run.outputs) == {"a": "a"}


def test_links_that_were_removed(run: RunPaths) -> None:
    os.unlink(Path(run.work, "outputs"))
    assert collect_kept_folders(run) == []


def test_a_folder_instead_of_the_link(run: RunPaths) -> None:
    Path(run.outputs, "early").write_text("early")
    Path(run.outputs, "sub").mkdir()
    Path(run.outputs, "sub", "kept").write_text("kept")
    Path(run.outputs, "both").write_text("old")
    late = replace_link(run)
    (late / "both").write_text("new")
    (late / "sub").mkdir()
    (late / "sub" / "late").write_text("late")
    (late / "link").symlink_to("/etc")
    assert collect_kept_folders(run) == []
    assert os.readlink(Path(run.outputs, "link")) == "/etc"
    os.unlink(Path(run.outputs, "link"))
    assert tree(run.outputs) == {"both": "new", "early": "early", "sub": None, "sub/kept": "kept", "sub/late": "late"}


@pytest.mark.parametrize("old,new", [("file", "folder"), ("folder", "file"), ("link", "folder"), ("folder", "link")])
def test_other_kinds_under_one_name(run: RunPaths, old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("untouched")
    late = replace_link(run)
    for place, kind in ((Path(run.outputs), old), (late, new)):
        if kind == "file":
            (place / "x").write_text("file")
        elif kind == "link":
            (place / "x").symlink_to(tmp_path / "outside")
        else:
            (place / "x").mkdir()
            (place / "x" / "in").write_text("in")
    assert collect_kept_folders(run) == []
    result = Path(run.outputs, "x")
    assert {"file": result.is_file(), "folder": (result / "in").exists(), "link": result.is_symlink()}[new]
    assert tree(str(tmp_path / "outside")) == {"x": "untouched"}


def test_a_file_instead_of_the_link(run: RunPaths) -> None:
    os.unlink(Path(run.work, "outputs"))
    Path(run.work, "outputs").write_text("a file")
    assert collect_kept_folders(run) == []
    assert tree(run.outputs) == {"outputs": "a file"}


def test_another_link_is_not_followed_and_said(run: RunPaths, tmp_path: Path) -> None:
    os.unlink(Path(run.work, "outputs"))
    os.symlink("/etc", Path(run.work, "outputs"))
    (warning,) = collect_kept_folders(run)
    assert "/etc" in warning and tree(run.outputs) == {}


def test_what_cannot_be_kept_is_said_and_the_rest_kept(run: RunPaths) -> None:
    shutil.rmtree(run.outputs)
    Path(run.outputs).write_text("a file where the folder was")
    (replace_link(run) / "x").write_text("x")
    (replace_link(run, "logs") / "y").write_text("y")
    (warning,) = collect_kept_folders(run)
    assert "could not be kept" in warning and tree(run.logs) == {"y": "y"}


def test_deep_folders_on_both_sides(run: RunPaths) -> None:
    deep(run.outputs, 2500)
    deep(str(replace_link(run)), 2500)
    (warning,) = collect_kept_folders(run)
    assert "File name too long" in warning


def test_twice_is_the_same_as_once(run: RunPaths) -> None:
    (replace_link(run) / "x").write_text("x")
    collect_kept_folders(run)
    assert collect_kept_folders(run) == [] and tree(run.outputs) == {"x": "x"}


def test_folders_without_write_permission(run: RunPaths, as_user: Callable[..., str]) -> None:
    """As a job makes them that copies a read-only input with its modes."""
    late = replace_link(run)
    for folder in (Path(run.outputs, "both"), late / "both", late / "new" / "deep"):
        folder.mkdir(parents=True)
    for file in (late / "both" / "x", late / "new" / "deep" / "y"):
        file.write_text("kept")
    (Path(run.work) / "data" / "deep").mkdir(parents=True)
    for folder in (late / "both", late / "new" / "deep", late / "new", late, Path(run.work, "data", "deep"),
                   Path(run.work, "data"), Path(run.work)):  # fmt: skip
        folder.chmod(0o555)
    code = "import sys; from espalier.lifecycle.collect import *; run = RunPaths(sys.argv[1]); print({})"
    assert as_user(code.format("collect_kept_folders(run)"), run.root) == "[]\n"
    assert tree(run.outputs) == {"both": None, "both/x": "kept", "new": None, "new/deep": None, "new/deep/y": "kept"}
    as_user(code.format("remove_scratch(run, False)"), run.root)
    assert not os.path.exists(run.work)


@pytest.mark.parametrize("keep", [True, False])
def test_scratch(run: RunPaths, keep: bool) -> None:
    os.makedirs(os.path.dirname(run.runner_log))
    os.makedirs(run.job)
    for path in (run.env, run.runner_log):
        Path(path).write_text("")
    remove_scratch(run, keep)
    assert os.path.exists(run.work) == keep
    assert not any(map(os.path.exists, (run.job, run.env, run.runner_log)))
    assert os.path.isdir(run.outputs), "the links are removed, not what they point at"


def test_a_runner_log_that_says_something_stays(run: RunPaths) -> None:
    os.makedirs(os.path.dirname(run.runner_log))
    Path(run.runner_log).write_text("Traceback")
    remove_scratch(run, False)
    assert Path(run.runner_log).read_text() == "Traceback"


def test_a_deep_working_copy_is_removed(run: RunPaths) -> None:
    deep(run.work, 3000)
    remove_scratch(run, False)
    assert not os.path.exists(run.work)


def test_remove_tree(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "gone"))
    (tmp_path / "outside").write_text("stays")
    for name in "ab":
        (tmp_path / "t" / name).mkdir(parents=True)
        deep(str(tmp_path / "t" / name), 2000)
        (tmp_path / "t" / name / "link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "t" / "fifo")
    remove_tree(str(tmp_path / "t"))
    assert os.listdir(tmp_path) == ["outside"]
