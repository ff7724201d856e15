"""Answers of the container engine, read from a connection; among them what a container prints. See engine.py."""

from typing import TYPE_CHECKING, Dict, Mapping, Optional, Tuple

try:  # (see engine.py)
    import _socket
except ImportError:  # another Python than the usual one
    import socket as _socket  # type: ignore[no-redef]

if TYPE_CHECKING:
    from _socket import socket as Socket

_CHUNK = 65_536
_LIMIT = 64 << 20


class EngineGone(OSError):
    """The engine does not answer, or hung up."""

    def __str__(self) -> str:
        return str(self.strerror)


class Stream:
    """What a container prints: frames of a head of 8 bytes, which says how long they are.

    Args:
        connection: Where it comes.
        reader: What has read the head of the answer.
    """

    def __init__(self, connection: "Socket", reader: "Reader", headers: Mapping[str, str]) -> None:
        self.connection = connection
        self._reader = reader
        self._chunked = headers.get("transfer-encoding", "") == "chunked"
        self._raw = b""
        self._left = 0

    @property
    def is_waiting(self) -> bool:
        """Whether something has come already that `read` has not given yet."""
        return self._reader.has_more

    def read(self) -> Optional[bytes]:
        """The next piece, which may be empty; None at the end. Raises EngineGone."""
        try:
            more = self._reader.chunk() if self._chunked else self._reader.some()
        except (OSError, ValueError) as error:
            raise EngineGone(0, why(error)) from error
        if not more:
            return None
        return self._unframed(more)

    def _unframed(self, data: bytes) -> bytes:
        self._raw += data
        found = []
        while self._raw:
            if not self._left:
                if len(self._raw) < 8:
                    break
                self._left = int.from_bytes(self._raw[4:8], "big")
                self._raw = self._raw[8:]
            piece = self._raw[: self._left]
            found.append(piece)
            self._raw, self._left = self._raw[len(piece) :], self._left - len(piece)
        return b"".join(found)

    def fileno(self) -> int:
        """The descriptor of its connection."""
        return self.connection.fileno()

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


class Reader:
    """An answer, read from a connection."""

    def __init__(self, connection: "Socket") -> None:
        self._connection = connection
        self._data = b""

    @property
    def has_more(self) -> bool:
        return bool(self._data)

    def head(self) -> Tuple[int, Dict[str, str]]:
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":")[::2] for line in lines)
        status = first.partition(" ")[2][:3]
        return int(status), {name.strip().lower(): value.strip() for name, value in pairs}

    def body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self.chunk, b""))
        length = headers.get("content-length")
        while length is None or len(self._data) < int(length):
            data = self._connection.recv(_CHUNK)
            if not data:
                if length is None:
                    break
                raise OSError(0, "hung up")
            self._data += data
            if len(self._data) > _LIMIT:
                raise OSError(0, "gave an answer without end")
        return self._data

    def chunk(self) -> bytes:
        """The next chunk of a body; empty at its end."""
        while b"\r\n" not in self._data:
            self._more()
        size, _, self._data = self._data.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        while len(self._data) < length + 2:
            self._more()
        found, self._data = self._data[:length], self._data[length + 2 :]
        return found

    def some(self) -> bytes:
        """The next bytes; empty at the end."""
        if self._data:
            found, self._data = self._data, b""
            return found
        return self._connection.recv(_CHUNK)

    def _more(self) -> None:
        data = self._connection.recv(_CHUNK)
        if not data:
            raise OSError(0, "hung up")
        self._data += data


def why(error: Exception) -> str:
    """An error of a connection, in words."""
    if isinstance(error, _socket.timeout):
        return "does not answer"
    return str(getattr(error, "strerror", None) or error)
