"""JSON records on disk: read with their format checked, replaced whole.

Part of L0 because the runner, which may use nothing but L0 and the standard library, writes the state of its run.
"""

import errno
import json
import os
import stat
import time
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, SPEC, SPEC_FORMAT, temporary

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_READ = os.O_RDONLY | _CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | _CLOEXEC | getattr(os, "O_DIRECTORY", 0)
# What the system reports where a link or a socket is opened that way, and below what isn't a folder.
_NO_FILE = frozenset((errno.ELOOP, errno.ENXIO, errno.EINVAL, errno.ENOTDIR, errno.EFBIG))
# No record is longer, in bytes (protocol.md, "Limits").
RECORD_BYTES = 16 << 20
# Nor nested deeper: what one reader takes each must be able to walk through and write again.
RECORD_DEPTH = 100
# The longest line of an event log, and of the body of an event that lies in a file of its own.
LINE_BYTES, PAYLOAD_BYTES = 16 << 20, 256 << 20
# What is created others may read, as far as the umask lets them, and never write.
FILE_MODE, FOLDER_MODE, PRIVATE_MODE = 0o644, 0o755, 0o600
_KINDS = (
    (stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a device"), (stat.S_ISCHR, "a device"),
)  # fmt: skip
_JSON_WORDS: Dict[type, str] = {dict: "an object", list: "an array", str: "text"}


def now_iso(seconds: float) -> str:
    """RFC 3339 in UTC with microseconds, for seconds since 1970 (no `datetime`: it costs the runner 2 ms)."""
    whole = int(seconds // 1)
    micro = min(int((seconds - whole) * 1e6), 999_999)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{micro:06d}Z"


def seconds_of(text: Optional[str]) -> Optional[float]:
    """Seconds since 1970 of an RFC 3339 time as records hold it; None stays None."""
    if not text:
        return None
    from datetime import datetime, timezone

    try:
        whole = datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc).timestamp()
        return whole + float("0" + text[19:].rstrip("Z"))
    except ValueError:
        return None


def kind_of_entry(mode: int) -> str:
    """What an entry of a folder is, in words, by its mode."""
    return next((word for is_kind, word in _KINDS if is_kind(mode)), "a file")


def open_plain(path: str, follow: bool = False, follow_folder: bool = False) -> int:
    """Open a plain file for reading that a job may have replaced: no FIFO is waited for.

    Args:
        follow: Follow a link in its place, which a user may have put there; else neither that, nor one in the place of
            the folder it lies in.
        follow_folder: Follow a link in the place of the folder alone.

    Raises:
        OSError: it is missing; or, with `EINVAL`, `ELOOP`, `ENXIO` or `ENOTDIR`, it isn't a plain file.
    """
    return _opened(path, follow, follow_folder)[0]


def _opened(path: str, follow: bool, follow_folder: bool) -> Tuple[int, int]:
    """See `open_plain`; with the file's size."""
    try:
        if follow:
            fd = os.open(path, _READ)
        elif follow_folder or os.open not in os.supports_dir_fd:
            fd = os.open(path, _READ | _NOFOLLOW)
        else:
            folder, slash, name = path.rpartition("/")  # (`os.path.split` takes as long as to open the file)
            fd = _open_below(folder or slash or os.curdir, name)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a link, not a plain file", path) from error
        error.filename = path  # (where a folder was opened first, it knows the name alone)
        raise
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode):
        return fd, found.st_size
    os.close(fd)
    raise OSError(errno.EINVAL, f"it is {kind_of_entry(found.st_mode)}, not a plain file", path)


def _open_below(folder: str, name: str) -> int:
    fd = os.open(folder, _FOLDER | _NOFOLLOW)
    try:
        return os.open(name, _READ | _NOFOLLOW, dir_fd=fd)
    finally:
        os.close(fd)


def read_plain(path: str, follow: bool = False, follow_folder: bool = False, limit: int = RECORD_BYTES) -> bytes:
    """Read a plain file that a job may have replaced.

    Args:
        follow, follow_folder: See `open_plain`.
        limit: The longest file that is read, in bytes.

    Raises:
        OSError: as `open_plain`; with `EFBIG`, it is longer.
    """
    fd, size = _opened(path, follow, follow_folder)
    try:
        if size > limit:
            raise _too_long(path, size, limit)
        data = os.read(fd, size + 1)
        while len(data) != size:  # it grows, or comes in parts
            more = os.read(fd, 1 << 20)
            if not more:
                break
            data += more
            if len(data) > limit:
                raise _too_long(path, len(data), limit)
        return data
    finally:
        os.close(fd)


def _too_long(path: str, size: int, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it has {size} bytes, and {limit} are the most that are read", path)


def read_record(path: str, follow: bool = False) -> Dict[str, Any]:
    """Read one record.

    Args:
        follow: Follow a link in its place: those of a workspace itself the user may keep elsewhere.

    Raises:
        FileNotFoundError: it does not exist.
        EspalierError: `damaged` (no plain file, too long or deep, no JSON object), `newer_format`.
    """
    try:
        data = read_plain(path, follow)
    except OSError as error:
        if error.errno in _NO_FILE and not (follow and error.errno == errno.ENOTDIR):
            raise _damaged(path, _why_no_file(path, error)) from error
        raise
    return parse_record(path, data)


def parse_record(path: str, data: bytes) -> Dict[str, Any]:
    """The record in some bytes.

    Args:
        path: Where they were read.
        data: The bytes.

    Raises:
        EspalierError: `damaged` (no JSON object, too deep), `newer_format`.
    """
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if _may_be_deep(data) and _is_deep(record):
        raise _damaged(path, f"it is nested deeper than {RECORD_DEPTH} levels")
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise _damaged(path, "it isn't a record with a format number")
    newest = SPEC_FORMAT if os.path.basename(path) == SPEC else FORMAT
    if record["format"] > newest:
        raise EspalierError(
            "newer_format",
            f"Can't read {path}: it has format {record['format']}, and this espalier reads up to {newest}.",
            "Install a newer espalier.",
            path=path,
        )
    return record


def _may_be_deep(data: bytes) -> bool:
    """Whether a record has enough brackets to be nested too deep. Most haven't, and so cost no walk."""
    return data.count(b"{") + data.count(b"[") > RECORD_DEPTH


def _is_deep(record: Any) -> bool:
    """Whether it is nested too deep."""
    level = [record]
    for _ in range(RECORD_DEPTH):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, (dict, list))]
    return bool(level)


def readable_record(path: str) -> Dict[str, Any]:
    """A record; empty where there is none that can be read."""
    try:
        return read_record(path)
    except (OSError, EspalierError):
        return {}


def check_kinds(path: str, record: Dict[str, Any], kinds: Mapping[str, type]) -> Dict[str, Any]:
    """A record whose fields are of the kinds that they should be; what is missing or null has none.

    Args:
        path: Where it was read.
        kinds: Field -> `dict`, `list` or `str`.

    Raises:
        EspalierError: `damaged`.
    """
    for name, kind in kinds.items():
        if record.get(name) is not None and not isinstance(record[name], kind):
            raise _damaged(path, f"its field `{name}` isn't {_JSON_WORDS[kind]}")
    return record


def _why_no_file(path: str, error: OSError) -> str:
    """What lies in the place of a record, in words."""
    if error.errno in (errno.EINVAL, errno.EFBIG):
        return str(error.strerror)
    for place in (os.path.dirname(path), path):
        try:
            mode = os.lstat(place).st_mode
        except OSError:
            continue
        if place != path and not stat.S_ISDIR(mode):
            return f"{place} is {kind_of_entry(mode)}, not a folder"
        if place == path and not stat.S_ISREG(mode):
            return f"it is {kind_of_entry(mode)}, not a plain file"
    return "it isn't a plain file"


def _damaged(path: str, why: str) -> EspalierError:
    return EspalierError(
        "damaged",
        f"Can't read {path}: {why}.",
        link_remedy(path) or "Restore the file from a backup.",
        path=path,
    )


def link_remedy(path: str) -> Optional[str]:
    """What to do where something of a run can't be read for a link in its place, or in that of the folder it lies in;
    None if there is none. (What was put on another disk is whole there, and nothing is to be deleted.)"""
    for place in (os.path.dirname(path), path):
        if os.path.islink(place):
            kind = "folder" if os.path.isdir(place) else "file"
            return f"Put the {kind} itself in the link's place: {place}."
    return None


def fast_encoder(encoder: json.JSONEncoder) -> Callable[[Any], str]:
    """What makes JSON of a value as an encoder does. (With an indent it would not be the one in C, which takes a fifth
    of the time. A `JSONEncoder` makes a new one of those for each value, which takes longer than to encode most.)"""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    text = json.encoder.encode_basestring_ascii if encoder.ensure_ascii else json.encoder.encode_basestring
    between = (encoder.key_separator, encoder.item_separator)
    encode = make(None, encoder.default, text, None, *between, encoder.sort_keys, False, encoder.allow_nan)
    return lambda value: "".join(encode(value, 0))


_text = json.encoder.encode_basestring
_encoded = fast_encoder(json.JSONEncoder(ensure_ascii=False, allow_nan=False))


def dump_record(record: Mapping[str, Any]) -> bytes:
    """The bytes of a record, for people and for R: each field in a line that begins with a blank."""
    lines = [f" {_text(name)}: {_encoded(value)}" for name, value in record.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")


def opener(path: str, flags: int) -> int:
    """For `open(..., opener=opener)`: what is created others may read and never write, and no link is followed."""
    return os.open(path, flags | _NOFOLLOW, FILE_MODE)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, in as many writes as that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_file(path: str, data: bytes, sync: bool = False, mode: int = FILE_MODE) -> None:
    """Create a file that does not exist yet (the caller renames it, or the folder around it, into place)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOEXEC, mode)
    try:
        write_all(fd, data)
        if sync:
            os.fsync(fd)
    except BaseException as error:
        os.close(fd)
        os.unlink(path)
        if isinstance(error, OSError):
            error.filename = path  # (of what is open already the system names no path)
        raise
    os.close(fd)


def replace_file(path: str, data: bytes, folder: str, sync: bool = False, mode: int = FILE_MODE) -> None:
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


def replace_record(path: str, record: Dict[str, Any], folder: str, sync: bool = False) -> None:
    """Replace a record whole. See `replace_file`. Raises EspalierError: `bad_argument`: it would be longer or deeper
    than a record may be."""
    data = dump_record(record)
    refuse_unreadable(path, data)
    replace_file(path, data, folder, sync)


def refuse_unreadable(path: str, data: bytes) -> None:
    """Raises EspalierError `bad_argument` for a record that would be longer or deeper than what is read."""
    if len(data) > RECORD_BYTES:
        raise EspalierError(
            "bad_argument",
            f"Can't write {path}: it has {len(data)} bytes, and a record has at most {RECORD_BYTES}.",
            "Give long values (tags, parameters, variables) as files.",
            path=path,
        )
    if _may_be_deep(data) and _is_deep(json.loads(data)):
        raise EspalierError(
            "bad_argument",
            f"Can't write {path}: it's nested deeper than {RECORD_DEPTH} levels.",
            "Give lists and objects with fewer levels.",
            path=path,
        )


def make_folders(path: str, *, exist_ok: bool = True, top: Optional[str] = None) -> None:
    """Make a folder, and those above it that are missing, which others may read and never write, with any umask.

    Args:
        exist_ok: Whether it may be there already.
        top: A folder above it that is never made: a workspace may just have been renamed.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.mkdir(path, FOLDER_MODE)
    except FileExistsError:
        if not exist_ok or not os.path.isdir(path):
            raise
    except FileNotFoundError:
        if os.path.dirname(path) == top:
            raise
        make_folders(os.path.dirname(path), top=top)
        make_folders(path, exist_ok=exist_ok, top=top)


def make_private_folder(path: str) -> None:
    """Make a folder that only its user can enter, and those above it that are missing, with any umask. Raises OSError:
    it cannot be made."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        make_private_folder(os.path.dirname(path))
        make_private_folder(path)


def sync_folder(path: str) -> None:
    """Make renames inside a folder durable."""
    fd = os.open(path, os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
