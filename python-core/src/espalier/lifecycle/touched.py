"""Which folders of a working copy a job may have changed, by times of change alone. Standard library only."""

import os
from typing import Dict, FrozenSet, List, Set, Tuple

from espalier.adapters.moving import DEEPEST, opened, opened_below
from espalier.base.accel import loaded
from espalier.base.model.record import Record
from espalier.base.scratch_paths import WORK, ScratchPaths

# Caches and libraries: recreated at will, and larger than everything else.
CACHE_FOLDERS = frozenset(
    ("__pycache__", ".ipynb_checkpoints", ".venv", "node_modules", ".Rproj.user", ".pytest_cache", ".mypy_cache")
)
RENV_FOLDERS = frozenset(("library", "local", "staging", "sandbox", "python"))


class Period(Record):
    """From when the runner began to make a working copy until its job began, nanoseconds.

    A time of change before it comes with a file from elsewhere, or from a clock that was set back for a while. One
    that equals the end may be the job's: many file systems count in steps of some milliseconds.
    """

    begin: int
    end: int

    def holds(self, changed: int) -> bool:
        """Whether what was last changed at that time is as the runner made it."""
        return self.begin <= changed < self.end

    def is_before(self, written: int) -> bool:
        """Whether what was last written (`mtime`) at that time was certainly written by the job.

        A job can set that time back, so one before it proves nothing. One that equals the end may be the runner's.
        """
        return written > self.end


class Touched(Record):
    """Folders in a working copy, each as its path with `/` at the end; empty for the top.

    `folders` have entries that are new, changed or gone, or may have. Nothing is known of what is below those in
    `unseen`: they can't be read, or lie too deep.
    """

    folders: List[str]
    unseen: List[str]


class Found(Record):
    """What a job left: new and changed files (folder -> name and size of each), files of the snapshot that are gone,
    and what is neither file nor folder."""

    files: Dict[str, List[Tuple[str, int]]]
    deleted: List[str]
    skipped: List[str]


def is_cache(folder: str, name: str) -> bool:
    """Whether a folder holds nothing to keep.

    Args:
        folder: The path of the folder it lies in, with `/` at the end.
    """
    is_renv = folder == "renv/" or folder.endswith("/renv/")
    return name in CACHE_FOLDERS or (is_renv and name in RENV_FOLDERS)


def touched_folders(scratch: ScratchPaths, period: Period, skipped: Set[str]) -> Touched:
    """Find the folders that may not be as the runner made them. Each file costs one look at its times.

    Args:
        period: When the runner made the working copy.
        skipped: Paths of folders not to look into.
    """
    scanner = loaded()
    if scanner is not None:
        rules = (skipped, CACHE_FOLDERS, RENV_FOLDERS)
        folders, unseen = scanner.touched_folders(os.fsencode(scratch.work), period.begin, period.end, *rules, DEEPEST)
        return Touched([*map(os.fsdecode, folders)], [*map(os.fsdecode, unseen)])
    walk = _Walk(period, frozenset(skipped))
    try:
        with opened_below(scratch.root, [WORK], unlock=False) as top:
            walk.look(top, "", 0)
    except OSError:
        return Touched([], [""])
    return walk.found


class _Walk:
    """The native scanner's twin."""

    def __init__(self, period: Period, skipped: FrozenSet[str]) -> None:
        self.found = Touched([], [])
        self._period, self._skipped = period, skipped

    def look(self, fd: int, path: str, depth: int) -> None:
        begin, end = self._period.begin, self._period.end
        folders: List[str] = []
        # (an entry that came or went changes its folder's time, whatever time it brings with it)
        is_old = begin <= os.fstat(fd).st_ctime_ns < end
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif is_old:
                    is_old = begin <= entry.stat(follow_symlinks=False).st_ctime_ns < end
        if not is_old:
            self.found.folders.append(path)
        for name in folders:
            if path + name not in self._skipped and not is_cache(path, name):
                self._descend(fd, name, f"{path}{name}/", depth + 1)

    def _descend(self, fd: int, name: str, path: str, depth: int) -> None:
        try:
            if depth >= DEEPEST:
                self.found.unseen.append(path)
                return
            with opened(name, fd, unlock=False) as inner:
                self.look(inner, path, depth)
        except OSError:
            self.found.unseen.append(path)
