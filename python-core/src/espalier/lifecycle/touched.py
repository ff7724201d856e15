"""What a job changed in its working copy: which folders it may have changed, by times of change alone, first; then what
is in them. Standard library only."""

import os
import time
from typing import Any, Dict, FrozenSet, List, Optional, Set, Tuple

from espalier.adapters.moving import DEEPEST, opened, opened_below
from espalier.adapters.posix import elapsed
from espalier.base.accel import loaded
from espalier.base.model.record import Record
from espalier.base.paths import KEPT_FOLDERS
from espalier.base.records import readable_record
from espalier.base.scratch_paths import WORK, ScratchPaths
from espalier.lifecycle.scratch import was_begun
from espalier.lifecycle.status import Known

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


# A clock that was set back by less is taken for one that runs. Seconds.
_CORRECTED = 0.02


def changed_files(known: Known, scratch: ScratchPaths, warnings: List[str]) -> Found:
    """Find what a job that has ended left in its working copy, but for `./outputs`, `./logs` and caches.

    Args:
        warnings: Gets a line for each folder that cannot be read.
    """
    if not was_begun(known.status, scratch):
        return Found({}, [], [])
    job = scratch.directory + "/" if scratch.directory else ""
    skipped = {".git", *(job + name for name in KEPT_FOLDERS)}
    began = _began(scratch)
    period = _period(scratch, began)
    touched = touched_folders(scratch, period, skipped) if period is not None else Touched([], [""])
    if not (touched.folders or touched.unseen):
        return Found({}, [], [])
    # (modules that a job that touched nothing does without: those of the store alone take 5 ms to load)
    from espalier.lifecycle.brought import brought_by
    from espalier.lifecycle.comparison import Comparison

    with brought_by(known.run, known.spec, scratch.directory, began.get("folders", {})) as brought:
        return Comparison(scratch, brought, period, skipped, warnings).found(touched)


def _began(scratch: ScratchPaths) -> Dict[str, Any]:
    began = readable_record(scratch.began)  # (the machine may have stopped before it was on the disk)
    is_whole = isinstance(began.get("time"), (int, float)) and isinstance(began.get("folders", {}), dict)
    return began if is_whole else {}


def _period(scratch: ScratchPaths, began: Dict[str, Any]) -> Optional[Period]:
    """When the working copy was made; None where times say nothing, because the clock was set back or the job's
    beginning isn't known."""
    if not began or time.time() - began["time"] < elapsed(began) - _CORRECTED:
        return None
    end = os.stat(scratch.began).st_mtime_ns
    try:
        begin = os.stat(scratch.note).st_mtime_ns
    except OSError:  # the job can remove the note
        return Period(0, end)
    return Period(begin, end) if begin <= end else None
