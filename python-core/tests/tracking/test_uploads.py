import errno
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.tracking import transfers
from espalier.tracking.artifacts import file_names, open_artifact
from espalier.tracking.transfers import files_below, upload
from scratch import give_scratch


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    for folder in (paths.outputs, paths.logs):
        os.makedirs(folder)
    (tmp_path / "a").write_text("A")
    (tmp_path / "b").write_text("B")
    return paths


def refused(code: str, run: RunPaths, *files: Any) -> None:
    before = file_names(run)
    with pytest.raises(EspalierError) as caught:
        upload(run, files)
    assert caught.value.code == code
    assert file_names(run) == before and os.listdir(run.shard) == [os.path.basename(run.root)]


def test_names_stay_as_given(run: RunPaths, tmp_path: Path) -> None:
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    upload(run, [("sub/é.rds", a), ("outputs/x", b), ("logs/x", a), ("uploads/y", b)])
    assert file_names(run) == ["logs/x", "outputs/x", "sub/é.rds", "uploads/y"]
    with os.fdopen(open_artifact(run, "uploads/y")) as file:
        assert file.read() == "B"
    assert os.listdir(run.shard) == [os.path.basename(run.root)]


@pytest.mark.parametrize("has_folder", [True, False])
def test_where_nothing_can_be_written_beside_the_run(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_folder: bool
) -> None:
    """As in a container, where the folders of the run are there, and on a read-only disk."""
    mkdir = os.mkdir

    def refuse_beside(path: Any, *args: Any, **options: Any) -> None:
        if os.path.dirname(str(path)) == run.shard:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        mkdir(path, *args, **options)

    a = str(tmp_path / "a")
    if has_folder:
        os.mkdir(os.path.join(run.root, "uploads"))
    monkeypatch.setattr(os, "mkdir", refuse_beside)
    if not has_folder:
        return refused("not_permitted", run, ("outputs/x", a), ("y", a))
    upload(run, [("outputs/deep/x", a), ("y", a)])
    assert file_names(run) == ["outputs/deep/x", "y"]
    assert os.listdir(run.outputs) == ["deep"] and os.listdir(os.path.join(run.root, "uploads")) == ["y"]


def test_what_exists_stays(run: RunPaths, tmp_path: Path) -> None:
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    upload(run, [("x", a)])
    refused("file_exists", run, ("new", b), ("x", b))
    refused("file_exists", run, ("y", a), ("y", b))
    refused("file_exists", run, ("x/y", a))
    refused("file_exists", run, ("z", a), ("z/y", b))
    refused("artifact_missing", run, ("new", b), ("y", str(tmp_path / "gone")))
    refused("artifact_missing", run, ("y", str(tmp_path)))
    scratch = give_scratch(run, str(tmp_path / "w"))
    os.mkdir(os.path.join(scratch.job, "outputs"))
    Path(scratch.job, "outputs", "w").write_text("the job's own")
    refused("file_exists", run, ("outputs/w", a))


@pytest.mark.parametrize(
    "name", ["user_logs/std_log.txt", "system_logs/x", "workdir/x", "outputs", "logs", "x" * 256, "/".join(["x" * 200] * 6), "a//b"]
)
def test_names_nobody_may_give(run: RunPaths, tmp_path: Path, name: str) -> None:
    refused("bad_name", run, (name, str(tmp_path / "a")))


def test_links_are_not_followed(run: RunPaths, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    os.symlink(outside, Path(run.outputs, "folder"))
    os.symlink(outside / "made", Path(run.outputs, "file"))
    refused("artifact_unsafe", run, ("outputs/first", str(tmp_path / "b")), ("outputs/folder/x", str(tmp_path / "a")))
    refused("file_exists", run, ("outputs/file", str(tmp_path / "a")))
    os.symlink(outside, Path(run.root, "uploads"))
    refused("artifact_unsafe", run, ("x", str(tmp_path / "a")))
    assert os.listdir(outside) == []


def test_a_file_made_meanwhile_is_not_replaced(run: RunPaths, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfers, "_is_taken", lambda *_: False)
    Path(run.outputs, "x").write_text("first")
    for links in (True, False):
        if not links:
            monkeypatch.setattr(os, "link", _no_hard_links)
        refused("file_exists", run, ("outputs/y", str(tmp_path / "a")), ("outputs/x", str(tmp_path / "a")))
        assert Path(run.outputs, "x").read_text() == "first"
    upload(run, [("outputs/y", str(tmp_path / "a"))])
    assert Path(run.outputs, "y").read_text() == "A"


def _no_hard_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "no hard links")


def test_a_full_disk_leaves_nothing(run: RunPaths, tmp_path: Path, monkeypatch: Any) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfers, "_stage", full)
    refused("workspace_read_only", run, ("x", str(tmp_path / "a")))


def test_folders(tmp_path: Path) -> None:
    made: Dict[str, str] = {}
    for name in ("f/x", "f/sub/y"):
        Path(tmp_path, name).parent.mkdir(parents=True, exist_ok=True)
        Path(tmp_path, name).write_text(name)
    os.symlink(tmp_path / "f" / "x", tmp_path / "f" / "z")
    made.update(files_below("m/", str(tmp_path / "f")))
    assert list(made) == ["m/sub/y", "m/x", "m/z"]
    os.symlink("/etc", tmp_path / "f" / "etc")
    for folder, code in (("f", "source_unreadable"), ("gone", "source_missing")):
        with pytest.raises(EspalierError) as caught:
            files_below("m", str(tmp_path / folder))
        assert caught.value.code == code
