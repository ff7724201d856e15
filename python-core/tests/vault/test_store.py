import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from espalier import EspalierError, Workspace
from espalier.base.paths import WorkspacePaths
from espalier.environment.definition import Secret
from espalier.vault.encryption import key_path
from espalier.vault.store import Vault, refuse_missing, secret_reader, values_of

CANARY = "canary-5f1e\n#&%\"'\\ ü😀 $(x)"


@pytest.fixture
def paths(workspace: Workspace) -> WorkspacePaths:
    return WorkspacePaths(workspace.path)


@pytest.fixture
def vault(paths: WorkspacePaths) -> Vault:
    return Vault(paths)


def refused(code: str, call: Callable[[], Any]) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        call()
    assert caught.value.code == code, caught.value
    assert "canary" not in str(caught.value)
    return caught.value


def record_of(paths: WorkspacePaths) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads(Path(paths.keyvault).read_text())
    return found


def everything(folder: str) -> bytes:
    return b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())


def test_set_get_list_delete(vault: Vault, paths: WorkspacePaths) -> None:
    assert (vault.names(), vault.get(["a"])) == ({}, {"a": None})
    assert not os.path.exists(paths.keyvault)
    vault.set({"b": CANARY, "a": "first"})
    vault.set({"a": "second"})
    assert vault.get(["a", "x", "b"]) == {"a": "second", "x": None, "b": CANARY}
    assert list(vault.names()) == ["a", "b"]
    assert time.time() - 60 < time.mktime(time.strptime(vault.names()["a"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert vault.delete(["a", "x"]) == ["a"]
    assert vault.get(["a", "b"]) == {"a": None, "b": CANARY}


def test_values_are_nowhere(vault: Vault, paths: WorkspacePaths, home: Path) -> None:
    vault.set({"token": "canary-5f1e" * 3})
    found = everything(str(home))
    assert b"token" in found and b"canary" not in found and b"Y2FuYXJ5" not in found
    assert os.stat(paths.keyvault).st_mode & 0o777 == 0o600


def test_all_or_none(vault: Vault) -> None:
    refused("bad_argument", lambda: vault.set({"a": "good value", "b": "no"}))
    refused("bad_name", lambda: vault.set({"a": "good value", "b/c": "good value"}))
    assert vault.names() == {}


def test_swapped_and_damaged(vault: Vault, paths: WorkspacePaths) -> None:
    vault.set({"a": "value of a", "b": "value of b"})
    record = record_of(paths)
    record["secrets"]["a"], record["secrets"]["b"] = record["secrets"]["b"], record["secrets"]["a"]
    Path(paths.keyvault).write_text(json.dumps(record))
    refused("damaged", lambda: vault.get(["a"]))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "store": "x", "secrets": {}}',
                                     '{"format": 1, "store": "file", "secrets": []}',
                                     '{"format": 1, "store": "file", "secrets": {"a": 1}}'])
def test_no_record(vault: Vault, paths: WorkspacePaths, content: str) -> None:
    Path(paths.keyvault).write_text(content)
    for call in (vault.names, lambda: vault.get(["a"]), lambda: vault.set({"a": "value"}), lambda: vault.delete(["a"])):
        refused("damaged", call)
    assert Path(paths.keyvault).read_text() == content


def test_newer(vault: Vault, paths: WorkspacePaths) -> None:
    Path(paths.keyvault).write_text('{"format": 2}')
    refused("newer_format", vault.names)


def test_copied_without_its_key(vault: Vault, paths: WorkspacePaths, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.set({"a": CANARY, "b": CANARY})
    key = key_path(record_of_workspace(paths))
    there = Vault(WorkspacePaths(shutil.copytree(paths.root, str(home / "copy"))))
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(home / "other-machine"))
    assert list(there.names()) == ["a", "b"]
    said = refused("keyvault_locked", lambda: there.get(["a"]))
    assert "copy that file" in said.hint
    refused("keyvault_locked", lambda: there.set({"c": "value"}))
    # with the key brought along it opens; with another's it says so
    (home / "other-machine" / "keys").mkdir(parents=True)
    shutil.copy2(key, home / "other-machine" / "keys")
    assert there.get(["a"]) == {"a": CANARY}
    Path(key_path(record_of_workspace(paths))).write_bytes(b"A" * 43 + b"=\n")
    assert "isn't the key" in refused("keyvault_locked", lambda: there.get(["a"])).message
    # and it can be begun anew
    there.delete(["a", "b"])
    there.set({"a": "new value"})
    assert there.get(["a"]) == {"a": "new value"}


def record_of_workspace(paths: WorkspacePaths) -> str:
    return str(json.loads(Path(paths.record).read_text())["id"])


def test_anothers_file(vault: Vault, paths: WorkspacePaths, as_user: Callable[..., str]) -> None:
    vault.set({"a": "value"})
    os.chmod(paths.keyvault, 0)
    code = """
import sys
from espalier import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.vault.store import Vault
try:
    print(Vault(WorkspacePaths(sys.argv[1])).names())
except EspalierError as error:
    print(error.code)
"""
    assert as_user(code, paths.root).strip() == "keyvault_locked"


def test_a_read_only_workspace(vault: Vault, paths: WorkspacePaths, as_user: Callable[..., str]) -> None:
    vault.set({"a": "value"})
    os.chmod(paths.root, 0o555)
    code = """
import sys
from espalier import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.vault.store import Vault
vault = Vault(WorkspacePaths(sys.argv[1]))
try:
    vault.set({"b": "value"})
except EspalierError as error:
    print(error.code, vault.get(["a", "b"]))
"""
    try:
        assert as_user(code, paths.root).strip() == "workspace_read_only {'a': 'value', 'b': None}"
    finally:
        os.chmod(paths.root, 0o755)


def test_on_windows(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "geteuid")
    refused("not_supported", lambda: vault.set({"a": "value"}))
    assert vault.names() == {}


def test_no_workspace(tmp_path: Path) -> None:
    refused("workspace_missing", lambda: Vault(WorkspacePaths(str(tmp_path / "none"))).set({"a": "value"}))
    assert os.listdir(tmp_path) == []


WRITER = """
import sys
from espalier.base.paths import WorkspacePaths
from espalier.vault.store import Vault
vault, name = Vault(WorkspacePaths(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    vault.set({name: f"value {number}"})
    print(number, flush=True)
"""


def writers(paths: WorkspacePaths, times: int) -> List["subprocess.Popen[str]"]:
    return [
        subprocess.Popen([sys.executable, "-c", WRITER, paths.root, name, str(times)], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]


def test_several_processes_at_once(vault: Vault, paths: WorkspacePaths) -> None:
    for process in writers(paths, 15):
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert vault.get(["a", "b", "c"]) == dict.fromkeys("abc", "value 14")


def test_killed_at_any_time(vault: Vault, paths: WorkspacePaths) -> None:
    for turn in range(4):
        started = writers(paths, 10_000)
        lines = [process.stdout.readline() for process in started if process.stdout]
        assert lines == ["0\n"] * 3
        time.sleep(0.01 * turn)
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        found = vault.get(["a", "b", "c"])
        assert all(value and value.startswith("value ") for value in found.values())
    vault.set({"d": "value"})
    left = [name for name in os.listdir(paths.root) if "keyvault" in name or ".tmp" in name]
    assert sorted(left) == ["keyvault.json", "keyvault.lock"]


def test_secrets_that_an_older_version_put_into_a_keyring(vault: Vault, paths: WorkspacePaths) -> None:
    secrets = {name: {"set_at": "2025-01-01T00:00:00.000Z"} for name in ("token", "other")}
    Path(paths.keyvault).write_text(json.dumps({"format": 1, "store": "keyring", "key": None, "secrets": secrets}))
    before = Path(paths.keyvault).read_text()
    assert list(vault.names()) == ["other", "token"] and vault.get(["none"]) == {"none": None}
    for call in (
        lambda: vault.get(["token"]), lambda: vault.set({"c": "value"}), vault.where,
        lambda: values_of(paths, ["token"]), lambda: refuse_missing(paths, ["token"]),
    ):
        said = refused("keyvault_locked", call)
        assert "other, token" in said.message and f"espalier {record_of_workspace(paths)}" in said.message
        assert "get_secrets() of that version" in said.hint and "set_secrets()" in said.hint
    assert Path(paths.keyvault).read_text() == before
    # the remedy
    assert vault.delete(["token"]) == ["token"]
    refused("keyvault_locked", lambda: vault.get(["other"]))
    assert vault.delete(["other"]) == ["other"]
    vault.set({"token": CANARY})
    assert vault.get(["token"]) == {"token": CANARY} and record_of(paths)["store"] == "file"


def test_a_link_in_place_of_the_lock_is_not_followed(paths: WorkspacePaths, tmp_path: Path) -> None:
    os.symlink(tmp_path / "target", paths.keyvault_lock)
    Vault(paths).set({"a": "value"})
    assert not os.path.lexists(tmp_path / "target") and os.stat(paths.keyvault_lock).st_mode & 0o777 == 0o600


def test_what_definitions_name(vault: Vault, paths: WorkspacePaths) -> None:
    vault.set({"a": CANARY})
    read = secret_reader(paths)
    assert read(Secret("a")) == CANARY
    said = refused("secret_missing", lambda: read(Secret("b")))
    assert "set_secrets()" in said.hint
    assert values_of(paths, []) == {}
    refuse_missing(paths, [])
    refuse_missing(paths, ["a"])
    assert "b, c" in refused("secret_missing", lambda: refuse_missing(paths, ["b", "a", "c"])).message
    assert "b, c" in refused("secret_missing", lambda: values_of(paths, ["b", "a", "c"])).message
