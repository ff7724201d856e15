import os
from pathlib import Path

import pytest
from espalier import EspalierError, ScriptRunConfig, Workspace
from espalier.base.paths import WorkspacePaths, is_temporary
from espalier.housekeeping import deletion


def listed(workspace, **arguments):
    return workspace.runs.list(include_children=True, **arguments).columns["run_id"]


def shard_entries(workspace):
    return sorted(path.name for path in Path(workspace.path, "runs").glob("*/*"))


def code_of(call):
    with pytest.raises(EspalierError) as caught:
        call()
    return caught.value


def test_a_run_is_listed_and_then_deleted(workspace, submit, ended):
    run, other = submit("echo 1 > outputs/a"), submit("true")
    ended(run), ended(other)
    (row,) = workspace.housekeeping.delete_runs([run.id], dry_run=True).rows()
    assert (row["run_id"], row["experiment"], row["status"], row["why"]) == (run.id, "exp", "Completed", "asked for")
    assert row["size"] > 500 and row["needed_by"] is None and row["deleted"] is False
    assert sorted(listed(workspace)) == sorted([run.id, other.id])
    (row,) = workspace.housekeeping.delete_runs([run.id]).rows()
    assert row["deleted"] is True
    assert listed(workspace) == [other.id] and shard_entries(workspace) == [other.id]
    assert code_of(lambda: workspace.runs.get(run.id)).code == "run_missing"
    assert code_of(lambda: workspace.housekeeping.delete_runs([run.id], dry_run=True)).code == "run_missing"
    assert code_of(lambda: workspace.housekeeping.delete_runs(["../x"])).code == "run_missing"


def test_children_go_with_their_parent_and_are_listed(workspace, experiment):
    parent = experiment.start_logging()
    child = parent.child_run()
    grandchild = child.child_run()
    other = experiment.start_logging()
    for run in (grandchild, child, parent, other):
        run.complete()
    rows = workspace.housekeeping.delete_runs([child.id, parent.id], dry_run=True).rows()
    assert [row["run_id"] for row in rows] == [parent.id, child.id, grandchild.id]
    assert [row["why"] for row in rows] == ["asked for", "asked for", f"below {child.id}"]
    workspace.housekeeping.delete_runs([parent.id])
    assert listed(workspace) == [other.id] and shard_entries(workspace) == [other.id]


def test_a_run_that_has_not_ended_is_refused_and_nothing_is_deleted(workspace, experiment, submit, ended):
    done, parent = submit("true"), experiment.start_logging()
    ended(done)
    child = parent.child_run()
    error = code_of(lambda: workspace.housekeeping.delete_runs([done.id, parent.id]))
    assert error.code == "run_in_use" and "cancel_run()" in error.hint
    assert f"{parent.id} (Running)" in error.message and error.fields["run_ids"] == [parent.id, child.id]
    assert len(listed(workspace)) == 3
    child.complete(), parent.complete()


def test_a_run_that_a_queued_one_needs_is_refused(workspace, experiment, submit, ended, reach):
    first = submit("echo 1 > outputs/a")
    ended(first)
    config = ScriptRunConfig(command="sleep 60", inputs={"a": {"run": first.id, "output": "outputs/a"}})
    reader = experiment.submit(config)
    reach(reader, "Running")
    error = code_of(lambda: workspace.housekeeping.delete_runs([first.id]))
    assert error.code == "run_in_use" and reader.id in error.message
    reader.cancel()
    ended(reader)
    (row,) = workspace.housekeeping.delete_runs([first.id]).rows()
    assert row["needed_by"] == reader.id and listed(workspace) == [reader.id]


def test_a_run_that_becomes_needed_meanwhile_stays(workspace, experiment, submit, ended, monkeypatch):
    first = submit("echo 1 > outputs/a")
    ended(first)
    readers = []

    def measured(root):
        config = ScriptRunConfig(command="sleep 60", inputs={"a": {"run": first.id, "output": "outputs/a"}})
        readers.append(experiment.submit(config))
        return 0

    monkeypatch.setattr(deletion, "size_below", measured)
    error = code_of(lambda: workspace.housekeeping.delete_runs([first.id]))
    assert error.code == "run_in_use" and readers[0].id in error.message and os.path.isdir(first.run_dir)
    readers[0].cancel()
    ended(readers[0])


def test_a_damaged_run_can_be_deleted_and_a_newer_one_not(workspace, submit, ended):
    run, newer = submit("true"), submit("true")
    ended(run), ended(newer)
    Path(run.run_dir, "status.json").write_text("{")
    Path(newer.run_dir, "spec.json").write_text('{"format": 99}')
    assert code_of(lambda: workspace.housekeeping.delete_runs([newer.id])).code == "newer_format"
    (row,) = workspace.housekeeping.delete_runs([run.id]).rows()
    assert row["status"] == "Damaged" and not os.path.exists(run.run_dir)


def test_what_a_killed_process_left_is_swept_by_a_submit(workspace, submit, ended, monkeypatch):
    run = submit("true")
    ended(run)
    monkeypatch.setattr(deletion, "remove_tree", lambda path: None)  # as if it was killed there
    with pytest.warns(UserWarning, match="1 deleted run weren't all removed.*[.]tmp-"):
        workspace.housekeeping.delete_runs([run.id])
    (left,) = shard_entries(workspace)
    assert is_temporary(left) and listed(workspace) == []
    (row,) = workspace.snapshots.collect_garbage(dry_run=False).rows()
    assert row["what"] == "leftover" and shard_entries(workspace) == []


def test_links_in_a_run_lead_nowhere(workspace, submit, ended, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("1")
    run = submit(f"ln -s {kept} outputs/link; ln -s {kept}/file outputs/file")
    ended(run)
    workspace.housekeeping.delete_runs([run.id])
    assert (kept / "file").read_text() == "1" and not os.path.exists(run.run_dir)


def test_an_experiment_goes_with_its_runs(workspace, submit, ended):
    run, archived = submit("true"), submit("true")
    ended(run), ended(archived)
    workspace.housekeeping.archive_runs([archived.id])
    other = workspace.experiments.get("other").start_logging()
    other.complete()
    assert len(workspace.housekeeping.delete_experiment("exp", dry_run=True)) == 2
    assert len(workspace.housekeeping.delete_experiment("exp")) == 2
    assert listed(workspace) == [other.id]
    assert workspace.experiments.list().columns["experiment"] == ["other"]
    assert not os.path.exists(WorkspacePaths(workspace.path).experiment("exp"))
    assert code_of(lambda: workspace.housekeeping.delete_experiment("exp", dry_run=True)).code == "bad_argument"
    assert code_of(lambda: workspace.housekeeping.delete_experiment("../x")).code == "bad_name"


def test_a_workspace_that_cannot_be_written(workspace, submit, ended, as_user):
    run = submit("true")
    ended(run)
    shard = os.path.dirname(run.run_dir)
    os.chmod(shard, 0o555)
    try:
        code = (
            "import sys; from espalier import EspalierError, Workspace\n"
            "try: Workspace(sys.argv[1]).housekeeping.delete_runs([sys.argv[2]])\n"
            "except EspalierError as error: print(error.code)"
        )
        assert as_user(code, workspace.path, run.id) == "workspace_read_only\n"
    finally:
        os.chmod(shard, 0o755)
    assert Workspace(workspace.path).runs.get(run.id).get_status() == "Completed"


def test_the_index_of_another_reader_sees_it(workspace, submit, ended, monkeypatch, tmp_path):
    run = submit("true")
    ended(run)
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(tmp_path / "other"))
    assert listed(workspace) == [run.id]
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(tmp_path / "cache"))
    workspace.housekeeping.delete_runs([run.id])
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(tmp_path / "other"))
    assert listed(workspace) == []
