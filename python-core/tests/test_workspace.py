import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Experiment, ScriptRunConfig, Workspace

Ended = Callable[..., Dict[str, Any]]


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(EspalierError) as caught:
        call()
    return caught.value.code


def test_create_get_open(home: Path) -> None:
    created = Workspace.create("demo", str(home))
    assert (created.name, created.path) == ("demo", str(home / "demo"))
    assert Workspace.get("demo", str(home)) == Workspace.open("demo", str(home)) == created
    assert code_of(lambda: Workspace.create("demo", str(home))) == "workspace_exists"
    assert code_of(lambda: Workspace.get("other", str(home))) == "workspace_missing"
    assert Workspace.create("demo", str(home), exist_ok=True).get_details()["id"] == created.get_details()["id"]


def test_open_creates(home: Path) -> None:
    assert Workspace.open("new", str(home / "deep" / "er")).get_details()["runs"] == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\n", "'", "é", "😀", " a", "x" * 129])
def test_bad_names(home: Path, name: Any) -> None:
    for make in (Workspace.create, Workspace.get, Workspace.open):
        assert code_of(lambda make=make: make(name, str(home))) == "bad_name"
    assert os.listdir(home) == []


@pytest.mark.parametrize("content,code", [("{", "damaged"), ("", "damaged"), ('{"format": 1}', "damaged"), ('{"format": 2}', "newer_format")])
def test_records_that_cannot_be_used(workspace: Workspace, content: str, code: str) -> None:
    Path(workspace.path, "workspace.json").write_text(content)
    folder = os.path.dirname(workspace.path)
    assert code_of(lambda: Workspace.get("ws", folder)) == code
    assert code_of(workspace.runs.list) == code
    assert code_of(lambda: Workspace.open("ws", folder).get_details()) == code
    assert Path(workspace.path, "workspace.json").read_text() == content, "nothing is repaired by looking"


def test_no_place(home: Path) -> None:
    (home / "file").write_text("")
    assert code_of(lambda: Workspace.create("ws", str(home / "file"))) == "workspace_read_only"
    (home / "ws").write_text("")
    assert code_of(lambda: Workspace.create("ws", str(home))) == "workspace_read_only"
    assert code_of(lambda: Workspace.get("ws", str(home))) == "workspace_missing"


def test_many_create_it_at_once_and_agree(home: Path) -> None:
    code = "import sys; from espalier import Workspace; print(Workspace.open('ws', sys.argv[1]).get_details()['id'])"
    argv = [sys.executable, "-c", code, str(home)]
    makers = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    ids = {maker.communicate()[0].strip() for maker in makers}
    assert ids == {Workspace.get("ws", str(home)).get_details()["id"]}
    assert os.listdir(home / "ws") == ["workspace.json"]


def test_list(home: Path) -> None:
    assert Workspace.list(str(home / "none")) == {}
    for name in ("b", "a"):
        Workspace.create(name, str(home))
    (home / "c").mkdir()
    assert list(Workspace.list(str(home))) == ["a", "b"]


def test_identity(workspace: Workspace, home: Path) -> None:
    os.symlink(workspace.path, home / "link")
    assert Workspace(str(home / "link")) == workspace == Workspace._from_identity(workspace._identity())
    assert hash(Workspace(str(home / "link"))) == hash(workspace) and workspace != Workspace(str(home / "x"))
    assert eval(repr(workspace)) == workspace


def test_the_working_directory_does_not_matter_later(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    workspace = Workspace.create("ws", ".")
    monkeypatch.chdir("/")
    assert workspace.get_details()["name"] == "ws"


def test_get_run(workspace: Workspace, experiment: Experiment, ended: Ended) -> None:
    for name in ("latest", "", "..", "../../etc", "exp_1_abcdef01", "x" * 4000, "exp_1_abcdef01/../x"):
        assert code_of(lambda name=name: workspace.runs.get(name)) == "run_missing"
    first = experiment.submit(ScriptRunConfig(command="true"))
    second = experiment.submit(ScriptRunConfig(command="true"))
    assert workspace.runs.get("latest") == second and workspace.runs.get(first.id) == first
    for run in (first, second):
        ended(run)


def test_experiments(workspace: Workspace, ended: Ended) -> None:
    assert len(workspace.experiments.list()) == 0
    for name in ("b", "a", "b"):
        ended(Experiment(workspace, name).submit(ScriptRunConfig(command="true")))
    frame = workspace.experiments.list()
    assert frame.columns["experiment"] == ["a", "b"] and frame.columns["runs"] == [1, 2]
    assert workspace.get_details()["experiments"] == 2 and workspace.get_details()["runs"] == 3


def test_experiments_with_damaged_runs(workspace: Workspace, experiment: Experiment, ended: Ended) -> None:
    runs = [experiment.submit(ScriptRunConfig(command="true")) for _ in range(2)]
    for run in runs:
        ended(run)
    Path(runs[0].run_dir, "spec.json").write_text("{")
    frame = workspace.experiments.list()
    assert frame.columns["experiment"] == ["exp"] and frame.columns["runs"] == [2]
    Path(runs[1].run_dir, "spec.json").write_text("{")
    assert workspace.experiments.list().columns["last_run_at"] == [None]


def test_delete(workspace: Workspace, experiment: Experiment, ended: Ended, reach: Any) -> None:
    run = experiment.submit(ScriptRunConfig(command="sleep 30"))
    assert code_of(workspace.delete) == "run_not_active"
    run.cancel()
    ended(run)
    folder = os.path.dirname(workspace.path)
    workspace.delete()
    assert not [name for name in os.listdir(folder) if name.startswith("ws")]
    assert code_of(workspace.runs.list) == code_of(workspace.delete) == "workspace_missing"


def test_a_copied_workspace_can_be_read(workspace: Workspace, experiment: Experiment, ended: Ended, home: Path) -> None:
    run = experiment.submit(ScriptRunConfig(command="echo x > outputs/f"), tags={"a": "b"})
    ended(run)
    os.rename(workspace.path, home / "elsewhere")
    moved = Workspace.get("elsewhere", str(home))
    assert moved.runs.list().columns["tag_a"] == ["b"]
    assert moved.runs.get(run.id).get_file_names() == ["outputs/f", "user_logs/std_log.txt"]


def test_a_projects_folder_of_workspaces_stays_out_of_git_however_it_is_made(home: Path) -> None:
    (home / ".here").touch()
    ignore = home / ".espalier" / ".gitignore"
    Workspace.create("one", str(home / ".espalier"))
    assert ignore.read_text() == "*\n"
    ignore.unlink()
    Workspace.open("one", str(home / ".espalier"))
    assert ignore.read_text() == "*\n", "a later open repairs it"
    ignore.write_text("mine\n")
    Workspace.open("one", str(home / ".espalier"))
    assert ignore.read_text() == "mine\n"
    Workspace.create("other", str(home / "folder"))
    assert not (home / "folder" / ".gitignore").exists(), "a folder of the user's isn't ours"
