"""After the job: bring home what it wrote, and remove what is not kept."""

import contextlib
import os
import stat
from typing import Any, Dict, List, Optional

from espalier.adapters import posix
from espalier.adapters.files import remove_tree
from espalier.adapters.inside import folder_inside, set_replaced_aside
from espalier.adapters.moving import Mover, made, opened_below
from espalier.adapters.private import remove_private_file
from espalier.base.model.status import Status
from espalier.base.paths import EARLIER, KEPT_FOLDERS, RunPaths
from espalier.base.scratch_paths import WORK, ScratchPaths
from espalier.lifecycle.keep import keep_files, take_in
from espalier.lifecycle.scratch import forget_beginning, remove_scratch, scratch_of, was_begun
from espalier.lifecycle.status import Known
from espalier.lifecycle.touched import changed_files


def collect(known: Known, warnings: List[str], files: str = "") -> Optional[Dict[str, Any]]:
    """Move what a job left to its run: `./outputs` and `./logs`, and what it wrote anywhere else. May be done again.

    Args:
        warnings: Gets a line for each thing that cannot be kept.
        files: Where to, what it wrote anywhere else; by default to the files of the run.

    Returns:
        What was found outside of the two folders (protocol.md, `kept`); None if there is nothing to report.

    Raises:
        OSError: nothing can be written now; what was not moved is where it was.
    """
    run, scratch = known.run, scratch_of(known.run, known.status)
    if not os.path.isdir(run.root):
        return None
    kept = _collect(known, scratch, warnings, files or run.files)
    if os.path.exists(run.container):
        from espalier.lifecycle.set_ids import open_to_others

        open_to_others(run, scratch if _keeps_copy(known) else None)
    return kept


def _collect(
    known: Known, scratch: Optional[ScratchPaths], warnings: List[str], files: str
) -> Optional[Dict[str, Any]]:
    """See `collect`."""
    run = known.run
    warnings += [line for line in set_replaced_aside(run) if line not in warnings]
    has_begun = scratch is not None and _has_begun(scratch, known.status)
    if not has_begun:
        _put_back(run, warnings)
    if scratch is None:
        return None
    # (before the job begins the copy may hold the snapshot's files in the place of those that attempts have made)
    mover = Mover(warnings, run.aside, replaces=has_begun)
    try:
        try:
            if was_begun(known.status, scratch):
                take_in(scratch, warnings)
            found = changed_files(known, scratch, warnings)  # first: what is moved away changes the times of folders
        finally:  # (if it fails, outputs come home all the same, and everything else stays where it is)
            _collect_folders(run, scratch, mover, warnings)
        kept = keep_files(known, scratch, found, mover, warnings, files)
    finally:
        if mover.has_copied:
            _synchronise(run.root)
    remove_tree(run.earlier)
    return kept


def _has_begun(scratch: ScratchPaths, status: Status) -> bool:
    return bool(status.started_at) or os.path.lexists(scratch.began)


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
        mover = Mover(warnings, run.aside, replaces=False)
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
        Mover(warnings, run.aside).move(above, name, home, to, source)


def remove_working_copy(known: Known) -> None:
    """Remove what only the execution needed, so that the run can be prepared again; what the job left was collected.
    Raises OSError: nothing can be written now, and attempts before this one have left something in the copy."""
    _remove_working_copy(known, scratch_of(known.run, known.status))


def _remove_working_copy(known: Known, scratch: Optional[ScratchPaths]) -> None:
    """See `remove_working_copy`."""
    run = known.run
    if os.path.isdir(run.root) and not (scratch is not None and _has_begun(scratch, known.status)):
        _put_back(run, [])
        if scratch is not None:
            _collect_folders(run, scratch, Mover([], run.aside, replaces=False), [])
    if scratch is not None:
        remove_scratch(scratch)
    remove_tree(run.job)
    remove_private_file(os.path.basename(run.root))


def clean(known: Known) -> None:
    """Remove what an ended run does not keep. Raises OSError: its working copy cannot be kept now, as it is to be."""
    run, scratch, keeps_copy = known.run, scratch_of(known.run, known.status), _keeps_copy(known)
    if scratch is not None and keeps_copy:
        _keep_copy(run, scratch)
    if not keeps_copy:
        remove_tree(run.work)  # of a run that an earlier version began
    _remove_working_copy(known, scratch)
    for path in (run.env, run.runner_log):
        try:
            if path == run.env or os.path.getsize(path) == 0:
                os.unlink(path)
        except OSError:
            continue


def _keeps_copy(known: Known) -> bool:
    return known.spec is None or known.spec.keep_workdir  # (keeping the folder is the safe side)


def _keep_copy(run: RunPaths, scratch: ScratchPaths) -> None:
    forget_beginning(scratch)
    with opened_below(scratch.root, ()) as source, opened_below(run.root, ()) as home:
        mover = Mover([], run.aside)
        mover.move(source, WORK, home, os.path.basename(run.work), "the working copy")
    if mover.has_copied:
        _synchronise(run.root)
