"""Reading event logs: every writer's file, merged in order (protocol.md, "events")."""

import contextlib
import gc
import json
import os
import warnings
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from espalier.adapters.files import open_regular, with_body
from espalier.adapters.inside import names_in
from espalier.base.errors import DamageWarning, EspalierError
from espalier.base.paths import FORMAT, RunPaths, is_event_log
from espalier.base.records import LINE_BYTES, PAYLOAD_BYTES, link_remedy

# (what is made of a block stays in the processor's cache)
_BLOCK_BYTES = 512 * 1024


class Damage:
    """What readers of logs leave out, because it isn't what it should be: lines, and payloads of lines."""

    def __init__(self) -> None:
        self._lines: Dict[str, Set[int]] = {}
        self._payloads: Dict[str, str] = {}

    def line(self, path: str, number: int) -> None:
        """Note a line that isn't an event; noted again, it counts once."""
        self._lines.setdefault(path, set()).add(number)

    def texts(self) -> List[str]:
        """A sentence for each damaged file."""
        return [*self.by_file().values()]

    def by_file(self) -> Dict[str, str]:
        """The same by the file that it is about."""
        return {**{path: _damage_of(path, sorted(numbers)) for path, numbers in self._lines.items()}, **self._payloads}

    def warn(self) -> None:
        """Warn of each damaged file once."""
        for text in self.texts():
            warnings.warn(text, DamageWarning, stacklevel=3)

    def with_payload(
        self, run: RunPaths, event: Dict[str, Any], limit_bytes: int = PAYLOAD_BYTES
    ) -> Optional[Dict[str, Any]]:
        """The event with its payload's fields, if its body lies in a payload file. None, and noted, if the payload is
        missing, unreadable, too long, or named outside `payloads/`.
        """
        if "payload" not in event:
            return event
        try:
            return with_body(run, event, limit_bytes)
        except (OSError, ValueError) as error:
            path = os.path.join(run.payloads, os.path.basename(str(event["payload"])))
            self._payloads[path] = f"{path} can't be read and is left out: {error}."
            return None

    def whole(self, run: RunPaths, events: Iterable[Dict[str, Any]]) -> List[Dict[str, Any]]:
        """The events with their payloads, without those whose payload is damaged."""
        return [event for event in (self.with_payload(run, event) for event in events) if event is not None]


def _damage_of(path: str, numbers: List[int]) -> str:
    if len(numbers) == 1:
        return f"{path} is damaged at line {numbers[0]}, which is left out."
    return f"{path} is damaged at {len(numbers)} lines, which are left out; the first is line {numbers[0]}."


def read_events(
    run: RunPaths, damage: Damage, only: Optional[str] = None, limit_bytes: Optional[int] = None
) -> List[Dict[str, Any]]:
    """All events of a run, ordered by time, then writer, then sequence.

    Args:
        damage: Gets the lines that are no events.
        only: The type of those that are wanted; None for all.
        limit_bytes: Read no more than about so much of each writer's log.

    Raises:
        EspalierError: `damaged` if a log cannot be read at all, `newer_format`.
    """
    merged: List[Dict[str, Any]] = []
    for path in logs_in(run.events):
        done = 0
        for numbers, block in line_blocks(path):
            with no_collector():
                events = [event for _, event in parse_events(block.split(b"\n"), numbers, path, damage)]
            merged += events if only is None else [event for event in events if event["type"] == only]
            done += len(block)
            if limit_bytes is not None and done > limit_bytes:
                break
    # stable: events of one time stay in the order of writer and sequence
    merged.sort(key=lambda event: float(event["time"]))
    return merged


def logs_in(folder: str) -> List[str]:
    """The writers' files in `events/` or `parts/`, sorted by name. Raises EspalierError: `damaged` if the folder cannot
    be read."""
    try:
        return [os.path.join(folder, name) for name in sorted(names_in(folder)) if is_event_log(name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def parse_events(
    lines: List[bytes], numbers: Sequence[int], path: str, damage: Damage
) -> Iterator[Tuple[int, Dict[str, Any]]]:
    """The events of some lines of a log, each with its number.

    Args:
        lines: Whole lines, without their ends.
        numbers: Of each line, from 1.
        damage: Gets the lines that are no events.

    Raises:
        EspalierError: `newer_format`.
    """
    for number, event in zip(numbers, _parse(lines)):
        if event is not None and event.get("type") == "writer":
            _check_header(event, path)
        elif event is None or not _is_time(event.get("time")) or not isinstance(event.get("type"), str):
            damage.line(path, number)
        else:
            yield number, event


def _is_time(value: Any) -> bool:
    """Seconds since 1970 that a clock can show (JSON knows numbers of any length)."""
    return isinstance(value, (int, float)) and -1e12 < value < 1e12


def line_blocks(path: str) -> Iterator[Tuple[range, bytes]]:
    """Blocks of whole lines, each with the numbers of its lines, from 1.

    A last line without its end is a write in progress and left out.

    Raises:
        EspalierError: `damaged` if the file cannot be read, or a line has no end within `LINE_BYTES`.
    """
    rest, first = b"", 1
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        while True:
            # (more where a line is longer than a block: each byte is copied a few times only; less for most logs:
            # memory for a block takes longer to get than they to read)
            wanted = max(min(_BLOCK_BYTES, size + 1), len(rest))
            read = file.read(wanted)
            block = rest + read
            end = block.rfind(b"\n")
            if end >= 0:
                numbers = range(first, first + block.count(b"\n", 0, end) + 1)
                yield numbers, block[:end]
                first = numbers.stop
            rest = block[end + 1 :]
            if len(rest) > LINE_BYTES:  # (a sparse file has any length)
                raise _endless_line(path, first)
            if len(read) < wanted:  # the end
                return


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """The collector would look through millions of tuples again and again, none of which is part of a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _opened(path: str) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> EspalierError:
    message = f"Can't read the event log {path}: {error.strerror}."
    return EspalierError("damaged", message, link_remedy(path) or "Move it elsewhere to read the rest.", path=path)


def _endless_line(path: str, number: int) -> EspalierError:
    message = f"Can't read {path}: line {number} has no end."
    return EspalierError("damaged", message, "Remove that line to read the rest.", path=path, line=number)


def _parse(lines: List[bytes]) -> Iterable[Optional[Dict[str, Any]]]:
    """Parse many lines at once, and line by line only where that fails (it is four times slower). None for a line that
    is no JSON object."""
    try:
        events: List[Dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
        # a line holding `{..},{..}` would parse but shift the count
        if len(events) == len(lines) and all(isinstance(event, dict) for event in events):
            return events
    except (ValueError, RecursionError):
        pass
    # one by one, on demand: the header comes first and may say that the rest is of a newer format
    return map(_parse_line, lines)


def _parse_line(line: bytes) -> Optional[Dict[str, Any]]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _check_header(header: Dict[str, Any], path: str) -> None:
    version = header.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise EspalierError(
            "newer_format",
            f"Can't read {path}: it has format {version}, and this espalier reads up to {FORMAT}.",
            "Install a newer espalier.",
        )
