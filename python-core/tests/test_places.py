import contextlib
import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import EspalierError, Workspace


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(EspalierError) as caught:
        call()
    return caught.value.code


def test_default_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "project" / ".git").mkdir(parents=True)
    (home / "project" / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(home / "project" / "src" / "deep")
    assert Workspace.create("ws").path == str(home / "project" / ".espalier" / "ws")
    assert list(Workspace.list()) == ["ws"]


@pytest.mark.parametrize("folder", [None, ".espalier", ".azureml", "aml_config", "."])
def test_config_is_found_upwards(workspace: Workspace, home: Path, folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "project" / "sub").mkdir(parents=True)
    monkeypatch.chdir(home / "project")
    written = workspace.write_config(folder)
    assert written == str(home / "project" / (folder or ".espalier") / "config.json").replace("/./", "/")
    assert Workspace.from_config(str(home / "project" / "sub")) == Workspace.from_config(written) == workspace
    monkeypatch.chdir(home / "project" / "sub")
    assert Workspace.from_config() == workspace


def test_a_moved_project_takes_its_workspace_along(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.create("ws", str(home / "old" / ".espalier"))
    workspace.write_config(str(home / "old" / ".espalier"))
    os.rename(home / "old", home / "new")
    assert Workspace.from_config(str(home / "new")).path == str(home / "new" / ".espalier" / "ws")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "5", '{"path": "x"}', '{"workspace_name": 5}', '{"workspace_name": "a", "path": 5}'])
def test_damaged_config(home: Path, content: str) -> None:
    (home / "config.json").write_text(content)
    assert code_of(lambda: Workspace.from_config(str(home))) == "damaged"


def test_config_of_azure(home: Path) -> None:
    """The file that Azure ML's users have: the name counts, the rest is harmless."""
    (home / ".azureml").mkdir()
    record = {"subscription_id": "x", "resource_group": "y", "workspace_name": "ws"}
    (home / ".azureml" / "config.json").write_text(json.dumps(record))
    assert code_of(lambda: Workspace.from_config(str(home))) == "workspace_missing"
    workspace = Workspace.create("ws", str(home / ".espalier"))
    assert Workspace.from_config(str(home)) == workspace


def test_no_config(home: Path) -> None:
    assert code_of(lambda: Workspace.from_config(str(home), "not-to-be-found.json")) == "workspace_missing"


def test_a_place_that_does_not_exist_is_no_place_to_begin(home: Path) -> None:
    Workspace.create("ws", str(home)).write_config(str(home))
    assert code_of(lambda: Workspace.from_config(str(home / "nope"))) == "workspace_missing"


@pytest.fixture
def at(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Works in a folder below a home folder; makes both, and the files that are asked for."""

    def go(where: str, *files: str) -> Path:
        for file in files:
            (home / file).parent.mkdir(parents=True, exist_ok=True)
            (home / file).touch()
        (home / where).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("HOME", str(home / "me"))
        monkeypatch.chdir(home / where)
        return home

    return go


@pytest.mark.parametrize("mark", ["x.Rproj", "DESCRIPTION", "renv.lock", ".here", "_targets.R", "pyproject.toml", ".git/x"])
def test_marks_of_a_project(at: Callable[..., Path], mark: str) -> None:
    top = at("me/code/project/analysis/deep", "me/code/project/" + mark) / "me/code/project"
    assert Workspace.open("ws").path == str(top / ".espalier" / "ws")


@pytest.mark.parametrize("above", ["me", "."])
@pytest.mark.parametrize("mark", [".espalier/ws/workspace.json", ".git/x", "old.Rproj", ".here"])
def test_nothing_at_home_or_above_captures_a_project(at: Callable[..., Path], above: str, mark: str) -> None:
    folder = at("me/code/project", f"{above}/{mark}") / "me/code/project"
    assert Workspace.open("ws").path == str(folder / ".espalier" / "ws")


def test_work_in_the_home_folder_uses_its_workspaces(at: Callable[..., Path]) -> None:
    home = at("me", "me/.espalier/x")
    assert Workspace.open("ws").path == str(home / "me/.espalier/ws")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["p/.espalier/x", "p/sub/x.txt"], "p"),
        (["p/.espalier/x", "p/sub/a.Rproj"], "p"),  # (found before Rproj files counted)
        (["p/.espalier/x", "p/sub/pyproject.toml"], "p"),
        (["p/.espalier/x", "p/sub/.git/x"], "p/sub"),
        (["p/.git/x", "p/sub/a.Rproj"], "p/sub"),
        (["p/.git/x", "p/.espalier/x", "p/sub/a.Rproj", "p/sub/.espalier/x"], "p/sub"),
    ],
)
def test_workspaces_of_earlier_sessions_are_found(at: Callable[..., Path], files: Any, expected: str) -> None:
    home = at("me/p/sub", *("me/" + file for file in files))
    assert Workspace.open("ws").path == str(home / "me" / expected / ".espalier" / "ws")


def test_a_config_at_home_captures_no_project(at: Callable[..., Path], workspace: Workspace) -> None:
    home = at("me/project/sub")
    for folder in (home, home / "me"):
        workspace.write_config(str(folder / ".espalier"))
    assert code_of(Workspace.from_config) == "workspace_missing"
    workspace.write_config(str(home / "me/project/.espalier"))
    assert Workspace.from_config() == Workspace.from_config(str(home / "me")) == workspace


def test_a_config_of_another_program_is_passed_over(at: Callable[..., Path], workspace: Workspace) -> None:
    home = at("me/project/model")
    (home / "me/project/model/config.json").write_text('{"hidden_size": 768}')
    assert code_of(Workspace.from_config) == "damaged"
    workspace.write_config(str(home / "me/project/.espalier"))
    assert Workspace.from_config() == workspace


@pytest.mark.parametrize(
    ("name", "near"),
    [("dmeo", "demo"), ("Demo", "demo"), ("demos", "demo"), ("other", None), ("wave-1", None), ("wave-2", None), ("wvae-1", "wave-1")],
)
def test_a_near_name(home: Path, name: str, near: Any) -> None:
    place = str(home / "here")
    for existing in ("demo", "wave-1"):
        assert Workspace.open_values(existing, place) == {
            "path": os.path.join(place, existing), "home": place, "created": True, "near": None,
        }  # fmt: skip
    os.mkdir(os.path.join(place, "dmeo-no-workspace"))
    existed = name == "wave-1"
    with pytest.raises(EspalierError) if not existed else contextlib.nullcontext() as caught:
        Workspace.get(name, place)
    if caught is not None:
        assert caught.value.hint == f'Did you mean "{near}"?' if near else "Create it" in caught.value.hint
    values = Workspace.open_values(name, place)
    assert values == {"path": os.path.join(place, name), "home": place, "created": not existed, "near": near}
