"""Which workspace and which run are meant."""

import os
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import Workspace
from espalier.base.errors import EspalierError
from espalier.cli.place import run_id, run_ids, workspace_folder


@pytest.fixture
def at(forest: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ESPALIER_WORKSPACE", raising=False)
    monkeypatch.chdir(forest)
    return forest


def refused(*given: Any) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        workspace_folder(*given)
    assert caught.value.code == "workspace_missing"
    return caught.value


def test_the_only_one_of_the_project(at: Path, main: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = at / "code" / "deep"
    inside.mkdir(parents=True)
    for folder in (at, inside):
        monkeypatch.chdir(folder)
        assert workspace_folder(None, None) == main.path
    assert workspace_folder(None, None, str(inside)) == main.path


def test_by_name_and_by_folder(at: Path, main: Workspace, tmp_path: Path) -> None:
    other = Workspace.create("other", str(tmp_path / "elsewhere"))
    assert workspace_folder("main", None) == main.path
    assert workspace_folder(other.path, None) == other.path
    assert workspace_folder(os.path.relpath(other.path), None) == other.path
    assert workspace_folder("other", str(tmp_path / "elsewhere")) == other.path
    assert workspace_folder(None, str(tmp_path / "elsewhere")) == other.path


def test_a_path_may_be_a_project(at: Path, main: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert workspace_folder(None, str(at)) == main.path
    assert workspace_folder("main", str(at)) == main.path


def test_what_was_given_comes_first_then_the_variable_then_the_config(
    at: Path, main: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, configured = (Workspace.create(name, str(tmp_path / "elsewhere")) for name in ("named", "configured"))
    configured.write_config(str(at / ".espalier"))
    assert workspace_folder(None, None) == configured.path
    monkeypatch.setenv("ESPALIER_WORKSPACE", named.path)
    assert workspace_folder(None, None) == named.path
    assert workspace_folder("main", None) == main.path
    assert workspace_folder(None, str(at / ".espalier")) == main.path


def test_none_and_several(at: Path) -> None:
    assert "Can't find a workspace" in refused(None, None).message
    Workspace.create("one", str(at / ".espalier"))
    Workspace.create("two", str(at / ".espalier"))
    with pytest.raises(EspalierError, match=": one, two[.]") as caught:
        workspace_folder(None, None)
    hint = str(caught.value.hint)
    assert caught.value.code == "bad_argument" and "ESPALIER_WORKSPACE" in hint and "workspace write-config" in hint
    assert refused("onee", None).hint == 'Did you mean "one"? The workspaces there: one, two.'
    assert refused("another", None).hint == "The workspaces there: one, two."
    assert "Give the folder" in refused("no/where", None).hint


@pytest.mark.parametrize("name", ["../main", "", "a/../../b", "\x1b[2J", "x" * 5000])
def test_hostile_names_of_runs(main: Workspace, name: str) -> None:
    with pytest.raises(EspalierError) as caught:
        run_id(main.path, name)
    assert caught.value.code == "run_missing"


def test_runs_by_beginning_and_end(main: Workspace, submit: Callable[..., Any], ended: Callable[..., Any]) -> None:
    workspace = submit("true")
    ended(workspace)
    path, first = workspace.workspace_path, workspace.id
    second = submit("true")
    ended(second)
    assert run_id(path, "latest") == "latest"
    assert {run_id(path, first), run_id(path, first[-8:]), run_id(path, first[-4:])} == {first}
    with pytest.raises(EspalierError, match="2 ids begin or end") as several:
        run_id(path, "exp_")
    assert several.value.code == "bad_argument"
    with pytest.raises(EspalierError, match="Can't find the run") as near:
        run_id(path, first[:-1] + "zz")
    assert first in near.value.fields["nearest"]
    from espalier.base.paths import WorkspacePaths

    assert sorted(run_ids(WorkspacePaths(path))) == sorted([first, second.id])
