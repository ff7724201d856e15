import contextlib
import os
import threading

import pytest
from espalier import ScriptRunConfig, Workspace, snapshots
from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths, partial
from espalier.progress import Listener, listening
from espalier.snapshot.hold import alone_with_objects


@pytest.fixture
def taken(workspace, project):
    (project / "sub").mkdir()
    (project / "train.R").write_text("1\n")
    (project / "sub" / "run").write_text("2\n")
    (project / "sub" / "run").chmod(0o755)
    os.symlink("sub/run", project / "l")
    return workspace.take_snapshot(str(project))


def tree(folder):
    return sorted(
        (os.path.relpath(os.path.join(here, name), folder), os.stat(os.path.join(here, name)).st_mode & 0o111 > 0)
        for here, _, names in os.walk(folder)
        for name in names
    )


def test_a_snapshot_comes_back(workspace, taken, project, tmp_path):
    target = workspace.download_snapshot(taken, str(tmp_path / "deep" / "out"))
    assert target == str(tmp_path / "deep" / "out")
    assert tree(target) == tree(project)
    assert os.readlink(os.path.join(target, "l")) == "sub/run"
    (tmp_path / "empty").mkdir()
    workspace.download_snapshot(taken, str(tmp_path / "empty"))
    assert tree(tmp_path / "empty") == tree(project)


def test_the_snapshot_of_a_run(workspace, experiment, project, ended, tmp_path):
    (project / "a.sh").write_text("true\n")
    run = experiment.submit(ScriptRunConfig(source_directory=str(project), command=["true"]))
    without = experiment.submit(ScriptRunConfig(command=["true"]))
    ended(run), ended(without)
    workspace.download_snapshot(run.id, str(tmp_path / "out"))
    assert os.listdir(tmp_path / "out") == ["a.sh"]
    (project / "a.sh").write_text("false\n")
    (row,) = Workspace.compare_snapshots(run, str(project)).rows()
    assert row["diff"].endswith("-true\n+false\n")
    named = {"workspace": workspace, "snapshot": run.id}
    assert Workspace.compare_snapshots(named, project).rows() == [row]
    for use in (lambda: Workspace.compare_snapshots(without, str(project)),
                lambda: workspace.download_snapshot(without.id, str(tmp_path / "none"))):
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "snapshot_missing" and without.id in caught.value.message


@pytest.mark.parametrize("what", ["file", "folder", "link", "dangling"])
def test_nothing_is_overwritten(workspace, taken, tmp_path, what):
    target = tmp_path / "out"
    if what == "file":
        target.write_text("mine")
    elif what == "folder":
        target.mkdir()
        (target / "mine").write_text("mine")
    else:
        if what == "link":
            (tmp_path / "elsewhere").mkdir()
        os.symlink("elsewhere", target)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(EspalierError) as caught:
        workspace.download_snapshot(taken, str(target))
    assert caught.value.code == "file_exists"
    assert sorted(os.listdir(tmp_path)) == before


def test_a_folder_that_only_looks_like_ours_stays(workspace, taken, tmp_path):
    mine = tmp_path / partial("out")
    mine.mkdir()
    (mine / "thesis").write_text("mine")
    workspace.download_snapshot(taken, str(tmp_path / "out"))
    assert (mine / "thesis").read_text() == "mine"


def test_whole_or_not_at_all(workspace, taken, tmp_path):
    damage_one_object(WorkspacePaths(workspace.path))
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(EspalierError) as caught:
        workspace.download_snapshot(taken, str(tmp_path / "out"))
    assert caught.value.code == "snapshot_damaged"
    assert sorted(os.listdir(tmp_path)) == before


def damage_one_object(paths):
    for here, _, names in os.walk(os.path.dirname(paths.blobs)):
        for name in names:
            path = os.path.join(here, name)
            if os.stat(path).st_size == 2:
                os.chmod(path, 0o644)
                with open(path, "w") as file:
                    file.write("X\n")
                return
    raise AssertionError("no object of 2 bytes")


def test_a_place_that_cannot_be_written(workspace, taken, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EspalierError) as caught:
        workspace.download_snapshot(taken, str(tmp_path / "file" / "out"))
    assert caught.value.code == "bad_argument" and str(tmp_path / "file" / "out") in caught.value.message


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "0" * 64, "../../etc", "sha256:" + "0" * 65,
                                  "sha256:" + "/" * 64, "sha256:" + "0" * 63 + "\n"])
def test_ids_that_are_none(workspace, tmp_path, text):
    uses = [
        lambda: workspace.download_snapshot(text, str(tmp_path / "out")),
        lambda: workspace.delete_snapshot(text),
        lambda: Workspace.compare_snapshots({"workspace": workspace, "snapshot": text}, str(tmp_path)),
    ]
    for use in uses:
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "bad_argument" and "64 hex digits" in caught.value.message


def test_ids_of_other_workspaces(home, taken, tmp_path):
    other = Workspace.create("other", str(home))
    uses = [
        lambda: other.download_snapshot(taken, str(tmp_path / "out")),
        lambda: Workspace.compare_snapshots({"workspace": other.path, "snapshot": taken}, str(tmp_path)),
    ]
    for use in uses:
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "snapshot_missing" and taken in caught.value.message
    with pytest.raises(EspalierError) as caught:
        other.download_snapshot("exp_1_00000000", str(tmp_path / "out"))
    assert caught.value.code == "run_missing"
    assert other.delete_snapshot(taken) is False


@pytest.mark.parametrize("what", [None, 3, {"workspace": "x"}, {"snapshot": "y"}, ["a"]])
def test_what_cannot_be_compared(what, tmp_path):
    with pytest.raises(EspalierError) as caught:
        Workspace.compare_snapshots(what, str(tmp_path))
    assert caught.value.code == "bad_argument"


def test_names_are_shown_without_control_characters(workspace, taken, project):
    (project / "a\x1b[31m\nb").write_text("1\n")
    (row,) = Workspace.compare_snapshots({"workspace": workspace, "snapshot": taken}, project).rows()
    assert row["path"] == "a\x1b[31m\nb"
    assert row["diff"].startswith("--- /dev/null\n+++ b/a\\x1b[31m\\nb\n@@")


def test_everybody_holds_the_objects_they_use(workspace, taken, project, tmp_path, monkeypatch):
    """Collection begins only when they have ended."""
    seen = []

    def probe(*_, **__):
        with pytest.raises(TimeoutError), alone_in_time(workspace):
            pass
        seen.append(1)
        raise InterruptedError

    for name, use in (
        ("take_snapshot", lambda: workspace.take_snapshot(str(project))),
        ("keep", lambda: workspace.take_snapshot(str(project))),
        ("materialise", lambda: workspace.download_snapshot(taken, str(tmp_path / "out"))),
        ("compare", lambda: Workspace.compare_snapshots({"workspace": workspace, "snapshot": taken}, project)),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(snapshots, name, probe)
            with pytest.raises((InterruptedError, EspalierError)):
                use()
    assert len(seen) == 4
    with alone_in_time(workspace):
        pass


@contextlib.contextmanager
def alone_in_time(workspace):
    """The collector's lock, or a TimeoutError after a moment."""
    listener = Listener()
    timer = threading.Timer(0.15, setattr, (listener, "cancelled", True))
    timer.start()
    with contextlib.ExitStack() as stack:
        try:
            with listening(listener):
                stack.enter_context(alone_with_objects(WorkspacePaths(workspace.path)))
        except KeyboardInterrupt:
            raise TimeoutError from None
        finally:
            timer.cancel()
        yield
