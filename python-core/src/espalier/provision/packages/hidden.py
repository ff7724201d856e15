"""The secrets that a build reads, hidden in all that it prints and in every error that comes of it."""

import contextlib
import os
import tempfile
from typing import Any, BinaryIO, Dict, Iterator, Mapping, Optional, Set

from espalier.base.errors import EspalierError
from espalier.base.names import looks_secret
from espalier.environment.definition import Secret
from espalier.provision.packages.sources import Secrets
from espalier.vault.credentials import LogMasker

_CHUNK = 1 << 16
# Names like those of secrets that hold none, and that programs need.
_NEEDED = ("SSH_AUTH_SOCK", "UV_KEYRING_PROVIDER")


class Hidden:
    """Reads secrets for a build, and remembers them."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._values: Set[str] = set()

    def __call__(self, secret: Secret) -> str:
        """The value of a secret."""
        value = self._secrets(secret)
        self._values.add(value)
        return value

    def __len__(self) -> int:
        return len(self._values)

    def masker(self) -> LogMasker:
        """Hides what has been read until now."""
        return LogMasker(self._values)

    def text(self, text: str) -> str:
        """A text with the secrets hidden."""
        masker = self.masker()
        return (masker.feed(text.encode("utf-8", "surrogateescape")) + masker.close()).decode("utf-8", "replace")

    def error(self, error: EspalierError) -> EspalierError:
        """The same error, the secrets in it hidden."""
        fields = {name: self._plain(value) for name, value in error.fields.items()}
        return EspalierError(error.code, self.text(error.message), self.text(error.hint), **fields)

    @contextlib.contextmanager
    def in_errors(self) -> Iterator[None]:
        """Errors that leave the block show no secret."""
        try:
            yield
        except EspalierError as error:
            raise self.error(error) from None

    def _plain(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        return [self._plain(one) for one in value] if isinstance(value, list) else value


class HiddenOutput:
    """What programs of a build write into; the secrets are hidden on the way to its log. Until then what was written
    lies in a file without a name.
    """

    def __init__(self, log: BinaryIO, hidden: Hidden) -> None:
        self.name = log.name
        self._log, self._hidden = log, hidden
        self._raw = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._done = 0
        self._known = -1
        self._masker: Optional[LogMasker] = None

    def fileno(self) -> int:
        """For programs."""
        return self._raw.fileno()

    def write(self, data: bytes) -> None:
        """Take a line of our own."""
        self._raw.write(data)
        self.copy()

    def copy(self, is_end: bool = False) -> None:
        """Bring what has been written since the last time into the log; with its last line, where this is the end."""
        if self._masker is None or self._known != len(self._hidden):
            self._flush()
            self._masker, self._known = self._hidden.masker(), len(self._hidden)
        while True:
            data = os.pread(self._raw.fileno(), _CHUNK, self._done)
            if not data:
                break
            self._done += len(data)
            self._log.write(self._masker.feed(data))
        if is_end:
            self._flush()

    def close(self) -> None:
        """The end of the build."""
        self.copy(is_end=True)
        self._raw.close()

    def _flush(self) -> None:
        if self._masker is not None:
            self._log.write(self._masker.close())
            self._masker = None


def without_secrets(variables: Mapping[str, str]) -> Dict[str, str]:
    """Variables for a program that runs what packages bring: none whose name looks like that of a secret."""
    return {
        name: value
        for name, value in variables.items()
        if name in _NEEDED or not (looks_secret(name) or name.upper().endswith("_PAT"))
    }
