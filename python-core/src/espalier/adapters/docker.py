"""The Docker engine: the one module that imports the docker package. One client a process, its errors as ours.

A long call can be canceled at any moment, and an engine that falls silent is asked whether it still runs.
Nothing is imported before it is used: the package takes 0.15 s.
"""

import contextlib
import errno
import os
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple

from espalier.adapters.docker_errors import engine_refused, not_reachable
from espalier.adapters.engine import address as address_by
from espalier.base import progress
from espalier.base.errors import EspalierError
from espalier.base.extras import require

if TYPE_CHECKING:
    import docker

# How long the engine may take to answer (seconds): when it is first asked, and for anything after that which does not
# stream. Committing a container of gigabytes is given longer by `patiently`.
FIRST_ANSWER = 10
ANSWER = 60
PATIENT = 3600

_clients: Dict[Tuple[int, str], "docker.DockerClient"] = {}
# How often the caller is asked whether to go on, and after how long a silence the engine is (seconds).
_LOOK = 0.1
_SILENCE = 30.0


def engine() -> "docker.DockerClient":
    """The client of this process, connected. What is called on it goes inside of `translated`. Raises EspalierError:
    `docker_unavailable`, with what is wrong: no engine, no permission, no answer; `extra_missing`."""
    key = (os.getpid(), address())  # (a fork must not share the parent's connections)
    client = _clients.get(key)
    if client is None:
        client = _clients[key] = _connect(key[1])
    return client


def address() -> str:
    """Where the engine is, by this process's variables."""
    return address_by(os.environ)


def answers(seconds: float = FIRST_ANSWER) -> bool:
    """Whether the engine answers now; for those who have been hearing nothing from it for a while."""
    import docker.errors
    import requests

    try:
        with patiently(seconds):
            engine().ping()
    except (EspalierError, docker.errors.DockerException, requests.exceptions.RequestException):
        return False
    return True


def still_there(seconds: float = FIRST_ANSWER) -> None:
    """Make sure that the engine answers, for those to whom something odd has happened. Raises EspalierError:
    `docker_unavailable`."""
    with translated("The Docker engine ended what it was doing"), patiently(seconds):
        engine().ping()


@contextlib.contextmanager
def patiently(seconds: float = PATIENT) -> Iterator[None]:
    """In the block the engine may take that long to answer."""
    api = engine().api
    before, api.timeout = api.timeout, seconds  # type: ignore[assignment]
    try:
        yield
    finally:
        api.timeout = before


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """What the docker package raises in the block becomes an error of ours.

    Args:
        what: What was being done, the beginning of the error's sentence: `Can't pull the image a:1`.

    Raises:
        EspalierError: `docker_unavailable` when the engine does not answer; `image_missing` where there is no such
            image; `registry_failed`, `build_failed` (no space left); else `docker_failed`, whose field `status` is
            the engine's: 404 where there is no such container, 409 for a name that is taken.
    """
    try:
        yield
    except EspalierError:
        raise
    except Exception as error:
        translation = _translation(what, error)
        if translation is None:
            raise
        raise translation from error


def files_of_context(root: str, dockerfile: str) -> List[str]:
    """The files of a build's context, by their paths in it: all but what its `.dockerignore` leaves out."""
    from docker.utils.build import exclude_paths

    patterns: List[str] = []
    with contextlib.suppress(OSError), open(os.path.join(root, ".dockerignore"), encoding="utf-8") as file:
        lines = (line.strip() for line in file)
        patterns = [line for line in lines if line and not line.startswith("#")]
    return sorted(exclude_paths(root, patterns, dockerfile=dockerfile))


class Connection:
    """A separate connection to the engine for one long call, which another thread can break off.

    The engine takes that for the caller's death: a build, a pull or a push ends, and its container with it.
    """

    def __init__(self) -> None:
        import docker

        shared = engine().api
        self.api = docker.APIClient(**_settings(address()), version=shared.api_version, timeout=PATIENT)
        self._responses: List[Any] = []
        self.api.hooks["response"].append(lambda response, **_: self._responses.append(response))

    def break_off(self) -> None:
        """End what is going on, or nothing if it has ended."""
        for response in self._responses:
            # (closing alone would not wake the thread that reads)
            sock = getattr(getattr(response.raw, "connection", None), "sock", None)
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        self.api.close()


def _settings(where: str) -> Dict[str, Any]:
    from docker.utils import kwargs_from_env

    return {**kwargs_from_env(), "base_url": where}


def _translation(what: str, error: Exception) -> Optional[EspalierError]:
    import docker.errors
    import requests

    if isinstance(error, docker.errors.APIError):
        said = str(error.explanation or error)
        return engine_refused(what, said, error.status_code, isinstance(error, docker.errors.ImageNotFound))
    if isinstance(error, requests.exceptions.RequestException):
        return not_reachable(address(), error, f"{what}.")
    import urllib3.exceptions

    # (a stream that breaks off raises them bare)
    if isinstance(error, (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)):
        return not_reachable(address(), error, f"{what}.")
    if isinstance(error, docker.errors.DockerException):
        return engine_refused(what, str(error), None, False)
    return None


def _connect(where: str) -> "docker.DockerClient":
    # (without an engine the package would be of no use)
    if where.startswith("unix://") and not os.path.exists(where[len("unix://"):]):
        raise not_reachable(where, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    require("docker")
    import docker
    import docker.errors
    import requests

    try:
        client = docker.DockerClient(version="auto", timeout=FIRST_ANSWER, **_settings(where))
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError) as error:
        raise not_reachable(where, error) from error
    client.api.timeout = ANSWER
    return client


def streamed(what: str, call: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """What a long call of the engine yields, as it comes.

    Args:
        what: What is being done, the beginning of an error's sentence.
        call: Makes the call with the API client it is given, and returns what it streams.

    Raises:
        EspalierError: as `translated`.
        Cancelled: the call was called off; the engine knows.
    """
    with translated(what):
        connection = Connection()
    heard: queue.SimpleQueue[Tuple[str, Any]] = queue.SimpleQueue()
    thread = threading.Thread(target=_listen, args=(connection, call, heard), name="espalier-docker", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = _next(what, heard)
            if kind == "end":
                return
            if kind == "error":
                with translated(what):
                    raise value
            yield value
    finally:
        connection.break_off()
        thread.join(5)


def waited(what: str, call: Callable[[Any], Any]) -> Any:
    """The value of a call of the engine that may take long without a word. The same errors."""
    for value in streamed(what, lambda api: iter([call(api)])):
        return value


def _listen(
    connection: Connection, call: Callable[[Any], Iterator[Any]], heard: "queue.SimpleQueue[Tuple[str, Any]]"
) -> None:
    try:
        for value in call(connection.api):
            heard.put(("item", value))
        heard.put(("end", None))
    except BaseException as error:  # any error is the caller's
        heard.put(("error", error))


def _next(what: str, heard: "queue.SimpleQueue[Tuple[str, Any]]") -> Tuple[str, Any]:
    silent = 0.0
    while True:
        progress.check()
        try:
            return heard.get(timeout=_LOOK)
        except queue.Empty:
            silent += _LOOK
        if silent >= _SILENCE:
            silent = 0.0
            if not answers():
                raise EspalierError(
                    "docker_unavailable",
                    f"{what}. The Docker engine at {address()} has stopped answering meanwhile.",
                    "Start it again, then repeat the call.",
                    address=address(),
                )
