"""The registries of a workspace, as they are written down."""

import json
from pathlib import Path

import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.environment.definition import Secret
from espalier.provision.docker.registries import SHARED_VARIABLE, Remote, configured, forget_remote, key_of, set_remote


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    monkeypatch.delenv(SHARED_VARIABLE, raising=False)
    return WorkspacePaths(str(tmp_path))


def test_one_is_set_replaced_and_forgotten(paths: WorkspacePaths) -> None:
    assert configured(paths) == []
    set_remote(paths, Remote("shared", "ghcr.io/team"))
    set_remote(paths, Remote("workspace", "https://localhost:5000/", "me", Secret("registry")))
    assert [(one.kind, one.address) for one in configured(paths)] == [
        ("workspace", "localhost:5000"), ("shared", "ghcr.io/team"),
    ]  # fmt: skip
    assert configured(paths)[0].repository == "localhost:5000/espalier/env"
    assert json.loads(Path(paths.registries).read_text())["workspace"]["password"] == {"secret": "registry"}
    set_remote(paths, Remote("workspace", "localhost:5001"))
    forget_remote(paths, "shared")
    assert [(one.address, one.password) for one in configured(paths)] == [("localhost:5001", None)]


def test_the_variable_names_the_shared_one(paths: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARED_VARIABLE, "r.example.org/all")
    assert [one.address for one in configured(paths)] == ["r.example.org/all"]
    set_remote(paths, Remote("shared", "ghcr.io/team"))
    assert [one.address for one in configured(paths)] == ["ghcr.io/team"]


def test_a_login_asks_for_the_secret(paths: WorkspacePaths) -> None:
    remote = Remote("workspace", "localhost:5000", "me", Secret("registry"))
    login = remote.login(lambda secret: f"value of {secret.secret}")
    assert login is not None
    assert (login.username, login.password) == ("me", "value of registry")
    assert "value" not in repr(login)
    assert Remote("workspace", "localhost:5000").login(lambda secret: "") is None


@pytest.mark.parametrize(
    "address", ["", "-v", "a b", "localhost:5000;rm", "$(id)", "a\nb", "host/Upper", "host/../x", "x" * 300 + " "]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(EspalierError) as caught:
        Remote("workspace", address)
    assert caught.value.code == "bad_argument"


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(EspalierError) as caught:
        Remote("workspace", "localhost:5000", "me")
    assert caught.value.code == "environment_invalid"


@pytest.mark.parametrize("image", [{}, {"Config": None}, {"Config": {"Labels": None}}, {"Labels": None}])
def test_an_image_without_labels_is_not_ours(image: "dict[str, object]") -> None:
    assert key_of(image) == ""
