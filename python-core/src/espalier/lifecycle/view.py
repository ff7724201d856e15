"""What a job in a container sees of the workspace: folders that are made for it, below `.job/view`, mounted read-only.

The record of the job's run and of the runs below it as copies, and the logs, outputs and uploads of those below as hard
links. The job's part of the job's run is mounted on top, writable. Neither variables and secrets (`env.json`) nor any
other run are there. Into a child that it records by hand the job logs by way of its part: those logs are brought
to the child from there. Jobs may have replaced anything in their part, so no link is followed. Standard library only.
"""

import contextlib
import errno
import os
import stat
import time
from typing import Dict, Iterable, Iterator, List, Optional, Set, Tuple

from espalier.adapters.copying import copy_file
from espalier.adapters.files import first_names, remove_tree
from espalier.adapters.inside import make_inside
from espalier.adapters.moving import DEEPEST, opened_below
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.status import HELD_BY_PARENT
from espalier.base.paths import (
    ARTIFACT_FOLDERS,
    EVENT_FOLDERS,
    JOB_PART,
    UPLOADS,
    RunPaths,
    is_run_id,
    is_temporary,
    temporary,
)
from espalier.base.records import make_folders, read_plain, replace_file
from espalier.lifecycle.children import children_of, parent_of
from espalier.lifecycle.status import read_status, status_of

# Why a file can't be given a second name. Then it is copied.
_NO_LINK = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.EACCES))
# Of the runs below a run so many are shown, and so many files of each.
_MOST_RUNS, _MOST_FILES = 2000, 10_000
# An entry of a child this young may be there before its run is, seconds.
_SUSPECT_SECONDS = 20.0


def make_view(run: RunPaths, mounted: Iterable[str] = ()) -> None:
    """Make the view of a job that is about to start, and the folders of its part.

    Args:
        mounted: What else is mounted in the container, by its paths there: what lies among the runs needs a place.

    Raises:
        OSError: it can't be made.
    """
    remove_tree(run.view)
    own = run.seen(os.path.basename(run.root))
    for name in JOB_PART:
        make_inside(run.root, os.path.join(run.root, name))
        make_folders(os.path.join(own.root, name))
    runs, seen_runs = run.workspace.runs, own.workspace.runs
    for path in mounted:
        if path.startswith(runs + os.sep):
            _make_place(path, os.path.join(seen_runs, os.path.relpath(path, runs)))
    show(run, run)


def _make_place(path: str, place: str) -> None:
    make_folders(os.path.dirname(place))
    if os.path.isdir(path):
        make_folders(place)
    elif not os.path.lexists(place):
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


class View:
    """Keeps a job's view as the runs below it are. `refresh` costs a few `stat` for each of those that go on."""

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        self._below: List[RunPaths] = []
        self._settled: Set[str] = set()
        self._changed: Dict[str, int] = {}

    def refresh(self) -> None:
        """Show what has changed. Never raises: a run may be deleted meanwhile, or the disk be full."""
        with contextlib.suppress(OSError, EspalierError):
            show(self._run, self._run)
        for run in [self._run, *self._below]:
            self._find_children(run)
        for child in self._below:
            if child.root not in self._settled:
                with contextlib.suppress(OSError, EspalierError):
                    bring_recorded(self._run, child)
                    if show(self._run, child):
                        self._settled.add(child.root)

    def _find_children(self, run: RunPaths) -> None:
        try:
            changed = os.stat(run.children, follow_symlinks=False).st_mtime_ns
        except OSError:
            return
        if self._changed.get(run.root) == changed or len(self._below) >= _MOST_RUNS:
            return
        known = {child.root for child in self._below}
        self._below += [child for child in children_of(run) if child.root not in known]
        if time.time() - changed / 1e9 > _SUSPECT_SECONDS:
            self._changed[run.root] = changed


def show(run: RunPaths, other: RunPaths) -> bool:
    """Show a job a run as it is now: its own, or one below.

    Returns:
        Whether that has ended, so that nothing of it changes any more.

    Raises:
        OSError: it can't be shown, or there is no such run.
        EspalierError: it is damaged.
    """
    seen = run.seen(os.path.basename(other.root))
    has_ended = states.is_final(read_status(other).state)
    make_folders(seen.root)
    if other.root != run.root:
        _show_files(run, other, seen, has_ended, is_held=_is_held(run, other))
    _show_children(other, seen)
    _give(other.root, os.path.relpath(other.log, other.root), seen.root)
    for name in (other.spec, other.meta, other.status):  # (the status last: what came before an end is there by then)
        _copy_record(name, seen.root)
    return has_ended


def _is_held(run: RunPaths, child: RunPaths) -> bool:
    """Whether a child is one that the job itself records by hand."""
    status = status_of(child)
    return status is not None and status.held_by == HELD_BY_PARENT and parent_of(child) == os.path.basename(run.root)


def _show_files(run: RunPaths, other: RunPaths, seen: RunPaths, has_ended: bool, is_held: bool) -> None:
    for name in EVENT_FOLDERS:
        if is_held:  # what the job logs into it is written there, and brought to it
            with opened_below(run.recorded, (os.path.basename(other.root), name), make=True):
                pass
        _give_all(other.root, [name], seen.root, _Budget())
    if has_ended:
        budget = _Budget()
        for name in (*ARTIFACT_FOLDERS, UPLOADS):
            _give_all(other.root, [name], seen.root, budget)


def _show_children(other: RunPaths, seen: RunPaths) -> None:
    with contextlib.suppress(OSError), opened_below(other.root, (os.path.basename(other.children),)) as folder:
        names = [name for name in os.listdir(folder) if is_run_id(name)]
        make_folders(seen.children)
        for name in names:
            _make_place(name, os.path.join(seen.children, name))


def bring_recorded(run: RunPaths, child: RunPaths) -> None:
    """Bring to a child what the job of a run has logged into it so far, which goes on growing there. Raises OSError: it
    can't be brought."""
    child_id = os.path.basename(child.root)
    if not os.path.isdir(run.recorded_by_hand(child_id).root) or not _is_held(run, child):
        return
    for name in EVENT_FOLDERS:
        _give_all(run.recorded, [child_id, name], child.root, _Budget(), to=[name])


def bring_all_recorded(run: RunPaths) -> None:
    """The same for all of them, as far as possible: the job has ended."""
    for child in children_of(run):
        with contextlib.suppress(OSError):
            bring_recorded(run, child)


class _Budget:
    """How many files may still be given, or looked at."""

    def __init__(self) -> None:
        self.files = _MOST_FILES


def _give_all(root: str, parts: List[str], target: str, budget: _Budget, to: Optional[List[str]] = None) -> None:
    """Give the plain files of a folder, and of those in it, second names in the same folders of another place."""
    pending: List[Tuple[List[str], List[str]]] = [(parts, parts if to is None else to)]
    while pending:
        source, place = pending.pop()
        if len(source) > DEEPEST:
            continue
        with contextlib.suppress(OSError), _both(root, source, target, place) as (folder, there):
            for name in first_names(folder, budget.files):
                budget.files -= 1
                if is_temporary(name):
                    continue
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    pending.append(([*source, name], [*place, name]))
                elif stat.S_ISREG(mode):
                    _give_one(folder, name, there)


def _give(root: str, relative: str, target: str) -> None:
    """The same of one file, where it is there."""
    parts = relative.split(os.sep)
    with contextlib.suppress(FileNotFoundError), _both(root, parts[:-1], target, parts[:-1]) as (folder, there):
        _give_one(folder, parts[-1], there)


def _give_one(folder: int, name: str, there: int) -> None:
    try:
        os.link(name, name, src_dir_fd=folder, dst_dir_fd=there, follow_symlinks=False)
        if not stat.S_ISREG(os.stat(name, dir_fd=there, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=there)  # (replaced just now)
    except FileExistsError:
        _copy_again(folder, name, there)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        copy_file(folder, name, there, name)


def _copy_again(folder: int, name: str, there: int) -> None:
    """A file that had to be copied has grown since."""
    before = os.stat(name, dir_fd=there, follow_symlinks=False)
    now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if (now.st_dev, now.st_ino) == (before.st_dev, before.st_ino) or now.st_size == before.st_size:
        return
    aside = os.path.basename(temporary(""))
    copy_file(folder, name, there, aside)
    os.replace(aside, name, src_dir_fd=there, dst_dir_fd=there)


@contextlib.contextmanager
def _both(root: str, parts: List[str], target: str, place: List[str]) -> Iterator[Tuple[int, int]]:
    """A folder, opened without following links, and one of the view or of a child's run, made where it is missing."""
    with opened_below(root, parts, unlock=False) as folder, opened_below(target, place, make=True) as there:
        yield folder, there


def _copy_record(path: str, folder: str) -> None:
    """Copy a record, unless that has been done since it was written last."""
    copy = os.path.join(folder, os.path.basename(path))
    try:
        now = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return
    with contextlib.suppress(FileNotFoundError):
        before = os.stat(copy)
        if (before.st_mtime_ns, before.st_size) == (now.st_mtime_ns, now.st_size):
            return
    replace_file(copy, read_plain(path), folder)
    os.utime(copy, ns=(now.st_atime_ns, now.st_mtime_ns))
