import json
from pathlib import Path

import pytest
from espalier import EspalierError


def ids(frame):
    return frame.columns["run_id"]


def test_archived_runs_leave_the_default_lists_and_stay_readable(workspace, experiment, submit, ended):
    run, other = submit("true", display_name="one"), submit("true")
    ended(run), ended(other)
    run.set_tags({"a": "b"})
    assert workspace.housekeeping.archive_runs([run.id]) == [run.id]
    assert workspace.housekeeping.archive_runs([run.id]) == []
    assert ids(workspace.runs.list()) == ids(experiment.list_runs()) == [other.id]
    assert [found.id for found in experiment.get_runs()] == [other.id]
    assert workspace.runs.get("latest").id == other.id
    everything = workspace.runs.list(include_archived=True, filter="status = 'Completed'")
    assert sorted(ids(everything)) == sorted([run.id, other.id]) and everything.kinds["archived_at"] == "time"
    assert [at is not None for at in everything.columns["archived_at"]] == [each == run.id for each in ids(everything)]
    assert len(experiment.get_runs(include_archived=True)) == 2
    recent = workspace.runs.list(include_archived=True, filter="archived_at > '1 hour'", order_by=["archived_at"])
    assert ids(recent) == [run.id]
    assert ids(workspace.runs.list(include_archived=True, filter="archived_at IS NULL")) == [other.id]
    found = workspace.runs.get(run.id)
    assert found.get_status() == "Completed" and found.get_tags() == {"a": "b"}
    assert workspace.housekeeping.restore_runs([run.id, other.id]) == [run.id]
    assert sorted(ids(workspace.runs.list())) == sorted([run.id, other.id])
    meta = json.loads(Path(run.run_dir, "meta.json").read_text())
    assert "archived_at" not in meta and meta["display_name"] == "one"


def test_runs_below_are_archived_with_it(workspace, experiment):
    parent = experiment.start_logging()
    child = parent.child_run()
    with pytest.raises(EspalierError) as caught:
        workspace.housekeeping.archive_runs([parent.id])
    assert caught.value.code == "run_in_use" and ids(workspace.runs.list()) == [parent.id]
    child.complete(), parent.complete()
    assert workspace.housekeeping.archive_runs([parent.id]) == [parent.id, child.id]
    assert ids(workspace.runs.list(include_children=True)) == []
    assert [run.id for run in parent.get_children()] == [child.id]


def test_what_another_put_in_the_record_hides_no_run(workspace, submit, ended):
    """A wrong type is damage, which is listed."""
    run = submit("true")
    ended(run)
    meta = Path(run.run_dir, "meta.json")
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "archived_at": 5}))
    workspace.verify()
    assert workspace.runs.list().columns["status"] == ["Damaged"]
