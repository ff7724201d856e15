"""Limits of time for code of other packages. Standard library only."""

import contextlib
import os
import signal
import time
from typing import Any, Callable, Iterator, List, Optional

from espalier.base.paths import RunPaths
from espalier.executors.contract import Interruption

# What takes too long is interrupted, and then, this many ticks apart, so often again before its process is killed.
_TICK_SECONDS, _AGAIN, _TIMES = 1.0, 10, 4


class TooLong(Interruption):
    """Raised out of what an executor does."""


class Canceled(Interruption):
    """The same, where the run is to be canceled."""


@contextlib.contextmanager
def limit(
    seconds: Optional[float], run: Optional[RunPaths] = None, last_words: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Interrupt the block after so many seconds, and again, because it may swallow that. Then kill this process.

    Args:
        run: It is interrupted too when a cancel of this run is asked for.
        last_words: Called before this process is killed.
    """
    if seconds is None:
        yield
        return
    ticks = int(-(-seconds // _TICK_SECONDS))
    over, raised, counted = ticks, 0, 0

    def ticked(*_: Any) -> None:
        nonlocal over, raised, counted
        counted += 1
        is_canceled = not raised and run is not None and os.path.exists(run.cancel)
        if counted < over and not is_canceled:
            return
        if raised == _TIMES:
            try:
                last_words()
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        raised += 1
        over = counted + min(ticks, _AGAIN)
        raise Canceled if is_canceled else TooLong

    old = signal.signal(signal.SIGALRM, ticked)
    signal.setitimer(signal.ITIMER_REAL, seconds / ticks, seconds / ticks)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # (a tick may have come on the way there)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@contextlib.contextmanager
def insisting(last_words: Callable[[], None]) -> Iterator[None]:
    """Raise again what the handlers of ALRM and USR1 raise, for what is done inside may swallow it. Then kill this
    process.

    Args:
        last_words: Called before this process is killed.
    """
    old = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGUSR1)}
    began = time.monotonic()
    outer, outer_every = signal.getitimer(signal.ITIMER_REAL)
    raised: List[Interruption] = []

    def handle(number: int, frame: Any) -> None:
        handler = old[signal.Signals(number)]
        if raised and number == signal.SIGALRM:
            if len(raised) == _TIMES:
                try:
                    last_words()
                finally:
                    os.kill(os.getpid(), signal.SIGKILL)
            raised.append(raised[0])
            raise raised[0]
        if not raised and callable(handler):
            try:
                handler(number, frame)
            except Interruption as stop:
                raised.append(stop)
                again = min(time.monotonic() - began + _TICK_SECONDS, _AGAIN * _TICK_SECONDS)
                signal.setitimer(signal.ITIMER_REAL, again, again)
                raise

    for number in old:
        signal.signal(number, handle)
    try:
        yield
    finally:
        if raised:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in old.items():
            signal.signal(number, handler)
        left = outer - (time.monotonic() - began)
        if raised and (left > 0 or outer_every):  # (one that goes off once may have done so)
            signal.setitimer(signal.ITIMER_REAL, left if left > 0 else outer_every, outer_every)
