"""The container engine, as those ask it who start and end a job's container: its HTTP interface, spoken directly.

The docker package (`adapters/docker.py`) takes 0.15 s and 20 MB to load, and has to be found first. Here neither is to
be had: this is on the way to a job's start, and the last to be left when others have died. Standard library only.
"""

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping

from espalier.adapters.engine_stream import EngineGone, Reader, Stream, why
from espalier.adapters.homes import home_folder

try:  # (`socket` and `urllib.parse` take 8 ms to load, on the way to a job's start)
    import _socket
except ImportError:  # another Python than the usual one
    import socket as _socket  # type: ignore[no-redef]

if TYPE_CHECKING:
    import socket
    from _socket import socket as Socket

# What tells where an engine is; handed on from the session that submits.
VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "XDG_RUNTIME_DIR")
# How long the engine may take to answer, seconds.
ANSWER_SECONDS = 30.0
# How an engine is reached; the others that Docker knows are `ssh` and `npipe`.
SCHEMES = ("unix", "tcp", "http", "https")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class EngineError(Exception):
    """The engine refused. `status` is its answer's: 404 where there is no such thing, 409 where a name is taken."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Engine:
    """One engine, asked by one connection for each question.

    Args:
        variables: Those of `VARIABLES` that the session had.
        seconds: How long it may take to answer.
    """

    def __init__(self, variables: Mapping[str, str], seconds: float = ANSWER_SECONDS) -> None:
        self.address = address(variables)
        self._variables, self._seconds = variables, seconds

    def create(self, name: str, config: Mapping[str, Any]) -> str:
        """Make a container, and return its id. See `begin_create` and `created`."""
        return self.created(self.begin_create(name, config))

    def begin_create(self, name: str, config: Mapping[str, Any]) -> "Socket":
        """Have a container made; `created` waits for the answer. Raises EngineGone."""
        path = f"/containers/create?{_query({'name': name})}"
        return self._send("POST", path, config, {"Connection": "close"})

    def created(self, connection: "Socket") -> str:
        """The id of a container that is being made.

        Raises:
            EngineError: 404: there is no such image; 409: there is a container of that name; 400: it cannot be.
            EngineGone: it does not answer.
        """
        return str(self._answer(connection)["Id"])

    def start(self, container: str) -> None:
        """Start it. Raises EngineError, EngineGone."""
        self.started(self.begin_start(container))

    def begin_start(self, container: str) -> "Socket":
        """Have it started; `started` waits for the answer. Raises EngineGone."""
        return self._send("POST", f"/containers/{_quoted(container)}/start", None, {"Connection": "close"})

    def started(self, connection: "Socket") -> None:
        """Wait until one is started. Raises EngineError, EngineGone."""
        self._answer(connection)

    def inspect(self, container: str) -> Dict[str, Any]:
        """What is known of it. Raises EngineError, EngineGone."""
        found: Dict[str, Any] = self._ask("GET", f"/containers/{_quoted(container)}/json")
        return found

    def image(self, name: str) -> Dict[str, Any]:
        """What is known of an image. Raises EngineError, EngineGone."""
        return self.known_image(self.begin_image(name))

    def begin_image(self, name: str) -> "Socket":
        """Ask what is known of an image; `known_image` waits for the answer. Raises EngineGone."""
        return self._send("GET", f"/images/{_quoted(name)}/json", None, {"Connection": "close"})

    def known_image(self, connection: "Socket") -> Dict[str, Any]:
        """The record of an image. Raises EngineError, EngineGone."""
        found: Dict[str, Any] = self._answer(connection)
        return found

    def begin_stop(self, container: str, grace: float) -> "Socket":
        """Have it asked to end, and killed after the grace, seconds. The engine does that as long as the connection is
        open that this returns. Raises EngineGone."""
        return self._send("POST", f"/containers/{_quoted(container)}/stop?t={int(grace)}", None, {})

    def kill(self, container: str) -> None:
        """Kill it; not an error when it has ended. Raises EngineError, EngineGone."""
        try:
            self._ask("POST", f"/containers/{_quoted(container)}/kill")
        except EngineError as error:
            if error.status != 409:
                raise

    def remove(self, container: str) -> None:
        """Remove it, also while it runs; not an error when it is gone. Raises EngineError, EngineGone."""
        self.removed(self.begin_remove(container))

    def begin_remove(self, container: str) -> "Socket":
        """Have it removed; `removed` waits for the answer. Raises EngineGone."""
        path = f"/containers/{_quoted(container)}?{_query({'force': 1, 'v': 1})}"
        return self._send("DELETE", path, None, {"Connection": "close"})

    def removed(self, connection: "Socket") -> None:
        """Wait until one is removed. Raises EngineError, EngineGone."""
        try:
            self._answer(connection)
        except EngineError as error:
            if error.status not in (404, 409):  # (409: its removal is in progress)
                raise

    def labelled(self, *labels: str) -> List[Dict[str, Any]]:
        """All containers with these labels (`name` or `name=value`), ended ones too. Raises EngineError, EngineGone."""
        filters = json.dumps({"label": list(labels)})
        found: List[Dict[str, Any]] = self._ask("GET", "/containers/json?" + _query({"all": 1, "filters": filters}))
        return found

    def attach(self, container: str) -> Stream:
        """What it prints from now on. Raises EngineError, EngineGone."""
        return self.attached(self.begin_attach(container))

    def begin_attach(self, container: str) -> "Socket":
        """Ask for what it prints from now on; `attached` waits for the answer. Raises EngineGone."""
        asked = _query({"stream": 1, "stdout": 1, "stderr": 1})
        return self._send("POST", f"/containers/{_quoted(container)}/attach?{asked}", None, _UPGRADE)

    def attached(self, connection: "Socket") -> Stream:
        """What one prints that was attached to. Raises EngineError, EngineGone."""
        return self._streamed(connection)

    def follow(self, container: str, to_its_end: bool = True) -> Stream:
        """What it has printed and will, to its end, as the engine keeps it. Raises EngineError, EngineGone.

        Args:
            to_its_end: Else what it has printed so far.
        """
        asked = _query({"stdout": 1, "stderr": 1, "follow": int(to_its_end)})
        path = f"/containers/{_quoted(container)}/logs?{asked}"
        return self._streamed(self._send("GET", path, None, {"Connection": "close"}))

    def logs(self, container: str) -> Iterator[bytes]:
        """What it has printed so far, as the engine keeps it, piece by piece. Raises EngineError, EngineGone."""
        with contextlib.closing(self.follow(container, to_its_end=False)) as stream:
            while True:
                data = stream.read()
                if data is None:
                    return
                yield data

    def wait(self, container: str) -> "Socket":
        """A connection that has something to read once it has ended. Raises EngineGone."""
        return self._send("POST", f"/containers/{_quoted(container)}/wait", None, {})

    def execute(self, container: str, command: List[str]) -> Stream:
        """Execute a command in a container; what it prints. Raises EngineError, EngineGone."""
        asked = {"Cmd": command, "AttachStdout": True}
        made = self._ask("POST", f"/containers/{_quoted(container)}/exec", asked)
        begun = {"Detach": False, "Tty": False}
        return self._streamed(self._send("POST", f"/exec/{_quoted(made['Id'])}/start", begun, _UPGRADE))

    def ping(self) -> None:
        """Raises EngineGone when it does not answer."""
        self._ask("GET", "/_ping", parse=False)

    def _ask(self, method: str, path: str, body: Any = None, seconds: float = 0.0, parse: bool = True) -> Any:
        return self._answer(self._send(method, path, body, {"Connection": "close"}, seconds), parse)

    def _answer(self, connection: "Socket", parse: bool = True) -> Any:
        with contextlib.closing(connection):
            try:
                reader = Reader(connection)
                status, headers = reader.head()
                content = b"" if status in (204, 304) else reader.body(headers)
            except (OSError, ValueError) as error:
                raise EngineGone(0, f"{self.address}: {why(error)}") from error
        _refuse(status, content)
        try:
            return json.loads(content) if content and parse else None
        except ValueError as error:
            raise EngineGone(0, f"{self.address} returned an answer that isn't JSON") from error

    def _streamed(self, connection: "Socket") -> Stream:
        try:
            reader = Reader(connection)
            status, headers = reader.head()
            if status not in (101, 200):
                _refuse(status, reader.body(headers))
            return Stream(connection, reader, headers)
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, ValueError)) and not isinstance(error, EngineGone):
                raise EngineGone(0, f"{self.address}: {why(error)}") from error
            raise

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], seconds: float = 0.0
    ) -> "Socket":
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: docker", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json"] * (body is not None)
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            connection = self._connect(seconds or self._seconds)
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        except (OSError, ValueError) as error:
            raise EngineGone(0, f"{self.address}: {why(error)}") from error
        return connection

    def _connect(self, seconds: float) -> "Socket":
        scheme, _, place = self.address.partition("://")
        if scheme == "unix":
            connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            connection.settimeout(seconds)
            try:
                connection.connect(place)
            except BaseException:
                connection.close()
                raise
            return connection
        if scheme not in SCHEMES:
            raise OSError(0, "is not reached this way, only unix:// and tcp:// are")
        host, _, port = place.rstrip("/").rpartition(":")
        import socket

        plain = socket.create_connection((host.strip("[]"), int(port)), seconds)
        return _secured(plain, host, self._variables) if self._variables.get("DOCKER_TLS_VERIFY") else plain


def _quoted(text: str) -> str:
    """A text as a part of an address."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


def _query(values: Mapping[str, object]) -> str:
    """What stands behind the question mark of an address."""
    return "&".join(f"{name}={_quoted(str(value))}" for name, value in values.items())


def address(variables: Mapping[str, str]) -> str:
    """Where the engine is: what DOCKER_HOST says, else the first of the usual sockets that exists."""
    named = variables.get("DOCKER_HOST")
    if named:
        return named
    runtime, home = variables.get("XDG_RUNTIME_DIR", ""), home_folder() or ""
    usual = "/var/run/docker.sock"
    places = [usual, os.path.join(runtime, "docker.sock") if runtime else "", home + "/.docker/run/docker.sock"]
    found = [place for place in places if place and os.path.exists(place)]
    return "unix://" + (found[0] if found else usual)


def is_here(place: str) -> bool:
    """Whether an engine is on this machine, as far as its address tells. Raises EngineGone: there is no such host, or
    no port is named."""
    scheme, _, rest = place.partition("://")
    if scheme == "unix":
        return True
    host, _, port = rest.rstrip("/").rpartition(":")
    if not port.isdecimal():
        raise EngineGone(0, f"{place} names no port")
    import socket

    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise EngineGone(0, f"{place}: {why(error)}") from error
    for family, kind, _, _, where in found:
        with contextlib.suppress(OSError), socket.socket(family, kind) as own:
            own.bind((where[0], 0, *where[2:]))  # (only to an address of this machine)
            return True
    return False


def is_loopback(place: str) -> bool:
    """Whether an engine listens on loopback alone, which containers reach only by the host's network.

    Args:
        place: Its address, of an engine that is here.
    """
    host = place.partition("://")[2].rstrip("/").rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")


def engine_variables(variables: Mapping[str, str]) -> Dict[str, str]:
    """Those variables of a session that tell where its engine is."""
    return {name: variables[name] for name in VARIABLES if variables.get(name)}


def wait_for_engine(engine: Engine, seconds: float) -> bool:
    """Whether the engine answers within so many seconds: it may be being restarted."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            engine.ping()
            return True
        except EngineError:  # it is starting
            pass
        except EngineGone:
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(0.25)


def _refuse(status: int, content: bytes) -> None:
    if status < 400:
        return
    try:
        said = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        said = content[:500].decode("utf-8", "replace")
    raise EngineError(status, said.strip())


def _secured(plain: "socket.socket", host: str, variables: Mapping[str, str]) -> "Socket":
    import ssl

    folder = variables.get("DOCKER_CERT_PATH") or os.path.join(home_folder() or "/", ".docker")
    context = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
    context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    return context.wrap_socket(plain, server_hostname=host)
