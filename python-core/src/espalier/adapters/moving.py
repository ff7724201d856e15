"""Moving what jobs made from one folder into another, by descriptors: no link that a job put on the way is followed.

Within a file system a folder is moved as a whole. To another one it is copied, and the original stays; so is what lies
in a folder of another user, as a container's may be. Standard library only.
"""

import contextlib
import errno
import os
import stat
from typing import Iterator, List, Sequence, Tuple

from espalier.adapters.files import remove_tree
from espalier.base.paths import temporary
from espalier.base.records import FOLDER_MODE

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Folders that lie deeper are gone into afterwards, from there: each level keeps two descriptors open, and a process may
# have 1,024.
DEEPEST = 200
# In a warning a longer path is shortened in its middle.
_SHOWN = 120
# With these nothing more can be written, now: what is to be moved has to stay, until it can.
_UNWRITABLE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE))
# With these something can be moved neither away nor as a whole, but perhaps be read.
_UNMOVABLE = frozenset((errno.EXDEV, errno.EACCES, errno.EPERM))


class Mover:
    """Moves, and remembers what could not be moved.

    Args:
        warnings: Gets a line for each entry that cannot be kept.
        aside: A folder and a name in it, on the target's file system: where what is copied lies until it is whole.
        copies: Copy also within a file system.
        replaces: Whether what is there is replaced; else it stays, and so does what would replace it.
    """

    def __init__(
        self, warnings: List[str], aside: Tuple[str, str], copies: bool = False, replaces: bool = True
    ) -> None:
        self._warnings, self._aside, self._copies, self._replaces = warnings, aside, copies, replaces
        self._later: List[Tuple[int, str, int, str, str]] = []
        self.has_copied = False

    def move(self, source: int, name: str, target: int, to: str, label: str) -> None:
        """Move one entry of any kind; a folder into the folder that is there, all else in its place.

        Args:
            source: The open folder it lies in.
            target: The open folder it goes to.
            label: What a warning calls it.

        Raises:
            OSError: nothing can be written to the target now; what was not moved is where it was.
        """
        try:
            self._entry(source, name, target, to, label, 0)
            while self._later:
                source, name, target, to, label = self._later.pop()
                try:
                    self._entry(source, name, target, to, label, 0)
                finally:
                    os.close(source)
                    os.close(target)
        finally:
            for source, _, target, _, _ in self._later:
                os.close(source)
                os.close(target)
            self._later.clear()

    def _entry(self, source: int, name: str, target: int, to: str, label: str, depth: int) -> None:
        try:
            seen = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode):
                self._folder(source, name, target, to, label, depth)
            elif self._replaces or not _is_there(to, target):
                self._file(source, name, target, to)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in _UNWRITABLE:
                raise
            self._warnings.append(f"Can't keep {shortened(label)}: {error.strerror}.")

    def _folder(self, source: int, name: str, target: int, to: str, label: str, depth: int) -> None:
        with opened(name, source) as folder:
            if not self._replaces and _is_there(to, target, but_folders=True):
                return
            if not self._copies and _renamed(source, name, target, to):
                return
            if depth >= DEEPEST:
                self._later.append((os.dup(source), name, os.dup(target), to, label))
                return
            with made(to, target) as inner:
                for each in os.listdir(folder):
                    self._entry(folder, each, inner, each, f"{label}/{each}", depth + 1)
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=source)

    def _file(self, source: int, name: str, target: int, to: str) -> None:
        if not self._copies:
            try:
                _put(source, name, target, to)
                return
            except OSError as error:
                if error.errno not in _UNMOVABLE:
                    raise
        self._copy(source, name, target, to)
        self.has_copied = True

    def _copy(self, source: int, name: str, target: int, to: str) -> None:
        above, folder = self._aside
        half = os.path.basename(temporary(""))
        with opened_below(above, (folder,), make=True) as aside:
            try:
                if stat.S_ISLNK(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
                    os.symlink(os.readlink(name, dir_fd=source), half, dir_fd=aside)
                else:
                    from espalier.adapters.copying import copy_file

                    copy_file(source, name, aside, half)
                _put(aside, half, target, to)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(half, dir_fd=aside)
                raise


def shortened(path: str) -> str:
    """A path as a warning shows it."""
    half = _SHOWN // 2
    return path if len(path) <= _SHOWN else f"{path[:half]}...{path[-half:]}"


def _is_there(name: str, folder: int, but_folders: bool = False) -> bool:
    try:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return not (but_folders and stat.S_ISDIR(seen.st_mode))


def _put(source: int, name: str, target: int, to: str) -> None:
    """Rename a file over another entry."""
    try:
        os.replace(name, to, src_dir_fd=source, dst_dir_fd=target)
    except IsADirectoryError:
        remove_tree(f"/proc/self/fd/{target}/{to}")
        os.replace(name, to, src_dir_fd=source, dst_dir_fd=target)


def _renamed(source: int, name: str, target: int, to: str) -> bool:
    """Move a folder as a whole, onto nothing, an empty folder or what isn't a folder; False where that cannot be."""
    for _ in range(2):
        try:
            os.rename(name, to, src_dir_fd=source, dst_dir_fd=target)
            return True
        except NotADirectoryError:
            os.unlink(to, dir_fd=target)
        except OSError as error:
            if error.errno not in _UNMOVABLE | {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            return False
    return False


@contextlib.contextmanager
def opened(name: str, at: int, unlock: bool = True) -> Iterator[int]:
    """A folder in an open one, no link followed.

    Args:
        unlock: Give it the permissions of its owner that a job took from it: else it can be neither moved nor emptied.
    """
    fd = _open(name, at, unlock)
    try:
        yield fd
    finally:
        os.close(fd)


def _open(name: str, at: int, unlock: bool) -> int:
    """See `opened`."""
    if not unlock:
        return os.open(name, FOLDER, dir_fd=at)
    try:
        fd = os.open(name, FOLDER, dir_fd=at)
    except PermissionError:
        place = os.open(name, os.O_PATH | FOLDER, dir_fd=at)
        try:
            os.chmod(f"/proc/self/fd/{place}", 0o700)
        finally:
            os.close(place)
        fd = os.open(name, FOLDER, dir_fd=at)
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            with contextlib.suppress(PermissionError):  # it is another user's, and can be read
                os.fchmod(fd, mode | stat.S_IRWXU)
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def made(name: str, at: int) -> Iterator[int]:
    """A folder in an open one, made where it is missing, or a link or file is in its place."""
    _make(name, at)
    with opened(name, at) as fd:
        yield fd


def _make(name: str, at: int) -> None:
    """See `made`."""
    try:
        os.mkdir(name, FOLDER_MODE, dir_fd=at)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=at)
            os.mkdir(name, FOLDER_MODE, dir_fd=at)


@contextlib.contextmanager
def opened_below(root: str, parts: Sequence[str], make: bool = False, unlock: bool = True) -> Iterator[int]:
    """A folder below one that no job can have replaced, each on the way opened without following a link.

    Args:
        unlock: See `opened`.

    Raises:
        OSError: one of them is missing, or no folder.
    """
    fd = os.open(root, FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
    try:
        for part in parts:  # (one is open at a time: there may be more of them than descriptors)
            if make:
                _make(part, fd)
            inner = _open(part, fd, unlock or make)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def files_below(root: str, folder: str) -> List[Tuple[str, int]]:
    """Names and sizes, in bytes, of what isn't a folder. No link is followed, and what can't be read is left out.

    Args:
        root: A folder that no job can have replaced.
        folder: A folder below it, `a/b`.

    Returns:
        The names below that folder, such as `c/d.csv`, with the size of each.
    """
    found: List[Tuple[str, int]] = []
    later = [""]
    while later:
        path = later.pop()
        parts = [part for part in f"{folder}/{path}".split("/") if part]
        with contextlib.suppress(OSError), opened_below(root, parts, unlock=False) as fd:
            _add_below(fd, path, found, later, 0)
    return found


def _add_below(fd: int, path: str, found: List[Tuple[str, int]], later: List[str], depth: int) -> None:
    with os.scandir(fd) as scanned:
        entries = list(scanned)
    for entry in entries:
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                found.append((path + entry.name, entry.stat(follow_symlinks=False).st_size))
            elif depth >= DEEPEST:  # (one descriptor is open at each level)
                later.append(f"{path}{entry.name}/")
            else:
                with opened(entry.name, fd, unlock=False) as inner:
                    _add_below(inner, f"{path}{entry.name}/", found, later, depth + 1)
