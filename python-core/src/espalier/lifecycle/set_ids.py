"""Files by which another account of this machine could act as the user: a job in a container may mark what it writes to
be executed with its owner's rights. While it runs its run's folder is closed to others, as its scratch folder is; the
marks are taken away before it is opened again. Standard library only.
"""

import contextlib
import os
import stat
from typing import Iterable, List, Optional, Tuple

from espalier.adapters.moving import opened, opened_below
from espalier.base.paths import ATTEMPTS, EVENT_FOLDERS, JOB_PART, WORKDIR, RunPaths
from espalier.base.records import FOLDER_MODE
from espalier.base.scratch_paths import WORK, ScratchPaths
from espalier.lifecycle.children import children_of
from espalier.lifecycle.status import status_of

_CLOSED = 0o700
_MARKS = stat.S_ISUID | stat.S_ISGID


def close_to_others(run: RunPaths) -> None:
    """Let no other user enter a run's folder, until `open_to_others`."""
    with contextlib.suppress(OSError):  # a file system without modes
        os.chmod(run.root, _CLOSED)


def open_to_others(run: RunPaths, scratch: Optional[ScratchPaths]) -> None:
    """Let other users read a run again whose container has ended, and the children that its job recorded by hand.

    Args:
        scratch: Its scratch folder, if the working copy in it is kept.
    """
    _sweep(run.root, (*JOB_PART, WORKDIR, ATTEMPTS))
    if scratch is not None:
        _sweep(scratch.root, (WORK,))
    let_others_enter(run)
    for child in children_of(run):
        status = status_of(child)
        if status is not None and status.held_by:
            _sweep(child.root, EVENT_FOLDERS)
            let_others_enter(child)


def let_others_enter(run: RunPaths) -> None:
    """Give a run's folder the mode again that it had, as far as the folder above it tells."""
    with contextlib.suppress(OSError):
        if stat.S_IMODE(os.stat(run.root).st_mode) == _CLOSED:
            os.chmod(run.root, stat.S_IMODE(os.stat(run.shard).st_mode) & FOLDER_MODE)


def _sweep(root: str, names: Iterable[str]) -> None:
    """Take the marks of all files below some folders, at any depth; one folder is open at a time."""
    for name in names:
        with contextlib.suppress(OSError), opened_below(root, (name,)) as top:
            fd, todo = os.dup(top), [_unmarked(top)]
            try:
                while todo:
                    if todo[-1]:
                        fd, below = _entered(fd, todo[-1].pop())
                        if below is not None:
                            todo.append(below)
                    else:
                        todo.pop()
                        if todo:
                            fd = _replaced(fd, os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd))
            finally:
                os.close(fd)


def _entered(fd: int, name: str) -> Tuple[int, Optional[List[str]]]:
    """The folder of a name, open in place of the one it lies in, and those in it; None if it can't be read."""
    try:
        with opened(name, fd) as inner:
            below = _unmarked(inner)
            return _replaced(fd, os.dup(inner)), below
    except OSError:  # another user's, or gone
        return fd, None


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new


def _unmarked(folder: int) -> List[str]:
    """Take the marks of the files in an open folder; returns the names of the folders in it."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                folders.append(entry.name)
            elif stat.S_ISREG(mode) and mode & _MARKS:
                with contextlib.suppress(OSError):  # another user's: not ours to change
                    os.chmod(entry.name, stat.S_IMODE(mode) & ~_MARKS, dir_fd=folder)
    return folders
