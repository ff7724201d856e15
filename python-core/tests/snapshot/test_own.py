"""What of espalier's own never gets into a snapshot, wherever it lies and whatever the user's rules are."""

import json
import os

import pytest
from espalier import Experiment, ScriptRunConfig, Workspace
from espalier.snapshot.take import scan_source, take_snapshot

REBELLIOUS = "!*\n!**\n!results/\n!keyvault.json\n!*.key\n!.espalier/\n!.tmp-*\n"
KEY = "0b5fa8de-7c16-4c3a-b6d4-5a1b0a9c2f11.key"


@pytest.fixture(params=["", REBELLIOUS])
def source(tmp_path, monkeypatch, request):
    """A project, with a file of its own and an ignore file."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.py").write_text("")
    (folder / ".espalierignore").write_text(request.param)
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(folder / "my-state"))
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def frozen(folder, **how):
    return [entry.path for entry in scan_source(str(folder), **how).files]


def workspace_in(folder):
    workspace = Workspace.create("n", str(folder))
    workspace.get_default_keyvault().set_secret("token", "secret-1234")
    return workspace


@pytest.mark.parametrize("place", ["results", "deep/er", ".espalier", "results/.git-like"])
@pytest.mark.parametrize("defaults", [True, False])
def test_a_workspace_without_a_run(source, place, defaults):
    workspace_in(source / place)
    # (the file that keeps the project's folder of workspaces out of git is nothing of a workspace)
    files = [path for path in frozen(source, default_excludes=defaults) if path != ".espalier/.gitignore"]
    assert files == [".espalierignore", "a.py"]


def test_a_workspace_that_is_also_a_virtual_environment(source):
    workspace = workspace_in(source)
    (source / "n" / "pyvenv.cfg").write_text("")
    assert workspace.id and frozen(source) == [".espalierignore", "a.py"]


def test_a_workspace_whose_record_is_gone_or_damaged(source):
    workspace_in(source)
    for damage in ("", "{", '{"format": 1}'):
        (source / "n" / "workspace.json").write_text(damage)
        assert frozen(source) == [".espalierignore", "a.py"]
    (source / "n" / "workspace.json").unlink()
    assert frozen(source) == [".espalierignore", "a.py"]


def test_the_workspace_is_the_source(source, tmp_path):
    workspace = workspace_in(tmp_path / "other")
    path = tmp_path / "other" / "n"
    (path / "a.py").write_text("")
    (path / ".gitignore").write_text(REBELLIOUS)
    assert workspace.id
    for defaults in (True, False):
        assert frozen(path, default_excludes=defaults) == [".gitignore", "a.py"]


def test_a_workspace_made_after_a_snapshot_of_the_same_folder(source):
    store = Workspace.create("store", str(source.parent))._paths
    (source / "n").mkdir()
    first = take_snapshot(store, str(source))
    workspace_in(source)
    second = take_snapshot(store, str(source))
    (source / "n" / "keyvault.json").rename(source / "n" / "other.json")
    assert (first.id, first.files) == (second.id, second.files) == (take_snapshot(store, str(source)).id, 2)


def test_keys_and_folders_of_state(source, tmp_path):
    workspace_in(tmp_path / "elsewhere")
    (source / "my-state" / "queue" / "host" / "tickets").mkdir(parents=True)
    (source / "my-state" / "queue" / "host" / "leases").mkdir()
    assert frozen(source) == [".espalierignore", "a.py"]
    assert frozen(source / "my-state", default_excludes=False) == []
    # (a key alone, under a folder of any name, or on its way to its place)
    (source / "kept").mkdir()
    (source / "kept" / KEY).write_text("k")
    (source / "kept" / ".tmp-12-0123456789ab").write_text("k")
    assert frozen(source, default_excludes=False) == [".espalierignore", "a.py"]


def test_what_only_looks_alike_belongs_to_the_user(source):
    for name in ("workspace.json", "keyvault.json", "talk.keys", ".tmp-mine"):
        (source / name).write_text(json.dumps({"projects": {}}))
    (source / "queue" / "worker").mkdir(parents=True)
    (source / "queue" / "worker" / "a.py").write_text("")
    names = [".espalierignore", ".tmp-mine", "a.py", "keyvault.json", "queue/worker/a.py", "talk.keys", "workspace.json"]
    assert frozen(source) == names


def test_links_that_lead_to_them(source, tmp_path):
    workspace_in(tmp_path / "elsewhere")
    away = tmp_path / "elsewhere" / "n"
    keys = source / "my-state" / "keys"
    for name, target in [("a", away), ("b", away / "keyvault.json"), ("c", away / "runs")]:
        os.symlink(target, source / name)
    keys.rename(tmp_path / "keys")
    os.symlink(next((tmp_path / "keys").iterdir()), source / "d")
    os.symlink(tmp_path / "keys", source / "e")
    (away / "runs").mkdir(exist_ok=True)
    assert frozen(source, outside_links="copy") == [".espalierignore", "a.py"]


def test_a_job_never_finds_its_workspace(source, ended):
    workspace = workspace_in(source / "results")
    command = "find . -name 'keyvault*' -o -name '*.key' -o -name workspace.json"
    run = Experiment(workspace, "e").submit(ScriptRunConfig(str(source), command=command))
    assert ended(run)["status"] == "Completed"
    with open(os.path.join(run.run_dir, "user_logs", "std_log.txt"), encoding="utf-8") as log:
        assert log.read() == ""
