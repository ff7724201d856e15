"""After the job: bring home what it wrote, and remove what is not kept."""

import contextlib
import os
import stat
from typing import Any, Dict, List, Mapping, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.files import remove_tree
from espalier.adapters.inside import folder_inside, set_replaced_aside
from espalier.adapters.moving import Mover, made, opened_below
from espalier.adapters.private import remove_private_file
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import EARLIER, KEPT_FOLDERS, RunPaths
from espalier.base.scratch_paths import WORK, ScratchPaths
from espalier.lifecycle.scratch import forget_beginning, remove_scratch, scratch_of, was_begun


def collect(run: RunPaths, status: Mapping[str, Any], warnings: List[str], files: str = "") -> Optional[Dict[str, Any]]:
    """Move what a job left to its run: `./outputs` and `./logs`, and what it wrote anywhere else. May be done again.

    Args:
        status: The run's status.
        warnings: Gets a line for each thing that cannot be kept.
        files: Where to, what it wrote anywhere else; by default to the files of the run.

    Returns:
        What was found outside of the two folders (protocol.md, `kept`); None if there is nothing to report.

    Raises:
        OSError: nothing can be written now; what was not moved is where it was.
    """
    scratch = scratch_of(run, status)
    if not os.path.isdir(run.root):
        return None
    kept = _collect(run, status, scratch, warnings, files or run.files)
    if os.path.exists(run.container):
        from espalier.lifecycle.set_ids import open_to_others

        open_to_others(run, scratch if _keeps_copy(run) else None)
    return kept


def _collect(
    run: RunPaths, status: Mapping[str, Any], scratch: Optional[ScratchPaths], warnings: List[str], files: str
) -> Optional[Dict[str, Any]]:
    """See `collect`."""
    warnings += [line for line in set_replaced_aside(run) if line not in warnings]
    has_begun = scratch is not None and _has_begun(scratch, status)
    if not has_begun:
        _put_back(run, warnings)
    if scratch is None:
        return None
    from espalier.lifecycle.beside import take_in
    from espalier.lifecycle.keep import find_files, keep_files  # not on the way to the job's start

    # (before the job begins the copy may hold the snapshot's files in the place of those that attempts have made)
    mover = Mover(warnings, aside_of(run), replaces=has_begun)
    try:
        try:
            if was_begun(run, scratch):
                take_in(scratch, warnings)
            found = find_files(run, scratch, warnings)  # first: what is moved away changes the times of folders
        finally:  # (if it fails, outputs come home all the same, and everything else stays where it is)
            _collect_folders(run, scratch, mover, warnings)
        kept = keep_files(run, scratch, found, mover, warnings, files)
    finally:
        if mover.has_copied:
            _synchronise(run.root)
    remove_tree(run.earlier)
    return kept


def _has_begun(scratch: ScratchPaths, status: Mapping[str, Any]) -> bool:
    return bool(status.get("started_at")) or os.path.lexists(scratch.began)


def aside_of(run: RunPaths) -> Tuple[str, str]:
    """Where what is copied to a run lies until it is whole; goes with `.job/`."""
    return run.root, os.path.basename(run.job)


def hand_on(run: RunPaths, scratch: ScratchPaths, name: str) -> None:
    """Move what an earlier attempt left, or was uploaded, into a job's `./outputs` or `./logs`.

    To another file system it is copied. Then the originals are put aside: what the job deletes is gone, as it is where
    they are moved, and if the job never begins they are put back. See `collect`.

    The folder itself stays where it is: a container that is being created may have it mounted.
    """
    mover = Mover([], (scratch.root, os.path.basename(scratch.temporary)))
    with opened_below(run.root, (name,)) as home, opened_below(scratch.root, scratch.job_parts) as job:
        with made(name, job) as folder:
            for each in os.listdir(home):
                mover.move(home, each, folder, each, f"{name}/{each}")
        if mover.has_copied:
            with folder_inside(run.root, (os.path.basename(run.job), EARLIER, name)) as earlier:
                for each in os.listdir(home):
                    os.rename(each, each, src_dir_fd=home, dst_dir_fd=earlier)


def _put_back(run: RunPaths, warnings: List[str]) -> None:
    """Undo what `hand_on` has put aside, for the job has not begun, or the copies are gone."""
    if os.path.isdir(run.earlier) and not os.path.islink(run.job):
        mover = Mover(warnings, aside_of(run), replaces=False)
        above = (os.path.basename(run.job), EARLIER)
        with opened_below(run.root, ()) as home, opened_below(run.root, above) as earlier:
            for name in os.listdir(earlier):
                mover.move(earlier, name, home, name, f"./{name}")


def _collect_folders(run: RunPaths, scratch: ScratchPaths, mover: Mover, warnings: List[str]) -> None:
    try:
        with opened_below(scratch.root, scratch.job_parts) as job, opened_below(run.root, ()) as home:
            for name in KEPT_FOLDERS:
                _collect_folder(name, job, home, mover, warnings)
    except (FileNotFoundError, NotADirectoryError):  # the job removed, or replaced, its working directory
        return


def _collect_folder(name: str, job: int, home: int, mover: Mover, warnings: List[str]) -> None:
    try:
        mode = os.stat(name, dir_fd=job, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        mover.move(job, name, home, name, f"./{name}")
    elif stat.S_ISLNK(mode):
        where = os.readlink(name, dir_fd=job)
        warnings.append(f"./{name} was replaced by a link to {where}; what lies there was not kept.")
    else:
        with opened_below(posix.path_through(home), (name,), make=True) as folder:
            mover.move(job, name, folder, name, f"./{name}")


def _synchronise(folder: str) -> None:
    """Bring what was copied to the disk, before the originals go."""
    with contextlib.suppress(OSError), opened_below(folder, ()) as fd:
        posix.sync_file_system(fd)


def merge_folder(run: RunPaths, source: str, target: str, warnings: List[str]) -> None:
    """Move a folder's entries into another of the same run, which is made where it is missing; what is there is
    replaced.

    Args:
        warnings: Gets a line for each entry that could not be moved.
    """
    name, to = os.path.basename(source), os.path.basename(target)
    way = [os.path.relpath(os.path.dirname(path), run.root).split(os.sep) for path in (source, target)]
    ways = [[part for part in parts if part != os.curdir] for parts in way]
    with folder_inside(run.root, ways[0], make=False) as above, folder_inside(run.root, ways[1]) as home:
        Mover(warnings, aside_of(run)).move(above, name, home, to, source)


def remove_working_copy(run: RunPaths, status: Mapping[str, Any]) -> None:
    """Remove what only the execution needed, so that the run can be prepared again; what the job left was collected.

    Raises:
        OSError: nothing can be written now, and attempts before this one have left something in the copy.
    """
    _remove_working_copy(run, status, scratch_of(run, status))


def _remove_working_copy(run: RunPaths, status: Mapping[str, Any], scratch: Optional[ScratchPaths]) -> None:
    """See `remove_working_copy`."""
    if os.path.isdir(run.root) and not (scratch is not None and _has_begun(scratch, status)):
        _put_back(run, [])
        if scratch is not None:
            _collect_folders(run, scratch, Mover([], aside_of(run), replaces=False), [])
    if scratch is not None:
        remove_scratch(scratch)
    remove_tree(run.job)
    remove_private_file(os.path.basename(run.root))


def clean(run: RunPaths, status: Mapping[str, Any]) -> None:
    """Remove what an ended run does not keep. Raises OSError: its working copy cannot be kept now, as it is to be."""
    scratch = scratch_of(run, status)
    keeps_copy = _keeps_copy(run)
    if scratch is not None and keeps_copy:
        _keep_copy(run, scratch)
    if not keeps_copy:
        remove_tree(run.work)  # of a run that an earlier version began
    _remove_working_copy(run, status, scratch)
    for path in (run.env, run.runner_log):
        try:
            if path == run.env or os.path.getsize(path) == 0:
                os.unlink(path)
        except OSError:
            continue


def _keeps_copy(run: RunPaths) -> bool:
    try:
        return read_as(JobSpec, run.spec).keep_workdir
    except (OSError, EspalierError):  # a damaged spec must not stop the clean-up; keeping the folder is the safe side
        return True


def _keep_copy(run: RunPaths, scratch: ScratchPaths) -> None:
    forget_beginning(scratch)
    with opened_below(scratch.root, ()) as source, opened_below(run.root, ()) as home:
        mover = Mover([], aside_of(run))
        mover.move(source, WORK, home, os.path.basename(run.work), "the working copy")
    if mover.has_copied:
        _synchronise(run.root)
