"""The secrets of a workspace: `keyvault.json` has their names, and their values encrypted, unless the keyring of the
operating system has those."""

import contextlib
import os
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from espalier.adapters import posix
from espalier.adapters.keyring import Keyring, find_keyring
from espalier.environment.definition import Secret
from espalier.errors import EspalierError
from espalier.paths import FORMAT, WorkspacePaths, partial
from espalier.progress import indivisible
from espalier.records import dump_record, now_iso, read_record, sync_folder, write_file
from espalier.vault.key import anothers_key, key_id, key_path, make_key, read_key
from espalier.vault.names import checked_names, checked_secrets
from espalier.vault.sealed import Sealer

FILE, KEYRING = "file", "keyring"
_CHOICE = "ESPALIER_KEYVAULT"


class Vault:
    """The secrets of one workspace.

    Args:
        paths: The workspace.
    """

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths

    def _id(self) -> str:
        """The workspace's id. Raises EspalierError `workspace_missing`, `not_supported`."""
        if not hasattr(os, "geteuid"):  # whose a file is, and who may read it, is another matter there
            message = f"Secrets cannot be kept on this system ({sys.platform}) yet."
            raise EspalierError("not_supported", message, "Set and use them on Linux or macOS.")
        try:
            return str(read_record(self._paths.record)["id"])
        except FileNotFoundError:
            message = f"There is no workspace at {self._paths.root}."
            raise EspalierError("workspace_missing", message, "See workspace().") from None

    def set(self, secrets: Mapping[str, Any]) -> None:
        """Keep secrets, all of them or none.

        Raises:
            EspalierError: `bad_name`, `bad_argument`, `keyvault_locked`, `damaged`, `workspace_read_only`.
        """
        checked = checked_secrets(secrets)
        with self._changing() as record:
            kept = self._opened(record, make=True)
            for name, value in checked.items():
                record["secrets"][name] = {"set_at": now_iso(time.time()), **kept.keep(name, value)}

    def get(self, names: Sequence[str]) -> Dict[str, Optional[str]]:
        """Secrets by name; None for those there are not.

        Raises:
            EspalierError: `bad_name`, `keyvault_locked`, `damaged`.
        """
        wanted = checked_names(names)
        record = self._record()
        there = [name for name in wanted if name in record["secrets"]]
        found: Dict[str, Optional[str]] = dict.fromkeys(wanted)
        if there:
            kept = self._opened(record)
            found.update((name, kept.value(name, record["secrets"][name])) for name in there)
        return found

    def names(self) -> Dict[str, str]:
        """The names of all secrets, and when each was set. Raises EspalierError `damaged`."""
        return {name: str(entry.get("set_at", "")) for name, entry in sorted(self._record()["secrets"].items())}

    def delete(self, names: Sequence[str]) -> List[str]:
        """Forget secrets; returns the names of those there were.

        Raises:
            EspalierError: `bad_name`, `keyvault_locked`, `damaged`, `workspace_read_only`.
        """
        wanted = checked_names(names)
        with self._changing() as record:
            gone = [name for name in wanted if name in record["secrets"]]
            if gone and record["store"] == KEYRING:
                kept = self._opened(record)
                for name in gone:
                    kept.forget(name)
            for name in gone:
                del record["secrets"][name]
        return gone

    def where(self) -> Dict[str, Optional[str]]:
        """What keeps the values (`store`), and the files to back up: `file` with names and encrypted values, `key`."""
        store = self._record()["store"] or self._choice()
        return {
            "store": store,
            "file": self._paths.keyvault,
            "key": key_path(self._id()) if store == FILE else None,
        }

    def _record(self) -> Dict[str, Any]:
        try:
            record = read_record(self._paths.keyvault)
        except FileNotFoundError:
            return {"format": FORMAT, "store": None, "key": None, "secrets": {}}
        except PermissionError as error:
            message = f"{self._paths.keyvault} cannot be read: {error.strerror}."
            raise EspalierError("keyvault_locked", message, "It is only for the user who set the secrets.") from error
        secrets = record.get("secrets")
        if record.get("store") not in (FILE, KEYRING) or not isinstance(secrets, dict):
            raise self._damaged()
        if not all(isinstance(entry, dict) for entry in secrets.values()):
            raise self._damaged()
        return record

    def _damaged(self) -> EspalierError:
        path = self._paths.keyvault
        hint = "Restore it from a backup; or delete it, and set the secrets again."
        return EspalierError("damaged", f"{path} is no record of a keyvault.", hint, path=path)

    def _choice(self) -> str:
        """Where a new keyvault keeps its values."""
        chosen = os.environ.get(_CHOICE)
        if chosen not in (None, "", FILE, KEYRING):
            raise EspalierError("bad_argument", f"{_CHOICE} is {chosen!r:.100}; it can be {FILE} or {KEYRING}.")
        return chosen or (KEYRING if find_keyring("") else FILE)

    def _opened(self, record: Dict[str, Any], make: bool = False) -> "_Kept":
        """What keeps the values of a keyvault.

        Args:
            record: The keyvault's record; gets the id of its key.
            make: Make a key where nothing was kept yet.
        """
        workspace_id = self._id()
        record["store"] = record["store"] or self._choice()
        if record["store"] == KEYRING:
            found = find_keyring(workspace_id)
            if found is None:
                message = f"The secrets of {self._paths.root} are in a keyring, and there is none here."
                hint = "Log in to a desktop with one; or install the Python package keyring."
                raise EspalierError("keyvault_locked", message, hint)
            return _InKeyring(found)
        new = make and not record["secrets"]
        key = make_key(workspace_id) if new else read_key(workspace_id)
        if not new and record.get("key") != key_id(key):
            raise anothers_key(workspace_id)
        record["key"] = key_id(key)
        return _InFile(Sealer(key, workspace_id))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Dict[str, Any]]:
        """Hold the keyvault's lock while its record is read, changed and replaced."""
        self._id()  # (there has to be a workspace)
        try:
            fd = os.open(self._paths.keyvault_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._read_only(error) from error
        try:
            with indivisible():
                posix.lock(fd)
                record = self._record()
                yield record
                self._replace(record)
        finally:
            os.close(fd)

    def _replace(self, record: Dict[str, Any]) -> None:
        # under the lock, so one name will do: what a killed process left there goes with the next change
        aside = partial(self._paths.keyvault)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
            write_file(aside, dump_record(record), sync=True, mode=0o600)
            os.replace(aside, self._paths.keyvault)
            sync_folder(self._paths.root)
        except OSError as error:
            raise self._read_only(error) from error

    def _read_only(self, error: OSError) -> EspalierError:
        message = f"The keyvault of {self._paths.root} cannot be written: {error.strerror}."
        return EspalierError("workspace_read_only", message, "Make its folder writable.", path=self._paths.root)


class _Kept:
    """What keeps values."""

    def keep(self, name: str, value: str) -> Dict[str, str]:
        """Keep a value; returns what the record is to say of it."""
        raise NotImplementedError

    def value(self, name: str, entry: Mapping[str, Any]) -> Optional[str]:
        raise NotImplementedError

    def forget(self, name: str) -> None:
        """Nothing to do where the record has the value."""


class _InFile(_Kept):
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def keep(self, name: str, value: str) -> Dict[str, str]:
        return {"value": self._sealer.seal(name, value)}

    def value(self, name: str, entry: Mapping[str, Any]) -> Optional[str]:
        return self._sealer.open(name, entry.get("value"))


class _InKeyring(_Kept):
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def keep(self, name: str, value: str) -> Dict[str, str]:
        self._keyring.set(name, value)
        return {}

    def value(self, name: str, entry: Mapping[str, Any]) -> Optional[str]:
        return self._keyring.get(name)

    def forget(self, name: str) -> None:
        self._keyring.delete(name)


def values_of(paths: WorkspacePaths, names: Sequence[str]) -> Dict[str, str]:
    """Secrets by name, all of them.

    Raises:
        EspalierError: `secret_missing`, and those of `Vault.get`.
    """
    found = Vault(paths).get(names)
    missing = [name for name, value in found.items() if value is None]
    if missing:
        message = f"The keyvault of {paths.root} has no secret {', '.join(missing)}."
        raise EspalierError("secret_missing", message, "Set it with set_secrets(); see list_secrets().")
    return {name: value for name, value in found.items() if value is not None}


def refuse_missing(paths: WorkspacePaths, names: Sequence[str]) -> None:
    """Raises EspalierError `secret_missing` unless there is a secret of each name. Opens none."""
    there = Vault(paths).names() if names else {}
    missing = [name for name in checked_names(names) if name not in there]
    if missing:
        message = f"The keyvault of {paths.root} has no secret {', '.join(missing)}."
        raise EspalierError("secret_missing", message, "Set it with set_secrets(); see list_secrets().")


def secret_reader(paths: WorkspacePaths) -> Callable[[Secret], str]:
    """What gives the value of a secret that a definition names.

    Raises (when called):
        EspalierError: `secret_missing`, and those of `Vault.get`.
    """
    return lambda secret: values_of(paths, [secret.secret])[secret.secret]
