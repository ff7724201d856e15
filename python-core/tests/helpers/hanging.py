"""What would hang, or take hours, if it were wrong. (How long it takes is a figure of the bench, not of a test.)"""

import time
from contextlib import contextmanager
from typing import Iterator

SECONDS = 60.0


@contextmanager
def not_hanging() -> Iterator[None]:
    """Fails if the block takes a minute. It has to be such that the fault looked for takes longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SECONDS, "it hung"
