"""JSON records on disk: read with their format checked, replaced whole.

Part of L0 because the runner, which may use nothing but L0 and the standard library, writes the state of its run.
"""

import json
import os
from typing import Any, Dict, Optional

from espalier.errors import EspalierError
from espalier.paths import FORMAT, temporary

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


def now_iso(seconds: float) -> str:
    """RFC 3339 in UTC with microseconds, for seconds since 1970 (no `datetime`: it costs the runner 2 ms)."""
    import time

    whole = int(seconds // 1)
    micro = min(int((seconds - whole) * 1e6), 999_999)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{micro:06d}Z"


def seconds_of(text: Optional[str]) -> Optional[float]:
    """Seconds since 1970 of an RFC 3339 time as records hold it; None stays None."""
    if not text:
        return None
    import calendar
    import time

    try:
        whole = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
        return whole + float("0" + text[19:].rstrip("Z"))
    except ValueError:
        return None


def read_record(path: str) -> Dict[str, Any]:
    """Read one record.

    Raises:
        FileNotFoundError: it does not exist.
        EspalierError: `damaged` (no JSON object), `newer_format`.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise _damaged(path, "it is no record with a format number")
    if record["format"] > FORMAT:
        raise EspalierError(
            "newer_format",
            f"{path} has format {record['format']}, this espalier reads up to {FORMAT}.",
            "Install a newer espalier to use it.",
            path=path,
        )
    return record


def _damaged(path: str, why: str) -> EspalierError:
    return EspalierError(
        "damaged",
        f"{path} cannot be read: {why}.",
        "Restore the file from a backup, or delete the folder it is in.",
        path=path,
    )


def dump_record(record: Dict[str, Any]) -> bytes:
    """The bytes of a record, indented for people who look at it."""
    return (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )


def write_file(path: str, data: bytes, sync: bool = False, mode: int = 0o666) -> None:
    """Create a file that does not exist yet (the caller renames it, or the folder around it, into place)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if sync:
            os.fsync(fd)
    except BaseException:
        os.close(fd)
        os.unlink(path)
        raise
    os.close(fd)


def replace_file(path: str, data: bytes, folder: str, sync: bool = False, mode: int = 0o666) -> None:
    """Replace a file whole, by way of a temporary file in `folder` (same file system)."""
    aside = temporary(folder)
    write_file(aside, data, sync, mode)
    try:
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise
    if sync:
        sync_folder(os.path.dirname(path))


def create_file(path: str, data: bytes, folder: str) -> bool:
    """Create a file whole and durable unless it exists, by way of a temporary file in `folder`; the first of several
    wins.

    Returns:
        False if it existed.
    """
    aside = temporary(folder)
    write_file(aside, data, sync=True)
    try:
        os.link(aside, path)
        sync_folder(os.path.dirname(path))
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: not whole after a crash, but the first still wins
        return _create_directly(path, data)
    finally:
        os.unlink(aside)
    return True


def _create_directly(path: str, data: bytes) -> bool:
    try:
        write_file(path, data)
    except FileExistsError:
        return False
    return True


def replace_record(path: str, record: Dict[str, Any], folder: str, sync: bool = False) -> None:
    """Replace a record whole. See `replace_file`."""
    replace_file(path, dump_record(record), folder, sync)


def sync_folder(path: str) -> None:
    """Make renames inside a folder durable."""
    fd = os.open(path, os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
