"""The keyring of the operating system, where there is one: the one importer of the package keyring."""

import os
from typing import Any, Optional

from espalier.errors import EspalierError

# What is no keyring, though the package offers it: `chainer` stands for all others.
_NO_KEYRINGS = ("fail", "null", "chainer")


class Keyring:
    """Secrets of one workspace in the user's keyring.

    Args:
        backend: What the package found.
        workspace_id: The workspace's id.
    """

    def __init__(self, backend: Any, workspace_id: str) -> None:
        self._backend, self._service = backend, f"espalier {workspace_id}"

    def set(self, name: str, value: str) -> None:
        """Keep a secret. Raises EspalierError `keyvault_locked`."""
        try:
            self._backend.set_password(self._service, name, value)
        except Exception as error:  # each backend has its own
            raise _refused("keep", name, error) from None

    def get(self, name: str) -> Optional[str]:
        """A secret; None where there is none. Raises EspalierError `keyvault_locked`."""
        try:
            found = self._backend.get_password(self._service, name)
        except Exception as error:
            raise _refused("give", name, error) from None
        return None if found is None else str(found)

    def delete(self, name: str) -> None:
        """Forget a secret, if there is one. Raises EspalierError `keyvault_locked`."""
        try:
            if self._backend.get_password(self._service, name) is not None:
                self._backend.delete_password(self._service, name)
        except Exception as error:
            raise _refused("forget", name, error) from None


def find_keyring(workspace_id: str) -> Optional[Keyring]:
    """The user's keyring; None where there is none, or not the package that speaks to it."""
    try:
        import keyring
        import keyring.backend
    except ImportError:
        return None
    _find_session_bus()
    offered = [keyring.get_keyring(), *keyring.backend.get_all_keyring()]
    real = [backend for backend in offered if _is_real(backend)]
    # (the first is what the user's configuration says, if it says something)
    return Keyring(real[0], workspace_id) if real else None


def _is_real(backend: Any) -> bool:
    """Whether it keeps secrets, and not in the clear: such backends call themselves less than recommendable."""
    module = type(backend).__module__.rpartition(".")[2]
    try:
        return module not in _NO_KEYRINGS and float(type(backend).priority) >= 1
    except Exception:  # the priority of one that does not work here raises
        return False


def _find_session_bus() -> None:
    """Linux keyrings speak by the session's bus; a runner has no session, but the bus of its user lies at one place."""
    if "DBUS_SESSION_BUS_ADDRESS" not in os.environ and hasattr(os, "getuid"):
        bus = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "bus")
        if os.path.exists(bus):
            os.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"


def _refused(what: str, name: str, error: Exception) -> EspalierError:
    # (only the kind of the error: its text might hold the value)
    message = f"The keyring of this system did not {what} the secret {name}: {type(error).__name__}."
    return EspalierError("keyvault_locked", message, "Unlock it: log in, or see the keyring's own program.")
