import os

import pytest
from espalier import ScriptRunConfig
from espalier.api.snapshots import Snapshots
from espalier.base.errors import EspalierError


def test_a_snapshot_is_taken_kept_and_forgotten(workspace, project):
    (project / "train.R").write_text("1\n")
    (project / ".env").write_text("TOKEN=1\n")
    with pytest.warns(UserWarning, match="they may hold secrets: .env"):
        taken = workspace.snapshots.take(str(project))
    values = workspace.snapshots.take_values(str(project))
    assert (values["id"], values["files"], values["bytes"]) == (taken, 1, 2)
    (row,) = workspace.snapshots.list().rows()
    assert (row["id"], row["source_directory"], row["files"], row["bytes"]) == (taken, str(project), 1, 2)
    assert row["taken_at"] > 1.7e9
    assert workspace.snapshots.delete(taken) is True
    assert len(workspace.snapshots.list()) == 0


def test_default_excludes_can_be_switched_off(workspace, project):
    (project / "train.R").write_text("1\n")
    (project / ".env").write_text("TOKEN=1\n")
    (project / "outputs").mkdir()
    (project / "outputs" / "x").write_text("1")
    every = [".env", "outputs/x", "train.R"]
    assert Snapshots.preview(str(project)).columns["included"] == [False, False, True]
    preview = Snapshots.preview(str(project), default_excludes=False)
    assert (preview.columns["path"], preview.columns["included"]) == (every, [True] * 3)
    assert workspace.snapshots.take_values(str(project), default_excludes=False)["files"] == 3
    # and for everybody, by a line of the ignore file; what is written below it still holds
    (project / ".espalierignore").write_text("!*\n/.env\n")
    preview = Snapshots.preview(str(project))
    assert [row["path"] for row in preview.rows() if row["included"]] == [".espalierignore", "outputs/x", "train.R"]


def test_links_out_of_the_folder(workspace, experiment, project, tmp_path, ended):
    (tmp_path / "ext").mkdir()
    (tmp_path / "ext" / "x").write_text("x")
    os.symlink(tmp_path / "ext", project / "e")
    with pytest.raises(EspalierError) as caught:
        workspace.snapshots.take(str(project))
    assert caught.value.code == "source_unreadable" and 'outside_links = "copy"' in caught.value.hint
    copied = workspace.snapshots.take(str(project), outside_links="copy")
    kept = workspace.snapshots.take(str(project), outside_links="keep")
    differ = Snapshots.compare({"workspace": workspace, "snapshot": copied}, str(project), outside_links="copy")
    assert len(differ) == 0 and copied != kept
    job = ScriptRunConfig(str(project), command=["cat", "e/x"], outside_links="copy")
    assert ended(experiment.submit(job))["status"] == "Completed"
    session = experiment.start_logging(snapshot_directory=str(project), outside_links="copy")
    session.complete()
    assert len(Snapshots.compare(session, {"workspace": workspace, "snapshot": copied})) == 0


def test_a_workspace_that_is_gone(workspace, project):
    workspace.delete()
    uses = [
        lambda: workspace.snapshots.take(str(project)),
        workspace.snapshots.list,
        lambda: workspace.snapshots.delete("sha256:" + "0" * 64),
        lambda: workspace.snapshots.download("sha256:" + "0" * 64, str(project / "out")),
    ]
    for use in uses:
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "workspace_missing"
