"""Limits inside one another."""

import os
import signal
import time
from typing import Any

import pytest
from espalier.executors.contract import Interruption
from espalier.executors.limit import insisting


class Stop(Interruption):
    pass


def test_an_outer_timer_goes_on_after_an_interruption() -> None:
    def stop(*_: Any) -> None:
        raise Stop

    def never() -> None:
        pass

    old = {number: signal.signal(number, stop) for number in (signal.SIGUSR1, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        with pytest.raises(Stop), insisting(never):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(5)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 40
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in old.items():
            signal.signal(number, handler)
