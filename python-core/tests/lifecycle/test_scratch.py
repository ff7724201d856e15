"""Scratch folders: found again, never taken for another's, removed when their run has ended."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from espalier import EspalierError, Run, ScriptRunConfig
from espalier.adapters import posix
from espalier.adapters.homes import scratch_below, scratch_folder
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.lifecycle import scratch as module
from espalier.lifecycle.collect import collect
from espalier.lifecycle.scratch import lost_run, make_scratch, remove_scratch, scratch_of
from espalier.lifecycle.status import Known, read_status
from espalier.queue.home import queue_paths
from espalier.queue.step import step
from scratch import copy_of, give_scratch


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    os.makedirs(paths.root)
    return paths


def test_another_run_has_the_name(run: RunPaths, tmp_path: Path) -> None:
    other = RunPaths(run.root.replace("e_1", "other_1"))
    os.makedirs(other.root)
    first = make_scratch(other, str(tmp_path / "w"), "")
    second = make_scratch(run, str(tmp_path / "w"), "")
    assert os.path.basename(first.root) == "abcdef01" and os.path.basename(second.root).startswith("abcdef01-")
    assert os.stat(scratch_below(str(tmp_path / "w"))).st_mode & 0o777 == os.stat(first.root).st_mode & 0o777 == 0o700
    assert scratch_of(run, Status(scratch={"path": first.root, "directory": ""})) is None


def test_what_an_earlier_runner_left_is_removed(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_hold", lambda scratch: None)
    scratch = give_scratch(run, str(tmp_path / "w"))
    (Path(scratch.work) / "half").touch()
    again = make_scratch(run, str(tmp_path / "w"), "")
    assert again.root == scratch.root and sorted(os.listdir(again.root)) == ["run.json", "tmp"]


def test_one_that_is_held_is_not_taken(run: RunPaths, tmp_path: Path) -> None:
    scratch = give_scratch(run, str(tmp_path / "w"))
    assert posix.is_locked(scratch.note)
    assert make_scratch(run, str(tmp_path / "w"), "").root != scratch.root


@pytest.mark.parametrize("directory", ["..", "a/../..", "/etc", "a//b"])
def test_no_directory_leads_outside(run: RunPaths, tmp_path: Path, directory: str) -> None:
    with pytest.raises(EspalierError) as caught:
        make_scratch(run, str(tmp_path / "w"), directory)
    assert caught.value.code == "damaged"


def test_half_removed_it_is_found_again(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = give_scratch(run, str(tmp_path / "w"))

    def killed(path: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "remove_tree", killed)
        remove_scratch(scratch)
    assert os.path.exists(scratch.note) and scratch_of(run, read_status(run)) is not None
    remove_scratch(scratch)
    assert os.listdir(scratch_below(str(tmp_path / "w"))) == []


def test_one_that_cannot_be_removed_is_let_be(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step takes up its run again, and the next attempt has another."""
    scratch = give_scratch(run, str(tmp_path / "w"))
    posix_free(scratch.note)
    monkeypatch.setattr(module, "remove_tree", lambda path: None)
    remove_scratch(scratch)
    assert os.path.exists(scratch.work) and lost_run(scratch) is None
    assert os.path.basename(make_scratch(run, str(tmp_path / "w"), "").root).startswith("abcdef01-")


def test_where_none_can_be_made(
    submit: Callable[..., Run], ended: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ESPALIER_SCRATCH_DIR", str(tmp_path / "file" / "w"))
    error = ended(submit("true"))["error"]
    assert error["code"] == "prepare_failed" and error["class"] == ["espalier_error_workspace_read_only"]
    assert error["message"].splitlines() == [
        f"Can't create the job's working copy in {tmp_path}/file/w/espalier-{os.geteuid()}: Not a directory. "
        "Make space there, or set ESPALIER_SCRATCH_DIR to another folder before you submit."
    ]


def test_a_folder_of_the_user_s_choice(
    submit: Callable[..., Run], ended: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_SCRATCH_DIR", str(tmp_path / "fast"))
    run = submit("pwd > here; echo $TMPDIR > there")
    ended(run)
    assert Path(run.run_dir, "workdir", "here").read_text() == f"{scratch_below(str(tmp_path / 'fast'))}/{run.id[-8:]}/work\n"
    assert Path(run.run_dir, "workdir", "there").read_text() == f"{scratch_below(str(tmp_path / 'fast'))}/{run.id[-8:]}/tmp\n"
    assert os.listdir(tmp_path / "fast") == [f"espalier-{os.geteuid()}"]
    assert os.listdir(scratch_folder()) == []


def test_left_behind_after_the_end(submit: Callable[..., Run], ended: Any) -> None:
    """Whoever ended the run was killed, and the lease is lost, as after a power cut."""
    run = submit("true")
    ended(run)
    scratch = give_scratch(RunPaths(run.run_dir), scratch_folder())
    posix_free(scratch.note)
    os.mkdir(os.path.join(scratch.work, "outputs"))
    Path(scratch.work, "outputs", "late").touch()
    step()
    assert not os.path.exists(scratch.root) and "outputs/late" in run.get_file_names()


def test_of_a_run_that_is_gone(submit: Callable[..., Run], ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit("true")
    ended(run)
    scratch = give_scratch(RunPaths(run.run_dir), scratch_folder())
    posix_free(scratch.note)
    shutil.rmtree(run.run_dir)
    step()
    step()
    assert os.path.exists(scratch.work), "its workspace may have been renamed"
    os.utime(scratch.missed, (0, 0))
    step()
    assert os.listdir(scratch_folder()) == []


def test_of_a_run_whose_workspace_is_not_mounted(submit: Callable[..., Run], ended: Any, tmp_path: Path) -> None:
    """What the job left lies here alone, until the disk is back."""
    run = submit("true")
    ended(run)
    scratch = give_scratch(RunPaths(run.run_dir), scratch_folder())
    posix_free(scratch.note)
    os.mkdir(os.path.join(scratch.work, "outputs"))
    Path(scratch.work, "outputs", "late").touch()
    workspace = RunPaths(run.run_dir).workspace.root
    os.rename(workspace, tmp_path / "aside")
    step()
    os.mkdir(workspace)  # the folder where the disk is mounted
    Path(scratch.missed).touch()
    os.utime(scratch.missed, (0, 0))
    step()
    os.rmdir(workspace)
    os.rename(tmp_path / "aside", workspace)
    step()
    assert not os.path.exists(scratch.root) and "outputs/late" in run.get_file_names()


def test_on_a_full_disk_none_is_left(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, data: bytes, **_: Any) -> None:
        Path(path).touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_file", full)
    with pytest.raises(EspalierError, match="No space left"):
        make_scratch(run, str(tmp_path / "w"), "")
    assert os.listdir(scratch_below(str(tmp_path / "w"))) == []


def test_of_a_run_that_goes_on(submit: Callable[..., Run], ended: Any, reach: Any) -> None:
    """Also where its lease is lost."""
    run = submit("while ! test -e go; do sleep 0.01; done")
    reach(run, "Running")
    lease = queue_paths().lease(run.id)
    os.rename(lease, lease + ".aside")
    step()
    os.rename(lease + ".aside", lease)
    (copy_of(run) / "go").touch()
    assert ended(run)["status"] == "Completed"


def posix_free(note: str) -> None:
    """The note as it is when the process that held it has ended: another file, which nobody holds."""
    data = Path(note).read_bytes()
    os.unlink(note)
    Path(note).write_bytes(data)


def test_what_begins_the_working_copy_is_no_file_of_the_run(experiment: Any, project: Path, ended: Any) -> None:
    (project / "a.sh").write_text("true\n")
    run = experiment.submit(ScriptRunConfig(str(project), "a.sh"))
    details = ended(run)
    assert details["kept"] is None and run.get_file_names() == ["user_logs/std_log.txt"]


def test_in_a_folder_of_the_user_s_choice_nothing_else_is_touched(
    submit: Callable[..., Run], ended: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither beside our folder nor in it, whatever its name and age, and wherever links lead."""
    monkeypatch.setenv("ESPALIER_SCRATCH_DIR", str(tmp_path / "mine"))
    ended(submit("true"))
    for folder in (tmp_path / "mine", Path(scratch_folder())):
        for name in ("data", "0000000a", "0000000b-0000000c"):
            (folder / name).mkdir()
            (folder / name / "precious").touch()
        (folder / "0000000d").write_text("")
        (folder / "0000000e").symlink_to(tmp_path / "mine" / "data")
        for path in folder.iterdir():
            os.utime(path, (0, 0), follow_symlinks=False)
    before = sorted(str(path) for path in tmp_path.rglob("mine/**/*"))
    step()
    assert sorted(str(path) for path in tmp_path.rglob("mine/**/*")) == before


def test_an_empty_one_is_removed_after_a_while(home: Path) -> None:
    places = [Path(scratch_folder(), name) for name in ("0000000a", "0000000b")]
    for place in places:
        place.mkdir(parents=True)
    os.utime(places[0], (0, 0))
    step()
    assert [place.exists() for place in places] == [False, True]


def test_a_link_in_place_of_our_folder(run: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", scratch_below(str(tmp_path / "w")))
    with pytest.raises(EspalierError, match="it's a link") as caught:
        make_scratch(run, str(tmp_path / "w"), "")
    assert caught.value.code == "not_permitted" and os.listdir(tmp_path / "elsewhere") == []


def test_a_link_in_place_of_the_folder_is_removed_alone(run: RunPaths, tmp_path: Path) -> None:
    scratch = give_scratch(run, str(tmp_path / "w"))
    shutil.rmtree(scratch.root)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").touch()
    os.symlink(tmp_path / "data", scratch.root)
    remove_scratch(scratch)
    assert not os.path.lexists(scratch.root) and os.listdir(tmp_path / "data") == ["precious"]


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
@pytest.mark.parametrize("name", ["run.json", "began.json", "removed.json", "tmp", "work"])
def test_whatever_a_job_puts_there_is_removed(run: RunPaths, tmp_path: Path, kind: str, name: str) -> None:
    scratch = give_scratch(run, str(tmp_path / "w"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").touch()
    place = Path(scratch.root, name)
    module.remove_tree(str(place))
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "link":
        place.symlink_to(tmp_path / "data")
    else:
        place.mkdir()
        (place / "x").touch()
    known = scratch_of(run, read_status(run))
    assert known is not None
    collect(Known(run, read_status(run)), [])
    remove_scratch(known)
    assert not os.path.lexists(scratch.root) and os.listdir(tmp_path / "data") == ["precious"]


@pytest.mark.parametrize("note", [None, "", "{", '{"format": 99}', "other host", "other place"])
def test_what_may_hold_files_of_a_job_stays(submit: Callable[..., Run], ended: Any, reach: Any, note: Optional[str]) -> None:
    """A note that cannot be read, or another host's, or of a run whose status names another place."""
    run = submit("true")
    ended(run)
    reach(lambda: not os.listdir(queue_paths().leases))
    paths = RunPaths(run.run_dir)
    scratch = give_scratch(paths, scratch_folder())
    Path(scratch.work, "late").touch()
    if note is None:
        os.unlink(scratch.note)
    elif note == "other host":
        record = json.loads(Path(scratch.note).read_text())
        Path(scratch.note).write_text(json.dumps({**record, "host": "elsewhere"}))
    elif note == "other place":
        status = json.loads(Path(paths.status).read_text())
        status["scratch"]["path"] = "/nowhere/" + run.id[-8:]
        Path(paths.status).write_text(json.dumps(status))
    else:
        Path(scratch.note).write_text(note)
    os.utime(scratch.root, (0, 0))
    if note is not None:
        posix_free(scratch.note)
    step()
    assert os.path.exists(os.path.join(scratch.work, "late"))
    assert make_scratch(paths, None, "").root != scratch.root or note == "other place"


@pytest.mark.parametrize("started", ["2026-01-01T00:00:00.000000Z", None])
def test_a_job_that_removed_the_note_of_its_beginning(run: RunPaths, tmp_path: Path, started: Any) -> None:
    """Whether it was started its run's status says."""
    os.makedirs(run.root, exist_ok=True)
    Path(run.spec).write_text(json.dumps({"format": 1}))
    scratch = give_scratch(run, str(tmp_path / "w"))
    Path(run.status).write_text(json.dumps(read_status(run)._replace(started_at=started).record()))
    Path(scratch.work, "new").touch()
    os.unlink(scratch.began)
    collect(Known(run, read_status(run)), [])
    assert os.path.exists(os.path.join(run.files, "new")) is bool(started)


def test_modes_do_not_depend_on_the_umask(run: RunPaths, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        scratch = make_scratch(run, str(tmp_path / "a" / "b"), "")
    finally:
        os.umask(old)
    for path in (tmp_path / "a", tmp_path / "a" / "b", os.path.dirname(scratch.root), scratch.root, scratch.temporary):
        assert os.stat(path).st_mode & 0o777 == 0o700
