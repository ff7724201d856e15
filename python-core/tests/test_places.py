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
