"""The secrets of a workspace: `keyvault.json` has their names, and their values encrypted."""

import contextlib
import os
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from espalier.adapters import posix
from espalier.adapters.file_locks import open_lock
from espalier.base.errors import EspalierError
from espalier.base.extras import require
from espalier.base.names import check_name, is_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import FORMAT, WorkspacePaths, partial
from espalier.base.progress import indivisible
from espalier.base.records import PRIVATE_MODE, dump_record, now_iso, read_record, sync_folder, write_file
from espalier.environment.definition import Secret
from espalier.vault.encryption import Sealer, anothers_key, key_id, key_path, make_key, read_key
from espalier.vault.known import forget, remember

# Shorter ones could not be hidden in logs: half of a log would be asterisks.
LEAST_CHARACTERS = 4
MOST_BYTES = 65_536
# What has the values. With older versions that could be the keyring of the operating system.
_FILE, _KEYRING = "file", "keyring"


class Vault:
    """The secrets of one workspace."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths

    def _id(self) -> str:
        """The workspace's id. Raises EspalierError `workspace_missing`, `not_supported`."""
        if not hasattr(os, "geteuid"):  # whose a file is, and who may read it, is another matter there
            message = f"Can't keep secrets on this system ({sys.platform}) yet."
            raise EspalierError("not_supported", message, "Set and use them on Linux or macOS.")
        try:
            workspace_id = str(read_record(self._paths.record, follow=True).get("id"))
        except FileNotFoundError:
            message = f"Can't find a workspace at {self._paths.root}."
            raise EspalierError("workspace_missing", message, "See workspace().") from None
        if not is_name(workspace_id):  # (the key's file is named by it, and a workspace may come from a stranger)
            message = f"Can't read {self._paths.record}: {workspace_id!r:.80} isn't an id."
            raise EspalierError("damaged", message, "Restore the file from a backup.", path=self._paths.record)
        return workspace_id

    def set(self, secrets: Mapping[str, Any]) -> None:
        """Keep secrets, all of them or none. Raises EspalierError: `bad_name`, `bad_argument`, `keyvault_locked`,
        `damaged`, `workspace_read_only`."""
        checked = checked_secrets(secrets)
        with self._changing() as record:
            sealer = self._sealer(record, make=True)
            for name, value in checked.items():
                record["secrets"][name] = {"set_at": now_iso(time.time()), "value": sealer.seal(name, value)}
        remember(self._paths, checked)

    def get(self, names: Sequence[str]) -> Dict[str, Optional[str]]:
        """Secrets by name; None for those there are not. Raises EspalierError: `bad_name`, `keyvault_locked`,
        `damaged`."""
        wanted = checked_names(names)
        record = self._record()
        there = [name for name in wanted if name in record["secrets"]]
        found: Dict[str, Optional[str]] = dict.fromkeys(wanted)
        if there:
            sealer = self._sealer(record)
            found.update((name, sealer.open(name, record["secrets"][name].get("value"))) for name in there)
        remember(self._paths, {name: value for name, value in found.items() if value is not None})
        return found

    def names(self) -> Dict[str, str]:
        """The names of all secrets, and when each was set. Raises EspalierError `damaged`."""
        return {name: str(entry.get("set_at", "")) for name, entry in sorted(self._record()["secrets"].items())}

    def delete(self, names: Sequence[str]) -> List[str]:
        """Forget secrets; returns the names of those there were. Raises EspalierError: `bad_name`, `keyvault_locked`,
        `damaged`, `workspace_read_only`."""
        wanted = checked_names(names)
        with self._changing() as record:
            gone = [name for name in wanted if name in record["secrets"]]
            for name in gone:
                del record["secrets"][name]
        for name in gone:
            forget(self._paths, name)
        return gone

    def where(self) -> Dict[str, Optional[str]]:
        """The files to back up: `file` with names and encrypted values, and its `key`. Raises EspalierError: `damaged`,
        `keyvault_locked`."""
        self.refuse_keyring()
        return {"file": self._paths.keyvault, "key": key_path(self._id())}

    def refuse_keyring(self) -> None:
        """Raises EspalierError `keyvault_locked` if an older version put the secrets into a keyring."""
        self._refuse_keyring(self._record())

    def _refuse_keyring(self, record: Dict[str, Any]) -> None:
        if record["store"] == _KEYRING and record["secrets"]:
            names = ", ".join(sorted(record["secrets"]))
            raise EspalierError(
                "keyvault_locked",
                f"Can't read the secrets of {self._paths.root}: an older version of espalier put them into the keyring "
                f'of this system, as the service "espalier {self._id()}". Their names: {names:.300}.',
                "Read the values there, or with get_secrets() of that version. Delete the secrets here with "
                "delete_secrets(), which leaves the keyring as it is, and set them again with set_secrets().",
            )

    def _record(self) -> Dict[str, Any]:
        try:
            record = read_record(self._paths.keyvault, follow=True)
        except FileNotFoundError:
            return {"format": FORMAT, "store": _FILE, "key": None, "secrets": {}}
        except PermissionError as error:
            message = f"Can't read {self._paths.keyvault}: {error.strerror}."
            raise EspalierError("keyvault_locked", message, "It is only for the user who set the secrets.") from error
        secrets = record.get("secrets")
        if record.get("store") not in (_FILE, _KEYRING) or not isinstance(secrets, dict):
            raise self._damaged()
        if not all(isinstance(entry, dict) for entry in secrets.values()):
            raise self._damaged()
        return record

    def _damaged(self) -> EspalierError:
        path = self._paths.keyvault
        hint = "Restore it from a backup, or delete it and set the secrets again."
        return EspalierError("damaged", f"Can't read {path}: it isn't a keyvault.", hint, path=path)

    def _sealer(self, record: Dict[str, Any], make: bool = False) -> Sealer:
        """What encrypts the values of a keyvault.

        Args:
            record: The keyvault's record; gets the id of its key.
            make: Make a key where nothing was kept yet.
        """
        require("secrets")  # (before a key is made)
        workspace_id = self._id()
        self._refuse_keyring(record)
        new = make and not record["secrets"]
        key = make_key(workspace_id) if new else read_key(workspace_id)
        if not new and record.get("key") != key_id(key):
            raise anothers_key(workspace_id)
        record.update(store=_FILE, key=key_id(key))
        return Sealer(key, workspace_id)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Dict[str, Any]]:
        """Hold the keyvault's lock while its record is read, changed and replaced."""
        self._id()  # (there has to be a workspace)
        try:
            fd = open_lock(self._paths.keyvault_lock, PRIVATE_MODE)
        except OSError as error:
            raise cannot_write(self._paths.root, error) from error
        try:
            with indivisible(), posix.holding(fd):
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
            raise cannot_write(self._paths.root, error) from error


def values_of(paths: WorkspacePaths, names: Sequence[str]) -> Dict[str, str]:
    """Secrets by name, all of them. Raises EspalierError: `secret_missing`, and those of `Vault.get`."""
    found = Vault(paths).get(names)
    missing = [name for name, value in found.items() if value is None]
    if missing:
        message = f"Can't find the secret {', '.join(missing)} in the keyvault of {paths.root}."
        raise EspalierError("secret_missing", message, "Set it with set_secrets(). list_secrets() lists the names.")
    return {name: value for name, value in found.items() if value is not None}


def refuse_missing(paths: WorkspacePaths, names: Sequence[str]) -> None:
    """Raises EspalierError `secret_missing` unless there is a secret of each name, and `keyvault_locked` if they are in
    a keyring. Opens none."""
    there: Dict[str, str] = {}
    if names:
        vault = Vault(paths)
        vault.refuse_keyring()
        there = vault.names()
    missing = [name for name in checked_names(names) if name not in there]
    if missing:
        message = f"Can't find the secret {', '.join(missing)} in the keyvault of {paths.root}."
        raise EspalierError("secret_missing", message, "Set it with set_secrets(). list_secrets() lists the names.")


def secret_reader(paths: WorkspacePaths) -> Callable[[Secret], str]:
    """What gives the value of a secret that a definition names.

    Raises (when called):
        EspalierError: `secret_missing`, and those of `Vault.get`.
    """
    return lambda secret: values_of(paths, [secret.secret])[secret.secret]


def checked_name(name: object) -> str:
    """The name of a secret. Raises EspalierError `bad_name`."""
    return check_name("secret", name)


def checked_names(names: Sequence[str]) -> "list[str]":
    """Several of them, each once. Raises EspalierError `bad_name`, `bad_argument`."""
    if isinstance(names, str) or not isinstance(names, (list, tuple)):
        raise EspalierError("bad_argument", "Names of secrets must be a list of strings.")
    return list(dict.fromkeys(checked_name(name) for name in names))


def checked_secrets(secrets: Mapping[str, Any]) -> Dict[str, str]:
    """Secrets by name, each with a value that can be kept and hidden. Raises EspalierError: `bad_name`, `bad_argument`;
    no message holds a value."""
    return {checked_name(name): _checked_value(name, value) for name, value in secrets.items()}


def _checked_value(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise EspalierError("bad_argument", f"The secret {name} must be text, not a {type(value).__name__}.")
    if "\0" in value:
        raise _bad(name, "holds a NUL character")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise _bad(name, "isn't valid UTF-8") from None
    if len(value.strip()) < LEAST_CHARACTERS:
        message = f"Can't use the secret {name}: it has fewer than {LEAST_CHARACTERS} characters."
        raise EspalierError("bad_argument", message, "A shorter one can't be hidden in logs.")
    if size > MOST_BYTES:
        raise _bad(name, f"has {size:,} bytes; at most {MOST_BYTES:,} are kept")
    return value


def _bad(name: str, what: str) -> EspalierError:
    return EspalierError("bad_argument", f"Can't use the secret {name}: it {what}.")
