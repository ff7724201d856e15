"""Long calls of the Docker engine, heard live: each can be called off at any moment, and an engine that falls silent
is asked whether it is still there."""

import queue
import threading
from typing import Any, Callable, Iterator, Tuple

from espalier.adapters import docker
from espalier.base import progress
from espalier.base.errors import EspalierError

# How often the caller is asked whether to go on, and after how long a silence the engine is (seconds).
_LOOK = 0.1
_SILENCE = 30.0


def streamed(what: str, call: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """What a long call of the engine yields, as it comes.

    Args:
        what: What is being done, the beginning of an error's sentence.
        call: Makes the call with the API client it is given, and returns what it streams.

    Raises:
        EspalierError: as `docker.translated`.
        Cancelled: the call was called off; the engine has been told.
    """
    with docker.translated(what):
        connection = docker.Connection()
    heard: queue.SimpleQueue[Tuple[str, Any]] = queue.SimpleQueue()
    thread = threading.Thread(target=_listen, args=(connection, call, heard), name="espalier-docker", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = _next(what, heard)
            if kind == "end":
                return
            if kind == "error":
                with docker.translated(what):
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
    connection: docker.Connection, call: Callable[[Any], Iterator[Any]], heard: "queue.SimpleQueue[Tuple[str, Any]]"
) -> None:
    try:
        for value in call(connection.api):
            heard.put(("item", value))
        heard.put(("end", None))
    except BaseException as error:  # whatever it is, it is the caller's
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
            if not docker.answers():
                raise EspalierError(
                    "docker_unavailable",
                    f"{what}. The Docker engine at {docker.address()} has stopped answering meanwhile.",
                    "Start it again, then repeat the call.",
                    address=docker.address(),
                )
