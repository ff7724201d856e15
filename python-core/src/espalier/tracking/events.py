"""Reading event logs: every writer's file, merged in order (protocol.md, "events")."""

import json
import os
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List

from espalier.adapters.files import open_regular, with_body
from espalier.errors import EspalierError
from espalier.paths import FORMAT, RunPaths, is_event_log

_BLOCK_BYTES = 8 * 1024 * 1024


def read_events(run: RunPaths) -> List[Dict[str, Any]]:
    """All events of a run, ordered by time, then writer, then sequence.

    Raises:
        EspalierError: `damaged` with file and line number, `newer_format`.
    """
    merged: List[Dict[str, Any]] = []
    for name in sorted(_logs(run)):
        merged.extend(_read_log(os.path.join(run.events, name), name))
    # stable: events of one time stay in the order of writer and sequence
    merged.sort(key=lambda event: float(event["time"]))
    return merged


def _logs(run: RunPaths) -> List[str]:
    try:
        return [name for name in os.listdir(run.events) if is_event_log(name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(run.events, error) from error


def _read_log(path: str, name: str) -> Iterator[Dict[str, Any]]:
    line_number = 0
    for block in _complete_lines(path):
        lines = block.split(b"\n")
        for event, at in zip(_parse(lines, path, line_number), range(line_number, line_number + len(lines))):
            if event.get("type") == "writer":
                _check_header(event, path)
            elif not _is_time(event.get("time")) or not isinstance(event.get("type"), str):
                raise _damaged(path, at + 1)
            else:
                yield event
        line_number += len(lines)


def _is_time(value: Any) -> bool:
    """Seconds since 1970 that a clock can show (JSON knows numbers of any length)."""
    return isinstance(value, (int, float)) and -1e12 < value < 1e12


def _complete_lines(path: str) -> Iterator[bytes]:
    """Blocks of whole lines; a last line without its end is a write in progress and left out."""
    rest = b""
    with _opened(path) as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            if not block:
                return
            block = rest + block
            end = block.rfind(b"\n")
            if end >= 0:
                yield block[:end]
            rest = block[end + 1 :]


def _opened(path: str) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> EspalierError:
    message = f"{path} is no readable event log: {error.strerror}."
    return EspalierError("damaged", message, "Remove it to read the rest.", path=path)


def _parse(lines: List[bytes], path: str, before: int) -> Iterable[Dict[str, Any]]:
    """Parse many lines at once, and line by line only where that fails (it is four times slower)."""
    try:
        events: List[Dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
        # a line holding `{..},{..}` would parse but shift the count
        if len(events) == len(lines) and all(isinstance(event, dict) for event in events):
            return events
    except (ValueError, RecursionError):
        pass
    # one by one, on demand: the header comes first and may say that the rest is of a newer format
    return (_parse_line(line, path, before + i + 1) for i, line in enumerate(lines))


def _parse_line(line: bytes, path: str, number: int) -> Dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise _damaged(path, number)
    return event


def _check_header(header: Dict[str, Any], path: str) -> None:
    version = header.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise EspalierError(
            "newer_format",
            f"{path} has format {version}, this espalier reads up to {FORMAT}.",
            "Install a newer espalier.",
        )


def _damaged(path: str, number: int) -> EspalierError:
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
