"""Errors of the operating system as errors of espalier: the one place that names path, cause and remedy.

Where a module knows better what failed it raises a separate EspalierError; all that is left comes here, at the
boundary of the Python API (`arguments.py`) and of the bridge to R. Standard library: jobs load this file.
"""

import contextlib
import errno
import os
from typing import Iterator, Optional

from espalier.base.errors import EspalierError
from espalier.base.paths import WORKSPACE

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
# What a limit on processes, threads, memory or open files looks like where one is started.
_EXHAUSTED = {
    errno.EAGAIN: ("too_many_processes", "No further process or thread can be started", "ulimit -u"),
    errno.EMFILE: ("too_many_files", "This process has too many open files", "ulimit -n"),
    errno.ENFILE: ("too_many_files", "This machine has too many open files", "sysctl fs.file-max"),
    errno.ENOMEM: ("out_of_memory", "There is not enough memory", "free -h"),
}
# What a limit on threads is to Python's own, and to those of the native scanner.
_NO_THREAD = ("can't start new thread", os.strerror(errno.EAGAIN))


def os_error(error: BaseException, place: Optional[str] = None) -> Optional[EspalierError]:
    """The error that names path, cause and remedy.

    Args:
        place: The workspace that was being used, if there was one.

    Returns:
        None if it isn't an error of the operating system.
    """
    if isinstance(error, MemoryError):
        return _exhausted(errno.ENOMEM)
    if isinstance(error, RuntimeError) and str(error) in _NO_THREAD:
        return _exhausted(errno.EAGAIN)
    if not isinstance(error, OSError):
        return None
    path = _path_of(error)
    if error.errno in _EXHAUSTED and (path is None or error.errno != errno.EAGAIN):
        return _exhausted(error.errno)
    reason = _reason(error)
    workspace = _workspace_of(path) if path is not None else place
    if error.errno in _FULL:
        return _full(workspace or path or place, reason, code="workspace_read_only" if workspace else "disk_full")
    if error.errno in _FORBIDDEN:
        return _forbidden(error, path or place, workspace, reason)
    if error.errno in _ABSENT and path is not None:
        return _absent(path, place, reason)
    message = f"Can't use {path or 'a file'}: the operating system refused it: {reason}."
    return EspalierError("system_failed", message, _try_again(path), path=path or "")


def cannot_write(workspace: str, error: OSError) -> EspalierError:
    """The error that a workspace takes no file, whichever of its files it was."""
    if error.errno in _FULL:
        return _full(workspace, _reason(error), code="workspace_read_only")
    if error.errno in _EXHAUSTED:
        return _exhausted(error.errno)
    if error.errno == errno.ENOENT and not os.path.exists(os.path.join(workspace, WORKSPACE)):
        return _gone(workspace)
    return _read_only(workspace, _reason(error), _path_of(error) or workspace)


def is_full(error: OSError) -> bool:
    """Whether a disk, or what a user may have of it, is full."""
    return error.errno in _FULL


def disk_full(path: str, error: OSError) -> EspalierError:
    """The error that a file or folder of the user's can't be written because its disk is full."""
    return _full(path, _reason(error), code="disk_full")


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """In the block, let errors name a file: of what is open already the system names no path."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = path
        raise


def _exhausted(number: int) -> EspalierError:
    code, message, command = _EXHAUSTED[number]
    hint = f"End programs that aren't needed, or raise the limit. `{command}` shows it."
    return EspalierError(code, f"{message}: {os.strerror(number)}.", hint)


def _full(path: Optional[str], reason: str, code: str) -> EspalierError:
    subject = f"the workspace {path}" if code == "workspace_read_only" else path or "a file"
    lacks = "the disk has room, but no file (inode) left" if path and _has_bytes(path) else "the disk is full"
    hint = "Free some space, or use another folder. Recorded data is safe."
    if "inode" in lacks:
        hint = "Delete files, or use another disk. `df -i` shows how many files each disk can have."
    return EspalierError(code, f"Can't write to {subject}: {reason} ({lacks}).", hint, path=path or "")


def _has_bytes(path: str) -> bool:
    """Whether it is only inodes that a full disk lacks."""
    try:
        disk = os.statvfs(_nearest(path))
    except OSError:
        return False
    return disk.f_files > 0 and disk.f_favail == 0 and disk.f_bavail > 0


def _forbidden(error: OSError, path: Optional[str], workspace: Optional[str], reason: str) -> EspalierError:
    if workspace and (error.errno == errno.EROFS or _is_readable(path or workspace)):
        return _read_only(workspace, reason, path or workspace)
    hint = "Give this user access (`ls -ld` shows the owner and the mode), or choose another place."
    return EspalierError("not_permitted", f"Can't use {path or 'a file'}: {reason}.", hint, path=path or "")


def _read_only(workspace: str, reason: str, path: str) -> EspalierError:
    message = f"Can't write to the workspace {workspace}: {reason}."
    hint = "Make its folder writable, or use a workspace elsewhere."
    return EspalierError("workspace_read_only", message, hint, path=path)


def _is_readable(path: str) -> bool:
    """Whether it is not reading that was refused."""
    found = _nearest(path)
    return os.access(found, os.R_OK | (os.X_OK if os.path.isdir(found) else 0))


def _absent(path: str, place: Optional[str], reason: str) -> EspalierError:
    if place is not None and _is_below(path, place) and not os.path.exists(os.path.join(place, WORKSPACE)):
        return _gone(place)
    found = _nearest(path)
    message = f"Can't use {path}: {reason}."
    return EspalierError("path_missing", message, f"Correct the path; {found} exists.", path=path)


def _gone(workspace: str) -> EspalierError:
    hint = "Restore it, or create one with workspace()."
    return EspalierError("workspace_missing", f"Can't find a workspace at {workspace}.", hint, path=workspace)


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _try_again(path: Optional[str]) -> str:
    return "Check that path and its disk, and try again." if path is not None else "Try again."


def _path_of(error: OSError) -> Optional[str]:
    """The path that an error names, absolute; errors of what is open already name none."""
    name = error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if not isinstance(name, str) or not name:
        return None
    try:
        return os.path.abspath(name)
    except OSError:  # the working directory is gone
        return name


def _workspace_of(path: str) -> Optional[str]:
    """The workspace that a path lies in."""
    folder = path
    while True:
        if os.path.exists(os.path.join(folder, WORKSPACE)):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _is_below(path: str, folder: str) -> bool:
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def _nearest(path: str) -> str:
    """The path itself, or what of it exists."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path
