"""Reading a source file into the store: its content as it was at one moment, or a clear refusal."""

import errno
import hashlib
import os
import stat
from typing import NamedTuple, Optional

from espalier.base.errors import EspalierError
from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths, temporary
from espalier.base.progress import advance
from espalier.base.records import write_all
from espalier.store.objects import ObjectWriter
from espalier.store.stored_files import create, discard, place

_ATTEMPTS = 3
_WHOLE = 8 << 20  # a file up to this size is held in memory: one read, then at most one write
_CHUNK = 1 << 20
# O_NONBLOCK: a file that became a FIFO must be refused, not waited for.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Stored(NamedTuple):
    """What was read: the content's SHA-256, 64 hex digits, and the file's state at that moment."""

    digest: str
    seen: os.stat_result


class _Changed(Exception):
    """The file was written to while it was read."""


def put_file(
    writer: ObjectWriter, source_path: str, dir_fd: Optional[int] = None, name: Optional[str] = None
) -> Stored:
    """Puts one file's content into the store; nothing is written when it is there already.

    Args:
        writer: Takes the content.
        source_path: The file; never followed when it is a link.
        dir_fd: The open folder that `source_path` is relative to.
        name: What to call the file in messages; by default `source_path`.

    Returns:
        Its digest, and its state when it was read.

    Raises:
        EspalierError: `source_changed` when it is gone or changed during each of three readings,
            `source_unreadable` when it cannot be read, `workspace_read_only` when the store refuses.
    """
    label = name or source_path
    for _ in range(_ATTEMPTS):
        try:
            fd = os.open(source_path.encode("utf-8", "surrogateescape"), _READ, dir_fd=dir_fd)
        except OSError as error:
            raise _cannot_open(label, error) from error
        try:
            return _put_open(writer, fd, label)
        except _Changed:
            continue
        finally:
            os.close(fd)
    raise EspalierError(
        "source_changed",
        f"Can't take a snapshot: {label} changed during each of {_ATTEMPTS} readings.",
        "Stop the program that writes to it, or leave it out of the snapshot. Then submit again.",
        path=label,
    )


def _put_open(writer: ObjectWriter, fd: int, label: str) -> Stored:
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode):
        raise EspalierError(
            "source_changed", f"Can't take a snapshot: {label} is no longer a file.", "Submit again.", path=label
        )
    try:
        if before.st_size <= _WHOLE:
            data: Optional[bytes] = _read_whole(fd, before.st_size)
        else:
            data, hex_digest = None, _copy(fd, before.st_size, None)
    except OSError as error:
        raise _cannot_open(label, error) from error
    _check_same(before, os.fstat(fd))
    if data is not None:
        return Stored(writer.add(data), before)
    path = writer.paths.blob(hex_digest)
    if not _holds_large(path, before.st_size, hex_digest):
        _put_large(writer.paths, path, fd, before, hex_digest)
    writer.rely_on([path])
    return Stored(hex_digest, before)


def _read_whole(fd: int, size: int) -> bytes:
    """All bytes of a file that should have `size`; one more is asked for, to notice growth."""
    os.lseek(fd, 0, os.SEEK_SET)
    data = os.read(fd, size + 1)
    while 0 < len(data) < size:
        more = os.read(fd, size + 1 - len(data))
        if not more:
            break
        data += more
    if len(data) != size:
        raise _Changed
    return data


def _copy(fd: int, size: int, to: Optional[int], sparse: bool = False, again: bool = False) -> str:
    """The hex digest of a large file, written to `to` on the way when that is given; with its holes if `sparse`.

    Its bytes are reported as progress, unless they were before: `again`.
    """
    os.lseek(fd, 0, os.SEEK_SET)
    sha = hashlib.sha256()
    done = 0
    while True:
        chunk = os.read(fd, _CHUNK)
        if not chunk:
            break
        sha.update(chunk)
        done += len(chunk)
        if done > size:
            raise _Changed
        if to is not None and sparse and not chunk.strip(b"\0"):
            os.lseek(to, len(chunk), os.SEEK_CUR)
        elif to is not None:
            write_all(to, chunk)
        advance(0 if again else len(chunk))
    if done != size:
        raise _Changed
    if to is not None:
        os.ftruncate(to, size)
    return sha.hexdigest()


def _holds_large(path: str, size: int, hex_digest: str) -> bool:
    """Whether the store has a large file with its content. One with any other is damaged, and to be replaced."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return False
    try:
        return os.fstat(fd).st_size == size and _copy(fd, size, None, again=True) == hex_digest
    except (OSError, _Changed):
        return False
    finally:
        os.close(fd)


def _put_large(paths: WorkspacePaths, path: str, fd: int, seen: os.stat_result, hex_digest: str) -> None:
    """Copies a file that was hashed first (so that one already stored is never copied)."""
    aside = temporary(paths.blobs)
    try:
        to = create(paths, aside)
        try:
            if _copy(fd, seen.st_size, to, seen.st_blocks * 512 < seen.st_size, again=True) != hex_digest:
                raise _Changed
        finally:
            os.close(to)
        place(paths, aside, path)
    except BaseException as error:
        discard(aside)
        if isinstance(error, OSError):
            raise cannot_write(paths.root, error) from error
        raise


def _check_same(before: os.stat_result, after: os.stat_result) -> None:
    fields = ("st_size", "st_mtime_ns", "st_ctime_ns")
    if any(getattr(before, field) != getattr(after, field) for field in fields):
        raise _Changed


def _cannot_open(label: str, error: OSError) -> EspalierError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        what = "became a link" if error.errno == errno.ELOOP else "disappeared"
        message = f"Can't take a snapshot: {label} {what} meanwhile."
        return EspalierError("source_changed", message, "Submit again.", path=label)
    return EspalierError(
        "source_unreadable",
        f"Can't read {label}: {error.strerror}.",
        "Make it readable, or leave it out of the snapshot with a line in the ignore file.",
        path=label,
    )
