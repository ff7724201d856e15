"""The content-addressed store of a workspace: file contents, each under its SHA-256.

Nothing here waits for the disk (fsync); the submit does that once, when the run is prepared. Everything
appears by rename, so a name in the store always has its whole content, whoever writes at the same time.
"""

import contextlib
import errno
import hashlib
import os
import stat
from typing import NamedTuple, Optional

from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths, temporary
from espalier.progress import advance

_ATTEMPTS = 3
_WHOLE = 8 << 20  # a file up to this size is held in memory: one read, then at most one write
_CHUNK = 1 << 20
# O_NONBLOCK: a file that became a FIFO must be refused, not waited for.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Stored(NamedTuple):
    """What was read: the hex digest and size of the content, and whether the owner may execute it."""

    digest: str
    size: int
    executable: bool


class _Changed(Exception):
    """The file was written to while it was read."""


def put_file(
    paths: WorkspacePaths, source_path: str, dir_fd: Optional[int] = None, name: Optional[str] = None
) -> Stored:
    """Puts one file's content into the store; nothing is written when it is there already.

    Args:
        paths: The workspace.
        source_path: The file; never followed when it is a link.
        dir_fd: The open folder that `source_path` is relative to.
        name: What to call the file in messages; by default `source_path`.

    Returns:
        Its digest, size and executable bit, as they were when it was read.

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
            return _put_open(paths, fd, label)
        except _Changed:
            continue
        finally:
            os.close(fd)
    raise EspalierError(
        "source_changed",
        f"{label} kept changing while the snapshot was taken ({_ATTEMPTS} readings).",
        "Stop what writes to it, or leave it out of the snapshot, then submit again.",
        path=label,
    )


def _put_open(paths: WorkspacePaths, fd: int, label: str) -> Stored:
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode):
        raise EspalierError("source_changed", f"{label} is no longer a file.", "Submit again.", path=label)
    try:
        if before.st_size <= _WHOLE:
            data: Optional[bytes] = _read_whole(fd, before.st_size)
            hex_digest = hashlib.sha256(data or b"").hexdigest()
        else:
            data, hex_digest = None, _copy(fd, before.st_size, None)
    except OSError as error:
        raise _cannot_open(label, error) from error
    _check_same(before, os.fstat(fd))
    path = paths.blob(hex_digest)
    if not _present(path, before.st_size):
        if data is not None:
            put_bytes(paths, path, data)
        else:
            _put_large(paths, path, fd, before.st_size, hex_digest)
    return Stored(hex_digest, before.st_size, bool(before.st_mode & stat.S_IXUSR))


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


def _copy(fd: int, size: int, to: Optional[int]) -> str:
    """The hex digest of a large file, written to `to` on the way when that is given."""
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
        if to is not None:
            _write_all(to, chunk)
        # (it has been read once before it is copied)
        advance(len(chunk) if to is None else 0)
    if done != size:
        raise _Changed
    return sha.hexdigest()


def _put_large(paths: WorkspacePaths, path: str, fd: int, size: int, hex_digest: str) -> None:
    """Copies a file that was hashed first (so that one already stored is never copied)."""
    aside = temporary(paths.blobs)
    try:
        to = _create(aside)
        try:
            if _copy(fd, size, to) != hex_digest:
                raise _Changed
        finally:
            os.close(to)
        _rename(aside, path)
    except BaseException as error:
        _discard(aside)
        if isinstance(error, OSError):
            raise _cannot_write(paths, error) from error
        raise


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _create(path: str) -> int:
    """Opens a new file of the store: read-only for everyone, a blob is never edited."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o444)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, 0o444)


def _rename(aside: str, path: str) -> None:
    try:
        os.replace(aside, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(aside, path)


def _check_same(before: os.stat_result, after: os.stat_result) -> None:
    fields = ("st_size", "st_mtime_ns", "st_ctime_ns")
    if any(getattr(before, field) != getattr(after, field) for field in fields):
        raise _Changed


def _present(path: str, size: int) -> bool:
    """Whether the store has it. A blob of the wrong size is damage, and is replaced."""
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):  # it may never have been created
        os.unlink(path)


def _cannot_open(label: str, error: OSError) -> EspalierError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        what = "became a link" if error.errno == errno.ELOOP else "disappeared"
        message = f"{label} {what} while the snapshot was taken."
        return EspalierError("source_changed", message, "Submit again.", path=label)
    return EspalierError(
        "source_unreadable",
        f"{label} cannot be read: {error.strerror}.",
        "Make it readable, or leave it out of the snapshot with a line in the ignore file.",
        path=label,
    )


def _cannot_write(paths: WorkspacePaths, error: OSError) -> Exception:
    """The store's own troubles; a full disk stays the OSError it is."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = f"The workspace {paths.root} cannot be written: {error.strerror}."
        hint = "Make its folder writable, or use a workspace elsewhere."
        return EspalierError("workspace_read_only", message, hint, path=paths.root)
    return error


def put_bytes(paths: WorkspacePaths, path: str, data: bytes) -> None:
    """Writes one of the store's files whole, unless it is there already.

    Args:
        paths: The workspace.
        path: The file; its folder's folder is where the temporary file goes.
        data: Its content.

    Raises:
        EspalierError: `workspace_read_only` when the store refuses.
    """
    if _present(path, len(data)):
        return
    aside = temporary(os.path.dirname(os.path.dirname(path)))
    try:
        fd = _create(aside)
        try:
            _write_all(fd, data)
        finally:
            os.close(fd)
        _rename(aside, path)
    except OSError as error:
        _discard(aside)
        raise _cannot_write(paths, error) from error
