"""Runs that leave a workspace in a zip file, and come to another one."""

import fcntl
import json
import os
import shutil
import stat
import threading
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from espalier import EspalierError, ScriptRunConfig, Workspace
from espalier.base.paths import WorkspacePaths, is_temporary
from espalier.base.progress import Listener, listening
from espalier.housekeeping import deletion, exporting, importing
from espalier.store.trees import read_tree


@pytest.fixture
def other(home):
    return Workspace.create("other", str(home))


@pytest.fixture
def run(experiment, project, ended):
    """A run with a snapshot of more than one kind of object, files of all kinds, metrics and a child."""
    for number in range(20):
        (project / f"{number}.R").write_text(f"{number}\n")
    (project / "large.bin").write_bytes(os.urandom(100_000))
    (project / "go.sh").write_text(
        "mkdir -p outputs/a; echo 1 > outputs/a/one; echo 2 > 'outputs/ü n'; : > outputs/empty; chmod +x outputs/a/one;"
        "ln -s one outputs/a/link; mkfifo outputs/pipe; echo back > 'outputs/a\\b'; echo new > new; echo said\n"
    )
    run = experiment.submit(
        ScriptRunConfig(source_directory=str(project), command="sh go.sh", environment_variables={"SECRET_TOKEN": "geheim99"})
    )
    ended(run)
    run.set_tags({"stage": "test"})
    return run


def files(run):
    top = Path(run.run_dir)
    return {str(path.relative_to(top)): path for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink()}


def code_of(call, *arguments, **named):
    with pytest.raises(EspalierError) as caught:
        call(*arguments, **named)
    return caught.value


def test_a_run_comes_to_another_workspace_whole(workspace, other, run, tmp_path):
    file = str(tmp_path / "runs.zip")
    (row,) = workspace.housekeeping.export_runs([run.id], file).rows()
    assert row["run_id"] == run.id and row["experiment"] == "exp" and row["left_out"] == 3
    (row,) = other.housekeeping.import_runs(file).rows()
    assert (row["run_id"], row["status"], row["imported"]) == (run.id, "Completed", True)
    found = other.runs.get(run.id)
    own, came = files(run), files(found)
    assert set(own) - set(came) == {"outputs/a\\b"} and set(came) <= set(own)
    assert {name for name, path in came.items() if path.read_bytes() != own[name].read_bytes()} == {"status.json", "meta.json"}
    assert os.access(came["outputs/a/one"], os.X_OK) and not os.access(came["outputs/ü n"], os.X_OK)
    assert found.get_tags() == {"stage": "test"} and found.get_status() == "Completed"
    assert found.get_log() == ["said"] and found.get_file_names() == [
        name for name in run.get_file_names() if "link" not in name and "pipe" not in name and "\\" not in name
    ]
    meta = json.loads(came["meta.json"].read_text())
    assert meta["imported"]["workspace_id"] == workspace.id and meta["imported"]["at"].endswith("Z")
    status = json.loads(came["status.json"].read_text())
    assert not {"scratch", "pid", "boot_id", "pid_start", "origin"} & set(status)
    assert other.runs.list().columns["run_id"] == [run.id] and other.experiments.list().columns["runs"] == [1]
    assert len(other.verify()) == 0
    other.snapshots.download(run.id, str(tmp_path / "out"))
    assert (tmp_path / "out" / "large.bin").stat().st_size == 100_000 and (tmp_path / "out" / "7.R").read_text() == "7\n"
    assert len(other.snapshots.collect_garbage()) == 0
    assert os.path.exists(WorkspacePaths(other.path).experiment("exp"))


def test_no_secret_and_no_variable_is_in_it(workspace, run, tmp_path):
    file = tmp_path / "runs.zip"
    Path(run.run_dir, "env.json").write_text('{"format": 1, "SECRET_TOKEN": "geheim99"}')  # as if its removal had failed
    Path(run.run_dir, "requests").mkdir(exist_ok=True)
    Path(run.run_dir, "requests", "r-1-00000000-0.json").write_text("geheim99")
    Path(run.run_dir, "work").mkdir()
    Path(run.run_dir, "work", "file").write_text("geheim99")
    workspace.housekeeping.export_runs([run.id], str(file))
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        assert not [name for name in names if b"geheim99" in archive.read(name) and "/snapshots/" not in name]
    assert not [name for name in names if "env.json" in name or "requests" in name or "work" in name.split("/") or "keyvault" in name]


def test_equal_runs_are_skipped_and_others_refused(workspace, other, run, tmp_path):
    file = str(tmp_path / "runs.zip")
    workspace.housekeeping.export_runs([run.id], file)
    assert code_of(lambda: workspace.housekeeping.export_runs([run.id], file)).code == "file_exists"
    other.housekeeping.import_runs(file)
    other.runs.get(run.id).set_tags({"more": "of them"})
    for workspace_ in (workspace, other):
        (row,) = workspace_.housekeeping.import_runs(file).rows()
        assert row["imported"] is False
    assert other.runs.get(run.id).get_tags() == {"stage": "test", "more": "of them"}
    changed = Path(other.runs.get(run.id).run_dir, "outputs", "empty")
    changed.write_text("more")
    error = code_of(lambda: other.housekeeping.import_runs(file))
    assert error.code == "run_exists" and run.id in error.message
    changed.unlink()
    assert code_of(lambda: other.housekeeping.import_runs(file)).code == "run_exists"


def test_where_one_run_is_refused_none_comes(workspace, other, run, submit, ended, tmp_path):
    second = submit("true")
    ended(second)
    file = str(tmp_path / "runs.zip")
    workspace.housekeeping.export_runs([run.id, second.id], file)
    other.housekeeping.import_runs(file)
    Path(other.runs.get(second.id).run_dir, "user_logs", "std_log.txt").write_text("changed")
    other.housekeeping.delete_runs([run.id])
    assert code_of(lambda: other.housekeeping.import_runs(file)).code == "run_exists"
    assert other.runs.list().columns["run_id"] == [second.id]


def test_runs_below_come_with_it(workspace, other, experiment, tmp_path):
    parent = experiment.start_logging()
    child = parent.child_run()
    file = str(tmp_path / "runs.zip")
    error = code_of(lambda: workspace.housekeeping.export_runs([parent.id], file))
    assert error.code == "run_in_use" and not os.path.exists(file)
    child.log("AUC", 0.5)
    child.complete(), parent.complete()
    assert len(workspace.housekeeping.export_runs([parent.id], file)) == 2
    other.housekeeping.import_runs(file)
    (found,) = other.runs.get(parent.id).get_children()
    assert found.id == child.id and found.get_metrics() == {"AUC": 0.5}
    (row,) = [row for row in other.runs.list(include_children=True).rows() if row["run_id"] == child.id]
    assert row["parent"] == parent.id and row["metric_AUC"] == 0.5


def test_a_run_whose_parent_stays_behind_is_named(workspace, other, experiment, tmp_path):
    parent = experiment.start_logging()
    child = parent.child_run()
    child.complete(), parent.complete()
    workspace.housekeeping.export_runs([child.id], str(tmp_path / "runs.zip"))
    with pytest.warns(UserWarning, match=f"1 run whose parent isn't in this workspace.*{child.id}"):
        other.housekeeping.import_runs(str(tmp_path / "runs.zip"))
    assert other.runs.list(include_children=True).columns["run_id"] == [child.id]


def test_an_imported_run_can_be_exported_again(workspace, other, run, tmp_path, home):
    first, second = str(tmp_path / "1.zip"), str(tmp_path / "2.zip")
    workspace.housekeeping.export_runs([run.id], first)
    other.housekeeping.import_runs(first)
    other.housekeeping.export_runs([run.id], second)
    third = Workspace.create("third", str(home))
    third.housekeeping.import_runs(second)
    (row,) = third.housekeeping.import_runs(first).rows()
    assert row["imported"] is False


def test_a_deleted_run_comes_back(workspace, run, tmp_path):
    file = str(tmp_path / "runs.zip")
    workspace.housekeeping.export_runs([run.id], file)
    workspace.housekeeping.delete_runs([run.id])
    workspace.snapshots.collect_garbage(dry_run=False)
    workspace.housekeeping.import_runs(file)
    assert workspace.runs.get(run.id).get_log() == ["said"]
    assert len(workspace.verify()) == 0


def test_a_snapshot_in_the_first_format_travels_too(workspace, other, experiment, project, ended, tmp_path):
    from espalier.base.canonical import canonical_json, digest_bytes

    (project / "a.sh").write_text("true\n")
    run = experiment.submit(ScriptRunConfig(source_directory=str(project), command="true"))
    ended(run)
    paths = WorkspacePaths(workspace.path)
    spec = json.loads(Path(run.run_dir, "spec.json").read_text())
    data = canonical_json({"format": 1, "entries": read_tree(paths, spec["snapshot"]["id"])["entries"]})
    digest = digest_bytes(data)
    os.makedirs(os.path.dirname(paths.tree(digest[7:])))
    Path(paths.tree(digest[7:])).write_bytes(data)
    spec["snapshot"]["id"] = digest
    Path(run.run_dir, "spec.json").write_text(json.dumps(spec))
    file = str(tmp_path / "runs.zip")
    workspace.housekeeping.export_runs([run.id], file)
    other.housekeeping.import_runs(file)
    other.snapshots.download(run.id, str(tmp_path / "out"))
    assert (tmp_path / "out" / "a.sh").read_text() == "true\n"


def test_a_damaged_snapshot_is_not_exported(workspace, run, tmp_path):
    (large,) = [path for path in Path(workspace.path, "snapshots", "blobs").rglob("*") if path.is_file()]
    large.chmod(0o644)
    large.write_bytes(b"changed")
    file = tmp_path / "runs.zip"
    assert code_of(lambda: workspace.housekeeping.export_runs([run.id], str(file))).code == "snapshot_damaged"
    large.unlink()
    assert code_of(lambda: workspace.housekeeping.export_runs([run.id], str(file))).code == "snapshot_damaged"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".zip") or is_temporary(path.name)]


def test_names_that_differ_in_case_alone_are_left_out(workspace, other, submit, ended, tmp_path):
    run = submit("echo 1 > outputs/A; echo 2 > outputs/a; mkdir outputs/B; echo 3 > outputs/B/c; echo 4 > outputs/b")
    ended(run)
    file = str(tmp_path / "runs.zip")
    (row,) = workspace.housekeeping.export_runs([run.id], file).rows()
    assert row["left_out"] == 2
    other.housekeeping.import_runs(file)
    assert other.runs.get(run.id).get_file_names()[:2] == ["outputs/A", "outputs/B/c"]
    assert workspace.housekeeping.import_runs(file).columns["imported"] == [False]


def test_where_no_archive_may_be_written(workspace, run, tmp_path):
    (tmp_path / "folder").mkdir()
    os.symlink("file", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "link", "pipe"):
        error = code_of(workspace.housekeeping.export_runs, [run.id], str(tmp_path / name), overwrite=True)
        assert error.code == "file_exists" and f"a {name}" in error.message.replace("named ", "")
    inside = os.path.join(run.run_dir, "outputs", "runs.zip")
    assert code_of(lambda: workspace.housekeeping.export_runs([run.id], inside)).code == "bad_argument"
    os.symlink(os.path.dirname(inside), tmp_path / "outputs")
    inside = str(tmp_path / "outputs" / "runs.zip")
    assert code_of(lambda: workspace.housekeeping.export_runs([run.id], inside)).code == "bad_argument"
    for name in ("a\0b", "\ud800"):
        assert code_of(workspace.housekeeping.export_runs, [run.id], name).code == "bad_argument"
        assert code_of(workspace.housekeeping.import_runs, name).code == "bad_argument"
    missing = str(tmp_path / "none" / "runs.zip")
    assert code_of(lambda: workspace.housekeeping.export_runs([run.id], missing)).code == "path_missing"


def test_what_killed_exports_left_goes(workspace, run, tmp_path):
    names = [".tmp-1-0123456789ab.zip", ".tmp-2-0123456789ab.zip", ".tmp-3-0123456789ab.zip", ".tmp-4-mine.zip"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / names[1])
    with open(tmp_path / names[2], "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        workspace.housekeeping.export_runs([run.id], str(tmp_path / "runs.zip"))
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == [*names[1:], "runs.zip"]


def test_a_run_that_is_deleted_meanwhile(workspace, submit, ended, tmp_path, monkeypatch):
    run = submit("true")
    ended(run)
    error = OSError(2, os.strerror(2))

    def delete(*_):
        shutil.rmtree(run.run_dir, ignore_errors=True)
        raise error

    for module, name in ((exporting, "files_of"), (deletion, "read_meta"), (exporting, "pieces_of")):
        saved = shutil.copytree(run.run_dir, tmp_path / name)
        with monkeypatch.context() as patched:
            patched.setattr(module, name, delete)
            verbs = (workspace.housekeeping.export_runs, workspace.housekeeping.archive_runs)
            arguments = [[run.id], *([str(tmp_path / "a.zip")] if module is exporting else [])]
            assert code_of(verbs[module is deletion], *arguments).code == "run_missing"
        shutil.copytree(saved, run.run_dir)
    assert not list(tmp_path.glob("*.zip"))


def test_a_run_that_would_be_damage_elsewhere_is_not_exported(workspace, run, tmp_path):
    status = Path(run.run_dir, "status.json")
    status.write_text(json.dumps({**json.loads(status.read_text()), "ended_at": [1]}))
    assert code_of(lambda: workspace.housekeeping.export_runs([run.id], str(tmp_path / "a.zip"))).code == "damaged"


def test_an_interrupted_export_leaves_no_file(workspace, run, tmp_path):
    listener = Listener()
    listener.cancelled = True
    with pytest.raises(KeyboardInterrupt), listening(listener):
        workspace.housekeeping.export_runs([run.id], str(tmp_path / "runs.zip"))
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".zip") or is_temporary(path.name)]


def test_an_import_that_fails_leaves_no_run(workspace, other, run, tmp_path, monkeypatch):
    file = str(tmp_path / "runs.zip")
    workspace.housekeeping.export_runs([run.id], file)

    def fail(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(importing, "sync_together", fail)
    assert code_of(lambda: other.housekeeping.import_runs(file)).code == "workspace_read_only"
    assert len(other.runs.list()) == 0 and not list(Path(other.path, "runs").glob("*/*"))


def test_two_imports_at_once(workspace, other, run, tmp_path):
    file = str(tmp_path / "runs.zip")
    workspace.housekeeping.export_runs([run.id], file)
    errors = []

    def come():
        try:
            other.housekeeping.import_runs(file)
        except EspalierError as error:
            errors.append(error.code)

    threads = [threading.Thread(target=come) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert other.runs.list().columns["run_id"] == [run.id] and len(other.verify()) == 0
    assert [path.name for path in Path(other.path, "runs").glob("*/*")] == [run.id]
    assert errors == []


def test_memory_does_not_grow_with_the_size_of_files(workspace, other, submit, ended, tmp_path):
    run = submit("head -c 60000000 /dev/urandom > outputs/large")
    ended(run)
    file = str(tmp_path / "runs.zip")
    tracemalloc.start()
    workspace.housekeeping.export_runs([run.id], file)
    other.housekeeping.import_runs(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
    assert Path(other.runs.get(run.id).run_dir, "outputs", "large").stat().st_size == 60_000_000


def test_an_archive_is_for_others_to_read_and_not_to_write(workspace, run, tmp_path):
    os.umask(0)
    file = tmp_path / "runs.zip"
    try:
        workspace.housekeeping.export_runs([run.id], str(file))
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
