import os
import shutil
from pathlib import Path
from typing import Callable

import pytest
from espalier import EspalierError
from espalier.vault.key import key_path, make_key, read_key

pytestmark = pytest.mark.usefixtures("home")


def refusal(workspace_id: str = "w") -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        read_key(workspace_id)
    assert caught.value.code == "keyvault_locked"
    assert key_path(workspace_id) in caught.value.message
    return caught.value


def test_made_once_for_its_owner_alone(home: Path) -> None:
    key = make_key("w")
    path = Path(key_path("w"))
    assert path == home / "state" / "keys" / "w.key"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(key) == 32 and make_key("w") == key == read_key("w") != make_key("other")
    assert sorted(os.listdir(path.parent)) == ["other.key", "w.key"]


def test_missing() -> None:
    assert "copied or moved" in refusal().hint


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602])
def test_a_key_that_others_can_read_or_change(mode: int) -> None:
    make_key("w")
    os.chmod(key_path("w"), mode)
    said = refusal()
    assert f"{mode:04o}" in said.message and "chmod 600" in said.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_anothers_key() -> None:
    make_key("w")
    os.chown(key_path("w"), 12345, -1)
    assert "12345" in refusal().message


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"not base64!", b"A" * 5000])
def test_damaged(content: bytes) -> None:
    make_key("w")
    Path(key_path("w")).write_bytes(content)
    assert "no key" in refusal().message


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_no_plain_file(kind: str, home: Path) -> None:
    make_key("w")
    path = Path(key_path("w"))
    path.rename(home / "moved")
    {"link": lambda: path.symlink_to(home / "moved"), "fifo": lambda: os.mkfifo(path, 0o600), "folder": path.mkdir}[kind]()
    refusal()


def test_a_folder_that_cannot_be_written(home: Path) -> None:
    (home / "state").mkdir()
    (home / "state" / "keys").write_text("a file")
    with pytest.raises(EspalierError, match="ESPALIER_STATE_DIR"):
        make_key("w")


def test_another_state_folder_has_another_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_key("w")
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(home / "elsewhere"))
    refusal()
    shutil.copytree(home / "state" / "keys", home / "elsewhere" / "keys")
    assert len(read_key("w")) == 32


def test_several_make_one(home: Path, as_user: Callable[..., str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: make_key("w"), range(64)))) == 1
