"""How far a long call has come, reported to a listener, which may also cancel it.

The core says where it is by `report` and `advance`, and asks by `check` at points where stopping leaves nothing
half-made. Where no listener is set, as in a Python session, a runner or a job, all of them do nothing.
"""

import contextlib
from contextvars import ContextVar
from typing import Iterator, Optional, Tuple


class Cancelled(KeyboardInterrupt):
    """The call was called off. A KeyboardInterrupt, so that no code takes it for a failure to handle."""


class Listener:
    """What a call reports, and what its listener asks; shared by the thread that works and the one that watches."""

    def __init__(self) -> None:
        self.seen: Optional[Tuple[str, int, Optional[int]]] = None
        self.cancelled = False
        # how deep the call is in what must not be abandoned
        self.indivisible = 0


_listener: "ContextVar[Optional[Listener]]" = ContextVar("espalier_listener", default=None)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """What this thread does in the block is reported to the listener."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def report(stage: str, done: int, total: Optional[int] = None) -> None:
    """Tell how far the call is; also a point where it can be called off.

    Args:
        stage: What is being done, as a user should read it.
        done: How much is done, files or bytes.
        total: Out of how much; None where that is not known.

    Raises:
        Cancelled: it was called off.
    """
    listener = _listener.get()
    if listener is not None:
        listener.seen = (stage, done, total)
        _stop_if_cancelled(listener)


def advance(more: int) -> None:
    """Tell that `more` has been done since the last `report`; otherwise the same."""
    listener = _listener.get()
    if listener is not None:
        if listener.seen is not None:
            stage, done, total = listener.seen
            listener.seen = (stage, done + more, total)
        _stop_if_cancelled(listener)


def check() -> None:
    """A point where the call can be called off.

    Raises:
        Cancelled: it was.
    """
    listener = _listener.get()
    if listener is not None:
        _stop_if_cancelled(listener)


@contextlib.contextmanager
def indivisible() -> Iterator[None]:
    """A block that is carried out to its end once it was begun: it holds a lock, or commits.

    Raises:
        Cancelled: the call was called off before.
    """
    listener = _listener.get()
    if listener is None:
        yield
        return
    listener.indivisible += 1  # before the check: either it sees the cancelling, or the canceller sees this
    try:
        if listener.cancelled and listener.indivisible == 1:
            raise Cancelled
        yield
    finally:
        listener.indivisible -= 1


def _stop_if_cancelled(listener: Listener) -> None:
    if listener.cancelled and not listener.indivisible:
        raise Cancelled
