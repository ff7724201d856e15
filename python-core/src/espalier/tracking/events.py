"""Reading event logs: every writer's file, merged in order (protocol.md, "events")."""

import contextlib
import gc
import json
import os
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Sequence, Tuple

from espalier.adapters.files import open_regular, with_body
from espalier.errors import EspalierError
from espalier.paths import FORMAT, RunPaths, is_event_log

# (what is made of a block stays in the processor's cache)
_BLOCK_BYTES = 512 * 1024


def read_events(run: RunPaths) -> List[Dict[str, Any]]:
    """All events of a run, ordered by time, then writer, then sequence.

    Raises:
        EspalierError: `damaged` with file and line number, `newer_format`.
    """
    merged: List[Dict[str, Any]] = []
    for path in logs_in(run.events):
        for numbers, block in line_blocks(path):
            merged.extend(event for _, event in parse_events(block.split(b"\n"), numbers, path))
    # stable: events of one time stay in the order of writer and sequence
    merged.sort(key=lambda event: float(event["time"]))
    return merged


def logs_in(folder: str) -> List[str]:
    """The writers' files in `events/` or `parts/`, sorted by name.

    Raises:
        EspalierError: `damaged` if the folder cannot be read.
    """
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if is_event_log(name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def parse_events(
    lines: List[bytes], numbers: Sequence[int], path: str
) -> Iterator[Tuple[int, Dict[str, Any]]]:
    """The events of some lines of a log, each with its number.

    Args:
        lines: Whole lines, without their ends.
        numbers: Of each line, from 1.
        path: The log.

    Raises:
        EspalierError: `damaged` with file and line number, `newer_format`.
    """
    for number, event in zip(numbers, _parse(lines, path, numbers)):
        if event.get("type") == "writer":
            _check_header(event, path)
        elif not _is_time(event.get("time")) or not isinstance(event.get("type"), str):
            raise damaged_line(path, number)
        else:
            yield number, event


def _is_time(value: Any) -> bool:
    """Seconds since 1970 that a clock can show (JSON knows numbers of any length)."""
    return isinstance(value, (int, float)) and -1e12 < value < 1e12


def line_blocks(path: str) -> Iterator[Tuple[range, bytes]]:
    """Blocks of whole lines, each with the numbers of its lines, from 1.

    A last line without its end is a write in progress and left out.

    Raises:
        EspalierError: `damaged` if the file cannot be read.
    """
    rest, first = b"", 1
    with _opened(path) as file:
        while True:
            # (more where a line is longer than a block: each byte is copied a few times only)
            block = file.read(max(_BLOCK_BYTES, len(rest)))
            if not block:
                return
            block = rest + block
            end = block.rfind(b"\n")
            if end >= 0:
                numbers = range(first, first + block.count(b"\n", 0, end) + 1)
                yield numbers, block[:end]
                first = numbers.stop
            rest = block[end + 1 :]


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
    message = f"{path} is no readable event log: {error.strerror}."
    return EspalierError("damaged", message, "Remove it to read the rest.", path=path)


def _parse(lines: List[bytes], path: str, numbers: Sequence[int]) -> Iterable[Dict[str, Any]]:
    """Parse many lines at once, and line by line only where that fails (it is four times slower)."""
    try:
        events: List[Dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
        # a line holding `{..},{..}` would parse but shift the count
        if len(events) == len(lines) and all(isinstance(event, dict) for event in events):
            return events
    except (ValueError, RecursionError):
        pass
    # one by one, on demand: the header comes first and may say that the rest is of a newer format
    return (_parse_line(line, path, number) for line, number in zip(lines, numbers))


def _parse_line(line: bytes, path: str, number: int) -> Dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise damaged_line(path, number)
    return event


def _check_header(header: Dict[str, Any], path: str) -> None:
    version = header.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise EspalierError(
            "newer_format",
            f"{path} has format {version}, this espalier reads up to {FORMAT}.",
            "Install a newer espalier.",
        )


def damaged_line(path: str, number: int) -> EspalierError:
    """What is said of a line that is no event."""
    return EspalierError(
        "damaged",
        f"{path} is damaged at line {number}: it is no event.",
        "Remove that line to read the rest; what was logged around it is whole.",
        path=path,
        line=number,
    )


def with_payload(run: RunPaths, event: Dict[str, Any]) -> Dict[str, Any]:
    """The event with its payload's fields, if its body lies in a payload file.

    Raises:
        EspalierError: `damaged` if the payload is missing, unreadable, or named outside `payloads/`.
    """
    if "payload" not in event:
        return event
    try:
        return with_body(run, event)
    except (OSError, ValueError) as error:
        path = os.path.join(run.payloads, os.path.basename(str(event["payload"])))
        raise EspalierError(
            "damaged", f"{path} cannot be read: {error}.", "What it holds is lost.", path=path
        ) from error
