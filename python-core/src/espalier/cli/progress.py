"""How far a long operation is, in one line of the terminal."""

import contextlib
import sys
import threading
from typing import Iterator

from espalier.base.progress import Listener, listening
from espalier.cli.text import one_line

# Nothing is shown of what ends sooner. Seconds.
_FIRST, _EACH = 0.5, 0.1


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Show on stderr what the block reports."""
    listener, done = Listener(), threading.Event()
    thread = threading.Thread(target=_show, args=(listener, done), daemon=True)
    thread.start()
    try:
        with listening(listener):
            yield
    finally:
        done.set()
        thread.join()


def _show(listener: Listener, done: threading.Event) -> None:
    width = 0
    ended = done.wait(_FIRST)
    while not ended:
        if listener.seen is not None:
            stage, count, total = listener.seen
            text = one_line(stage + (f" {count:,} of {total:,}" if total else f" {count:,}" if count else ""))
            sys.stderr.write(f"\r{text.ljust(width)}")
            sys.stderr.flush()
            width = len(text)
        ended = done.wait(_EACH)
    if width:
        sys.stderr.write(f"\r{' ' * width}\r")
        sys.stderr.flush()
