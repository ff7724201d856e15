"""Operations, carried out in this process."""

import contextlib
import sys
import threading
import warnings
from typing import Any, Iterator, Mapping, NamedTuple, Optional

from espalier.api.dispatch import Dispatcher
from espalier.api.wire import plain
from espalier.base.progress import Listener, listening
from espalier.cli.text import is_terminal, one_line, tell

# Nothing is shown of what ends sooner. Seconds.
_FIRST, _EACH = 0.5, 0.1


class Request(NamedTuple):
    """An operation to carry out."""

    class_name: str
    member: str
    identity: Optional[Mapping[str, Any]]
    arguments: Mapping[str, Any]

    def of(self, **arguments: Any) -> "Request":
        """The same with further arguments."""
        return self._replace(arguments={**self.arguments, **arguments})

    def carry_out(self) -> Any:
        """Its result."""
        return call(*self)


class _Carrier:
    """Tables and data stay as they are: nothing crosses to another process."""

    def argument(self, value: Any) -> Any:
        return value

    def frame(self, value: Any) -> Any:
        return value

    data = frame


def call(class_name: str, name: str, identity: Optional[Mapping[str, Any]], arguments: Mapping[str, Any]) -> Any:
    """Carry out an operation, with its warnings and its progress on stderr."""
    encoded = {key: plain(value) for key, value in arguments.items()}
    request = {"class": class_name, "member": name, "identity": identity, "args": encoded}
    prepared = Dispatcher(_Carrier()).prepared(request)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: tell(str(message), "!")
        with shown() if is_terminal(sys.stderr) else contextlib.nullcontext():
            return prepared.function(**prepared.arguments)


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
