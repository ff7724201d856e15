import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading

import pytest
from espalier import Host, ScriptRunConfig, Workspace
from espalier.api import stored_snapshots as snapshots
from espalier.api.snapshots import Snapshots
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths, partial
from espalier.base.progress import Listener, listening
from espalier.snapshot.hold import alone_with_objects


@pytest.fixture
def taken(workspace, project):
    (project / "sub").mkdir()
    (project / "train.R").write_text("1\n")
    (project / "sub" / "run").write_text("2\n")
    (project / "sub" / "run").chmod(0o755)
    os.symlink("sub/run", project / "l")
    return workspace.snapshots.take(str(project))


def tree(folder):
    return sorted(
        (os.path.relpath(os.path.join(here, name), folder), os.stat(os.path.join(here, name)).st_mode & 0o111 > 0)
        for here, _, names in os.walk(folder)
        for name in names
    )


def test_a_snapshot_comes_back(workspace, taken, project, tmp_path):
    target = workspace.snapshots.download(taken, str(tmp_path / "deep" / "out"))
    assert target == str(tmp_path / "deep" / "out")
    assert tree(target) == tree(project)
    assert os.readlink(os.path.join(target, "l")) == "sub/run"
    (tmp_path / "empty").mkdir()
    workspace.snapshots.download(taken, str(tmp_path / "empty"))
    assert tree(tmp_path / "empty") == tree(project)


def test_the_snapshot_of_a_run(workspace, experiment, project, ended, tmp_path):
    (project / "a.sh").write_text("true\n")
    run = experiment.submit(ScriptRunConfig(source_directory=str(project), command=["true"]))
    without = experiment.submit(ScriptRunConfig(command=["true"]))
    ended(run), ended(without)
    workspace.snapshots.download(run.id, str(tmp_path / "out"))
    assert os.listdir(tmp_path / "out") == ["a.sh"]
    (project / "a.sh").write_text("false\n")
    (row,) = Snapshots.compare(run, str(project)).rows()
    assert row["diff"].endswith("-true\n+false\n")
    named = {"workspace": workspace, "snapshot": run.id}
    assert Snapshots.compare(named, project).rows() == [row]
    for use in (lambda: Snapshots.compare(without, str(project)),
                lambda: workspace.snapshots.download(without.id, str(tmp_path / "none"))):
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "snapshot_missing" and without.id in caught.value.message


@pytest.mark.parametrize("what", ["file", "folder", "link", "dangling"])
def test_nothing_is_overwritten(workspace, taken, tmp_path, what):
    place = tmp_path / "place"  # (what is due of the queue may make its folder in tmp_path meanwhile)
    place.mkdir()
    target = place / "out"
    if what == "file":
        target.write_text("mine")
    elif what == "folder":
        target.mkdir()
        (target / "mine").write_text("mine")
    else:
        if what == "link":
            (place / "elsewhere").mkdir()
        os.symlink("elsewhere", target)
    before = sorted(os.listdir(place))
    with pytest.raises(EspalierError) as caught:
        workspace.snapshots.download(taken, str(target))
    assert caught.value.code == "file_exists"
    assert sorted(os.listdir(place)) == before


def test_a_folder_that_only_looks_like_ours_stays(workspace, taken, tmp_path):
    mine = tmp_path / partial("out")
    mine.mkdir()
    (mine / "thesis").write_text("mine")
    workspace.snapshots.download(taken, str(tmp_path / "out"))
    assert (mine / "thesis").read_text() == "mine"


def test_whole_or_not_at_all(workspace, taken, tmp_path):
    damage_one_object(WorkspacePaths(workspace.path))
    (tmp_path / "state").mkdir(exist_ok=True)  # (any call may move the queue on)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(EspalierError) as caught:
        workspace.snapshots.download(taken, str(tmp_path / "out"))
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
        workspace.snapshots.download(taken, str(tmp_path / "file" / "out"))
    assert caught.value.code == "bad_argument" and str(tmp_path / "file" / "out") in caught.value.message


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "0" * 64, "../../etc", "sha256:" + "0" * 65,
                                  "sha256:" + "/" * 64, "sha256:" + "0" * 63 + "\n"])
def test_ids_that_are_none(workspace, tmp_path, text):
    uses = [
        lambda: workspace.snapshots.download(text, str(tmp_path / "out")),
        lambda: workspace.snapshots.delete(text),
        lambda: Snapshots.compare({"workspace": workspace, "snapshot": text}, str(tmp_path)),
    ]
    for use in uses:
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "bad_argument" and "64 hex digits" in caught.value.message


def test_ids_of_other_workspaces(home, taken, tmp_path):
    other = Workspace.create("other", str(home))
    uses = [
        lambda: other.snapshots.download(taken, str(tmp_path / "out")),
        lambda: Snapshots.compare({"workspace": other.path, "snapshot": taken}, str(tmp_path)),
    ]
    for use in uses:
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "snapshot_missing" and taken in caught.value.message
    with pytest.raises(EspalierError) as caught:
        other.snapshots.download("exp_1_00000000", str(tmp_path / "out"))
    assert caught.value.code == "run_missing"
    assert other.snapshots.delete(taken) is False


@pytest.mark.parametrize("what", [None, 3, {"workspace": "x"}, {"snapshot": "y"}, ["a"]])
def test_what_cannot_be_compared(what, tmp_path):
    with pytest.raises(EspalierError) as caught:
        Snapshots.compare(what, str(tmp_path))
    assert caught.value.code == "bad_argument"


def test_names_are_shown_without_control_characters(workspace, taken, project):
    (project / "a\x1b[31m\nb").write_text("1\n")
    (row,) = Snapshots.compare({"workspace": workspace, "snapshot": taken}, project).rows()
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
        ("take_snapshot", lambda: workspace.snapshots.take(str(project))),
        ("keep", lambda: workspace.snapshots.take(str(project))),
        ("materialise", lambda: workspace.snapshots.download(taken, str(tmp_path / "out"))),
        ("compare", lambda: Snapshots.compare({"workspace": workspace, "snapshot": taken}, project)),
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


COLLECT = """
import sys, time
from espalier import Workspace
workspace = Workspace(sys.argv[1])
freed, until = 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < until or (freed <= 5 and time.monotonic() < until + 30):  # (a busy machine makes less of it)
    freed += len(workspace.snapshots.collect_garbage(dry_run=False))
print(freed)
"""


def collector(workspace, seconds):
    return subprocess.Popen([sys.executable, "-c", COLLECT, workspace.path, str(seconds)], stdout=subprocess.PIPE)


def freed_by(process):
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return int(out)


def test_snapshots_come_and_go_beside_collection(workspace, tmp_path):
    """What is kept is whole at every moment, though others just gave up the same contents."""
    collecting = collector(workspace, 6)
    failures = []

    def come_and_go(which):
        rng, folder = random.Random(which), tmp_path / f"source-{which}"
        folder.mkdir()
        try:
            for turn in range(10_000):
                if collecting.poll() is not None:
                    return
                for number in range(70):
                    (folder / str(number)).write_text(f"{number} {rng.randrange(3)}")
                taken = workspace.snapshots.take(str(folder))
                out = workspace.snapshots.download(taken, str(tmp_path / f"out-{which}-{turn}"))
                assert sorted(os.listdir(out)) == sorted(os.listdir(folder))
                assert len(Snapshots.compare({"workspace": workspace, "snapshot": taken}, out)) == 0
                workspace.snapshots.delete(taken)
        except BaseException as error:
            failures.append(error)

    # (threads of one process lock against each other as processes do)
    threads = [threading.Thread(target=come_and_go, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # the same contents may be given up by one and taken by the other: then its record is gone, and nothing else
    assert [error for error in failures if getattr(error, "code", "") != "snapshot_missing"] == []
    assert freed_by(collecting) > 5


def test_submits_beside_collection(workspace, experiment, project, ended):
    """No run ever finds an object missing."""
    collecting = collector(workspace, 5)
    rng, turns = random.Random(1), 0
    while collecting.poll() is None:
        for number in range(70):
            (project / str(number)).write_text(f"{number} {rng.randrange(3)}")
        run = experiment.submit(ScriptRunConfig(source_directory=str(project), command=["ls"]))
        details = ended(run)
        assert (details["status"], details["error"]) == ("Completed", None)
        shutil.rmtree(run.run_dir)  # and its snapshot is garbage
        turns += 1
    assert turns > 5 and freed_by(collecting) > 5


def test_garbage_is_listed_before_it_is_deleted(workspace, taken, project, tmp_path):
    assert len(workspace.snapshots.collect_garbage()) == 0
    workspace.snapshots.delete(taken)
    listed = workspace.snapshots.collect_garbage()
    assert set(listed.columns["deleted"]) == {False} and set(listed.columns["what"]) == {"object"}
    assert sum(listed.columns["size"]) > 4
    assert workspace.snapshots.collect_garbage().rows() == listed.rows()  # nothing was changed
    deleted = workspace.snapshots.collect_garbage(dry_run=False)
    assert deleted.columns["path"] == listed.columns["path"]
    assert set(deleted.columns["deleted"]) == {True}
    assert not any(os.path.exists(os.path.join(workspace.path, path)) for path in listed.columns["path"])
    assert len(workspace.snapshots.collect_garbage()) == 0
    with pytest.raises(EspalierError) as caught:
        workspace.snapshots.download(taken, str(tmp_path / "out"))
    assert caught.value.code == "snapshot_missing"
    assert workspace.snapshots.take(str(project)) == taken
    workspace.snapshots.download(taken, str(tmp_path / "out"))


def test_queued_and_running_runs_keep_their_snapshots(workspace, experiment, project, ended):
    (project / "a.sh").write_text("sleep 1; cat a.sh\n")
    Host.resources(cpus=1)
    runs = []
    for number in range(2):
        (project / "b").write_text(str(number))
        runs.append(experiment.submit(ScriptRunConfig(source_directory=str(project), entry_script="a.sh")))
    assert len(workspace.snapshots.collect_garbage(dry_run=False)) == 0
    assert [ended(run)["status"] for run in runs] == ["Completed"] * 2
    assert len(workspace.snapshots.collect_garbage(dry_run=False)) == 0
