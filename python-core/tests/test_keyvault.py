import os

import pytest
from espalier import EspalierError, Keyvault, Workspace


@pytest.fixture
def keyvault(workspace: Workspace) -> Keyvault:
    return workspace.get_default_keyvault()


def test_set_get_list_delete(keyvault: Keyvault, workspace: Workspace) -> None:
    keyvault.set_secrets({"b": "value b", "a": "value a"})
    keyvault.set_secret("c", "value c")
    listed = keyvault.list_secrets()
    assert list(listed.columns) == ["name", "set_at"] and listed.columns["name"] == ["a", "b", "c"]
    assert keyvault.get_secrets(["c", "none"]) == {"c": "value c", "none": None}
    assert keyvault.get_secret("a") == "value a"
    assert keyvault.delete_secrets(["a", "none"]) == ["a"]
    assert keyvault.workspace_path == workspace.path


def test_where_it_is_kept(keyvault: Keyvault, workspace: Workspace) -> None:
    details = keyvault.get_details()
    assert details["file"] == os.path.join(workspace.path, "keyvault.json")
    assert not os.path.exists(details["key"])
    keyvault.set_secret("a", "value")
    assert os.path.exists(details["key"])


def test_it_survives_as_strings_alone(keyvault: Keyvault) -> None:
    keyvault.set_secret("a", "value")
    again = Keyvault._from_identity(keyvault._identity())
    assert again.get_secret("a") == "value" and "value" not in repr(again)


def test_a_deleted_workspace(keyvault: Keyvault, workspace: Workspace) -> None:
    workspace.delete()
    with pytest.raises(EspalierError) as caught:
        keyvault.set_secret("a", "value")
    assert caught.value.code == "workspace_missing"
