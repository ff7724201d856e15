"""The folders of a working copy beside what was brought into them. Standard library only."""

import errno
import os
import stat
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Set, Tuple

from espalier.adapters.moving import DEEPEST, opened, opened_below, shortened
from espalier.base.scratch_paths import WORK, ScratchPaths
from espalier.lifecycle.brought import Brought
from espalier.lifecycle.touched import Found, Period, Touched, is_cache

if TYPE_CHECKING:
    from espalier.store.trees import Entry

_CACHE_FILES = frozenset((".Rhistory",))
_REPLACED = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
_CHUNK = 1 << 20


class _Folder(NamedTuple):
    """How to compare a folder: its path with `/` at the end; whether with all folders below it; whether contents count
    where times say that a file is as it was."""

    path: str
    is_whole: bool
    contents: bool

    def inner(self, name: str, contents: bool) -> "_Folder":
        return _Folder(f"{self.path}{name}/", True, self.contents or contents)


class Comparison:
    """Compares what a job left in its working copy with what it found there.

    Args:
        period: When the runner made the working copy; None if times say nothing, and contents are compared.
        skipped: Paths of folders not to look into.
        warnings: Gets a line for each folder that cannot be read.
    """

    def __init__(
        self,
        scratch: ScratchPaths,
        brought: Brought,
        period: Optional[Period],
        skipped: Set[str],
        warnings: List[str],
    ) -> None:
        self._scratch, self._brought, self._period = scratch, brought, period
        self._skipped, self._warnings = skipped, warnings
        self._found = Found({}, [], [])
        self._done: Set[str] = set()
        # Folders that are gone into afterwards, from there: they lie too deep.
        self._later: List[Tuple[int, str, _Folder]] = []

    def found(self, touched: Touched) -> Found:
        """Compare the folders that a job may have changed; no others are read, neither here nor in the snapshot."""
        folders = {**dict.fromkeys(touched.folders, False), **dict.fromkeys(touched.unseen, True)}
        for path in sorted(folders):  # (a folder before those below it: with it they may be new)
            self._begin(_Folder(path, folders[path], self._period is None))
            while self._later:
                fd, name, folder = self._later.pop()
                try:
                    self._descend(fd, name, folder, 0)
                finally:
                    os.close(fd)
        self._found.deleted.sort()
        return self._found

    def _begin(self, folder: _Folder) -> None:
        if folder.path in self._done:
            return
        self._done.add(folder.path)
        try:
            with opened_below(self._scratch.root, [WORK, *folder.path.split("/")[:-1]]) as fd:
                self._compare(fd, folder, 0)
        except OSError as error:
            if folder.path:
                self._warn(folder, error)
                return
            if error.errno != errno.ENOENT:  # else the job removed it
                self._warnings.append(f"Can't read the working copy: {error.strerror}.")
            if error.errno in _REPLACED:
                self._note_missing("", set(self._brought.folder("") or ()))

    def _descend(self, above: int, name: str, folder: _Folder, depth: int) -> None:
        self._done.add(folder.path)
        try:
            if depth > DEEPEST:
                self._later.append((os.dup(above), name, folder))
                return
            with opened(name, above) as fd:
                self._compare(fd, folder, depth)
        except OSError as error:
            self._warn(folder, error)

    def _compare(self, fd: int, folder: _Folder, depth: int) -> None:
        brought = self._brought.folder(folder.path)
        known = brought or {}
        folders, files, others = self._listed(fd, folder.path)
        # (what has become a folder is gone as a file, and the other way round)
        there = {name for name in known if name in (folders if known[name][0] == "d" else {**files, **others})}
        self._note_missing(folder.path, known.keys() - there)
        changed = []
        for name, looked in files.items():
            entry = known[name] if name in there else None
            if self._is_changed(fd, folder, name, looked, entry, is_known=brought is not None):
                changed.append((name, looked.st_size))
        if changed:
            self._found.files[folder.path] = changed
        self._found.skipped.extend(folder.path + name for name in others if name not in there)
        for name, looked in folders.items():
            if folder.path + name in self._skipped or is_cache(folder.path, name):
                continue
            is_new = brought is not None and name not in there
            is_moved = self._is_moved(f"{folder.path}{name}/", looked)
            if is_new or is_moved or folder.is_whole:
                self._descend(fd, name, folder.inner(name, contents=is_moved), depth + 1)

    def _listed(
        self, fd: int, path: str
    ) -> Tuple[Dict[str, os.stat_result], Dict[str, os.stat_result], Dict[str, os.stat_result]]:
        """Folders, plain files and what is neither, by name."""
        folders, files, others = {}, {}, {}
        with os.scandir(fd) as entries:
            for entry in entries:
                looked = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(looked.st_mode):
                    folders[entry.name] = looked
                elif stat.S_ISREG(looked.st_mode):
                    files[entry.name] = looked
                elif path + entry.name not in self._skipped:
                    others[entry.name] = looked
        return folders, files, others

    def _is_changed(
        self, fd: int, folder: _Folder, name: str, looked: os.stat_result, entry: "Optional[Entry]", is_known: bool
    ) -> bool:
        """Whether a file is new, was written by the job, or is another than the one that was brought.

        A job may write again what is there already: it has written it all the same, so that is kept.

        Args:
            entry: The one that was brought, if any was.
            is_known: Whether it is known what was brought; else times decide.
        """
        is_as_made = not folder.contents and self._is_as_made(looked)
        if entry is None:
            is_stub = self._brought.stubs.get(folder.path + name) == looked.st_size
            return not (is_stub or name in _CACHE_FILES or (is_as_made and not is_known))
        kind, digest, size = entry
        if kind == "l" or size != looked.st_size or self._is_written(looked):
            return True
        return not is_as_made and _digest(name, fd) != digest

    def _is_as_made(self, looked: os.stat_result) -> bool:
        return self._period is not None and self._period.holds(looked.st_ctime_ns)

    def _is_written(self, looked: os.stat_result) -> bool:
        return self._period is not None and self._period.is_before(looked.st_mtime_ns)

    def _is_moved(self, path: str, looked: os.stat_result) -> bool:
        """Whether a folder may be another than the one that was in its place: times of what is in it say nothing."""
        inode = self._brought.inodes.get(path)
        return inode != looked.st_ino if inode is not None else not self._is_as_made(looked)

    def _note_missing(self, folder: str, names: Set[str]) -> None:
        """Note what is gone, of a folder all that was in it. (Copies of the run's own folders are moved home.)"""
        todo = [(folder, names)]
        while todo:
            folder, names = todo.pop()
            entries = self._brought.folder(folder) or {}
            for name in names:
                path = folder + name
                if path in self._skipped:
                    continue
                if entries[name][0] == "d":
                    todo.append((path + "/", set(self._brought.folder(path + "/") or ())))
                else:
                    self._found.deleted.append(path)

    def _warn(self, folder: _Folder, error: OSError) -> None:
        self._warnings.append(f"Can't keep {shortened(folder.path[:-1])}: {error.strerror}.")


def _digest(name: str, folder: int) -> str:
    """SHA-256 of a file's content; empty if it cannot be read."""
    import hashlib  # 5 ms to load

    sha = hashlib.sha256()
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return ""
    try:
        while stat.S_ISREG(os.fstat(fd).st_mode):
            data = os.read(fd, _CHUNK)
            if not data:
                break
            sha.update(data)
    finally:
        os.close(fd)
    return sha.hexdigest()
