"""How a workspace's secrets are encrypted: AES-256-GCM, each bound to its workspace and its name.

The key is a file that only its owner can read, outside of the workspace.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import stat
from typing import Any

from espalier.adapters.homes import state_folder
from espalier.base.errors import EspalierError
from espalier.base.extras import require
from espalier.base.paths import keyvault_key, temporary
from espalier.base.records import make_private_folder, sync_folder, write_file

_BYTES = 32
_MOVED = "If the workspace was copied or moved, copy that file from the old place to the same path"
_NONCE = 12


def key_path(workspace_id: str) -> str:
    """Where the key lies. This file and the workspace together give the secrets."""
    return keyvault_key(state_folder(), workspace_id)


def key_id(key: bytes) -> str:
    """Says which key it is, and nothing of the key itself."""
    return hashlib.sha256(b"espalier keyvault key\0" + key).hexdigest()[:32]


def read_key(workspace_id: str) -> bytes:
    """The key. Raises EspalierError: `keyvault_locked`: there is none, or others may have read or changed it."""
    path = key_path(workspace_id)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        hint = f"{_MOVED}. Otherwise delete the secrets, and set them again with set_secrets()."
        raise _locked(path, "the file doesn't exist", hint) from None
    except OSError as error:
        raise _locked(path, f"it can't be read: {error.strerror}", "It must be a file of your own.") from error
    try:
        _refuse_shared(path, os.fstat(fd))
        data = os.read(fd, 1024)
    finally:
        os.close(fd)
    try:
        key = base64.b64decode(data.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _BYTES:
        raise _locked(path, "it holds no key", "Restore it from a backup.")
    return key


def make_key(workspace_id: str) -> bytes:
    """The key, made if there is none. The first of several processes wins. Raises EspalierError: `keyvault_locked`."""
    path = key_path(workspace_id)
    folder = os.path.dirname(path)
    try:
        make_private_folder(folder)
        aside = temporary(folder)
        write_file(aside, base64.b64encode(os.urandom(_BYTES)) + b"\n", sync=True, mode=0o600)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        finally:
            os.unlink(aside)
        sync_folder(folder)
    except OSError as error:
        hint = "Set ESPALIER_STATE_DIR to a folder that can be written."
        raise _locked(path, f"it can't be written: {error.strerror}", hint) from error
    return read_key(workspace_id)


def anothers_key(workspace_id: str) -> EspalierError:
    """The error for a key that isn't the one that encrypted the secrets."""
    return _locked(key_path(workspace_id), "it isn't the key that encrypted the secrets", f"{_MOVED}.")


def _refuse_shared(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _locked(path, "it isn't a plain file", "Restore it from a backup.")
    if found.st_uid != os.geteuid():
        raise _locked(path, f"it belongs to user {found.st_uid}, not to you", f"{_MOVED}, and own it.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        hint = f"If no other user read it: chmod 600 {path}. Otherwise also replace the secrets at their sources."
        raise _locked(path, f"its mode is {mode}, so that others may read or change it", hint)


def _locked(path: str, why: str, hint: str) -> EspalierError:
    return EspalierError(
        "keyvault_locked", f"Can't open the workspace's keyvault with its key {path}: {why}.", hint, path=path
    )


class Sealer:
    """Seals and opens the secrets of one workspace.

    Args:
        key: 32 bytes.

    Raises:
        EspalierError: `extra_missing`.
    """

    def __init__(self, key: bytes, workspace_id: str) -> None:
        require("secrets")
        self._cipher = _aes_gcm(key)
        self._workspace_id = workspace_id

    def seal(self, name: str, value: str) -> str:
        """A value as text that says nothing without the key."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, value.encode("utf-8"), self._bound_to(name))
        return base64.b64encode(nonce + sealed).decode("ascii")

    def open(self, name: str, sealed: object) -> str:
        """The value again. Raises EspalierError `damaged` when it is not what was sealed under that name here."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(str(sealed), validate=True)
            value: bytes = self._cipher.decrypt(data[:_NONCE], data[_NONCE:], self._bound_to(name))
            return value.decode("utf-8")
        except (InvalidTag, binascii.Error, ValueError):
            message = f"Can't decrypt the secret {name}: it is damaged, or comes from another workspace."
            raise EspalierError("damaged", message, "Set it again with set_secrets().") from None

    def _bound_to(self, name: str) -> bytes:
        return f"espalier keyvault 1\0{self._workspace_id}\0{name}".encode()


def _aes_gcm(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
