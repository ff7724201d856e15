"""Writing inside a run's folder, where a job may have put anything in the place of anything: each folder on the way is
opened without following links, and what isn't a folder, or no plain file, is set aside under another name.

Standard library only: the runner loads this file.
"""

import contextlib
import errno
import os
import stat
from typing import Callable, Iterable, Iterator, List, Sequence, Tuple

from espalier.adapters.posix import above_standard
from espalier.base.paths import GROWING_FILES, RUN_FOLDERS, RunPaths, set_aside, set_aside_name, temporary
from espalier.base.records import FILE_MODE, FOLDER_MODE, kind_of_entry, write_all

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | _NOFOLLOW
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW
# A job that is at it meanwhile may replace again what was just set aside.
_TRIES = 10
# Folder -> the files in it that grow.
_GROWING = {
    folder: [os.path.basename(path) for path in GROWING_FILES if os.path.dirname(path) == folder]
    for folder in dict.fromkeys(map(os.path.dirname, GROWING_FILES))
}
# What a warning names at most of where a link leads.
_SHOWN = 200


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """In the block, let errors name a path whole: of what is opened below an open folder the system knows only a name,
    which readers would look for in the working directory."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


@contextlib.contextmanager
def folder_inside(root: str, parts: Sequence[str], make: bool = True) -> Iterator[int]:
    """A folder inside a run's folder, open.

    Args:
        parts: The names on the way to it.
        make: Make it, and those on the way, where they are missing or something else is in their place.

    Raises:
        OSError: it is missing, or no folder.
    """
    fd, path = os.open(root, _FOLDER), root
    try:
        try:
            for part in parts:
                path = f"{path}{os.sep}{part}"
                inner = _made(part, fd) if make else os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error
        yield fd
    finally:
        os.close(fd)


def names_in(folder: str) -> List[str]:
    """The names in a folder of a run; where a job may have put a link in its place, that is not followed. Raises
    OSError: it is missing, or no folder."""
    if os.open not in os.supports_dir_fd:  # Windows, where there are no jobs
        return os.listdir(folder)
    with folder_inside(os.path.dirname(folder), (os.path.basename(folder),), make=False) as fd, _naming(folder):
        return os.listdir(fd)


def make_inside(root: str, path: str) -> None:
    """Make a folder inside a run's folder, as `folder_inside`. Raises OSError."""
    with folder_inside(root, _parts(root, path)):
        return


def open_log(root: str, path: str) -> int:
    """Open a file inside a run's folder, to write at its end; it is made where it is missing. Never as 0, 1 or 2.
    Raises OSError: it cannot be opened."""
    *above, name = _parts(root, path)
    with folder_inside(root, above) as folder, _naming(path):
        for _ in range(_TRIES):
            try:
                fd = os.open(name, _APPEND, FILE_MODE, dir_fd=folder)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                    raise
            else:
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    os.set_blocking(fd, True)  # (a job inherits it)
                    return above_standard(fd)
                os.close(fd)
            _put_aside(name, folder)
        raise OSError(errno.EBUSY, "it is replaced again and again")


@contextlib.contextmanager
def logs_of(run: RunPaths, *paths: str) -> Iterator[List[int]]:
    """Logs of a run, open for a process that is started; see `open_log`. Raises OSError."""
    opened: List[int] = []
    try:
        for path in paths:
            opened.append(open_log(run.root, path))
        yield opened
    finally:
        for fd in opened:
            os.close(fd)


def append_text(root: str, path: str, text: str) -> None:
    """Add to the end of a log inside a run's folder; what cannot be written is left out."""
    if not text:
        return
    with contextlib.suppress(OSError):
        fd = open_log(root, path)
        try:
            os.write(fd, text.encode("utf-8", "replace"))
        finally:
            os.close(fd)


def create_inside(root: str, path: str) -> int:
    """Create a file inside a run's folder that is not there yet, to write at its end. Raises OSError."""
    *above, name = _parts(root, path)
    with folder_inside(root, above) as folder, _naming(path):
        return os.open(name, _NEW | os.O_APPEND, FILE_MODE, dir_fd=folder)


def replace_inside(root: str, path: str, data: bytes, mode: int = FILE_MODE) -> None:
    """Write a file inside a run's folder whole, in the place of anything there; what is a folder is set aside. Raises
    OSError: it cannot be written; what was there is as it was."""
    *above, name = _parts(root, path)
    aside = os.path.basename(temporary(""))
    with folder_inside(root, above) as folder, _naming(path):
        try:
            _write_new(folder, aside, data, mode)
            _put(folder, aside, name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside, dir_fd=folder)
            raise


def _write_new(folder: int, name: str, data: bytes, mode: int) -> None:
    fd = os.open(name, _NEW, mode, dir_fd=folder)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)


def _put(folder: int, aside: str, name: str) -> None:
    try:
        os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except IsADirectoryError:
        _put_aside(name, folder)
        os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)


def put_aside(root: str, path: str) -> None:
    """Set aside what lies in the place of something inside a run's folder. Raises OSError."""
    *above, name = _parts(root, path)
    with folder_inside(root, above, make=False) as folder, _naming(path):
        _put_aside(name, folder)


def set_replaced_aside(run: RunPaths) -> List[str]:
    """Set aside what lies in the place of a run's folders, and of the files there that grow.

    Returns:
        A line for each entry that was set aside, now or before.
    """
    with folder_inside(run.root, (), make=False) as root:
        present = set(os.listdir(root))
        names = [name for name in RUN_FOLDERS if name in present and not _is(name, root, stat.S_ISDIR)]
        for name in names:
            with contextlib.suppress(OSError):
                _put_aside(name, root)
        lines = _reports(root, os.listdir(root) if names else present, "")
        for folder, growing in _GROWING.items():
            if folder in present:
                with contextlib.suppress(OSError):
                    lines += _growing_set_aside(root, folder, growing)
    return lines


def _growing_set_aside(root: int, folder: str, names: Iterable[str]) -> List[str]:
    """The same of some files in one of a run's folders. Raises OSError."""
    inner = os.open(folder, _FOLDER, dir_fd=root)
    try:
        for name in names:
            if not _is(name, inner, stat.S_ISREG, missing=True):
                _put_aside(name, inner)
        there = os.listdir(inner)
        return [line for name in names for line in _reports(inner, there, f"{folder}/", name)]
    finally:
        os.close(inner)


def _is(name: str, folder: int, is_kind: Callable[[int], bool], missing: bool = False) -> bool:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return missing
    return is_kind(mode)


def _reports(folder: int, names: Iterable[str], label: str, only: str = "") -> List[str]:
    return [
        f"{label}{set_aside_name(name)} in the run's folder was replaced by {_description(name, folder)}. "
        f"It's {label}{name} now, and nothing was written there."
        for name in sorted(names)
        if set_aside_name(name) and only in ("", set_aside_name(name))
    ]


def _description(name: str, folder: int) -> str:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if not stat.S_ISLNK(mode):
            return kind_of_entry(mode)
        return f"a link to {os.readlink(name, dir_fd=folder)[:_SHOWN]}"
    except OSError:
        return "something else"


def _made(name: str, at: int) -> int:
    """A folder in an open one, made where it is missing; what else is in its place is set aside."""
    for _ in range(_TRIES):
        try:
            return os.open(name, _FOLDER, dir_fd=at)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, FOLDER_MODE, dir_fd=at)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            _put_aside(name, at)
    raise OSError(errno.EBUSY, "it is replaced again and again", name)


def _put_aside(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rename(name, set_aside(name), src_dir_fd=folder, dst_dir_fd=folder)


def _parts(root: str, path: str) -> Tuple[str, ...]:
    """The names on the way from a run's folder to what lies in it."""
    inside = path[len(root) :].strip(os.sep)
    return tuple(inside.split(os.sep)) if inside else ()
