"""One secret as it lies in a file: encrypted with AES-256-GCM, bound to its workspace and its name."""

import base64
import binascii
import os
from typing import Any

from espalier.base.errors import EspalierError

_NONCE = 12


class Sealer:
    """Seals and opens the secrets of one workspace.

    Args:
        key: 32 bytes.
        workspace_id: The workspace's id.

    Raises:
        EspalierError: `not_supported` without the package that does it.
    """

    def __init__(self, key: bytes, workspace_id: str) -> None:
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
            message = f"The secret {name} in the workspace's keyvault is damaged, or was put there from elsewhere."
            raise EspalierError("damaged", message, "Set it again with set_secrets().") from None

    def _bound_to(self, name: str) -> bytes:
        return f"espalier keyvault 1\0{self._workspace_id}\0{name}".encode()


def _aes_gcm(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise EspalierError(
            "not_supported",
            f"Secrets are kept encrypted by the Python package cryptography, which cannot be loaded: {error}.",
            "Install it where this Python finds it: pip install cryptography; in R, install_espalier(force = TRUE).",
        ) from error
    return AESGCM(key)
