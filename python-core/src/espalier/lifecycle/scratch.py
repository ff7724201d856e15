"""Scratch folders of runs: made for one run, found again by what its status says, removed when it has ended.

A folder's note names its run, so that another's is never taken for it: names have 8 digits. The runner holds the
note's lock as long as it lives. Standard library only: the runner loads this file.
"""

import contextlib
import os
import stat
import time
from typing import Any, Dict, Iterable, List, Optional

from espalier.adapters import posix
from espalier.adapters.files import remove_tree
from espalier.adapters.homes import is_own_folder, make_own_folder, scratch_below, scratch_folder
from espalier.adapters.moving import opened, opened_below
from espalier.adapters.posix import stamp
from espalier.adapters.trust import refuse_replaceable
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.status import Status
from espalier.base.paths import FORMAT, RunPaths, is_run_id
from espalier.base.records import dump_record, readable_record, write_file
from espalier.base.scratch_paths import ScratchPaths, is_scratch_name, scratch_name
from espalier.lifecycle.status import read_status, status_of

# How long the scratch folder of a run that was deleted from its workspace is kept, seconds.
_MISSED_SECONDS = 3600.0


def make_scratch(run: RunPaths, folder: Optional[str], directory: str) -> ScratchPaths:
    """Make a run's scratch folder, empty.

    Args:
        folder: The folder that was chosen for it at submit, if one was; it lies in a folder of our own in that.
        directory: Where in the working copy the job works.

    Raises:
        EspalierError: `workspace_read_only`: it cannot be made. `not_permitted`: in its place is a link, or
            another user's folder. `writable_by_others`: other users could replace it.
    """
    chosen, folder = folder, scratch_below(folder) if folder else scratch_folder()
    if {"..", ""} & set(directory.split("/")) and directory:
        raise EspalierError(
            "damaged", f"Can't use the run's directory {directory!r}: it isn't inside its working copy."
        )
    name = scratch_name(os.path.basename(run.root))
    try:
        make_own_folder(folder)
        if chosen:
            refuse_replaceable(chosen)
        for place in (name, f"{name}-{os.urandom(4).hex()}"):
            scratch = ScratchPaths(os.path.join(folder, place), directory)
            if _is_free(run, scratch):
                _fill(run, scratch)
                return scratch
    except OSError as error:
        raise cannot_make(folder, error) from error
    raise cannot_make(folder, FileExistsError(17, "another run has a folder of that name"))


def cannot_make(folder: str, error: OSError) -> EspalierError:
    """What to report where a scratch folder takes no file."""
    return EspalierError(
        "workspace_read_only",
        f"Can't create the job's working copy in {folder}: {error.strerror}.",
        "Make space there, or set ESPALIER_SCRATCH_DIR to another folder before you submit.",
        path=folder,
    )


def note_beginning(scratch: ScratchPaths) -> None:
    """Note that the job begins: what is changed in the working copy from here on, the job changed."""
    record = {"format": FORMAT, "folders": folder_inodes(scratch.work), **stamp()}
    write_file(scratch.began, dump_record(record))


def record_of(scratch: ScratchPaths) -> Dict[str, Any]:
    """What a run's status holds of its scratch folder."""
    return {"path": scratch.root, "directory": scratch.directory}


def scratch_of(run: RunPaths, status: Status) -> Optional[ScratchPaths]:
    """A run's scratch folder; None if it has none, or it is gone. After a power loss its note may be."""
    record = status.scratch
    if record is None or not isinstance(record.get("path"), str):
        return None
    scratch = ScratchPaths(record["path"], str(record.get("directory") or ""))
    return scratch if os.path.isdir(scratch.root) and _is_of(run, scratch) else None


def live_scratch(run: RunPaths) -> Optional[ScratchPaths]:
    """The scratch folder of a run, by its status; None also where that cannot be read."""
    status = status_of(run)
    return None if status is None else scratch_of(run, status)


def was_begun(status: Status, scratch: ScratchPaths) -> bool:
    """Whether a job worked in a scratch folder that is still whole. Its note may be gone: the job can remove it."""
    if os.path.lexists(scratch.removed):
        return False
    return os.path.lexists(scratch.began) or bool(status.started_at)


def remove_scratch(scratch: ScratchPaths) -> None:
    """Remove a scratch folder, by its descriptor: where the job put a link, the link is removed. The note goes last, so
    that a folder half removed is found again. First comes the mark that the removal began: nothing that is missing from
    now on has been deleted by the job."""
    above, name = os.path.split(scratch.root)
    with contextlib.suppress(OSError), opened_below(above, ()) as place:
        if stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
            with opened(name, place) as folder:
                _empty(folder, scratch)
            os.rmdir(name, dir_fd=place)
        else:
            os.unlink(name, dir_fd=place)


def forget_beginning(scratch: ScratchPaths) -> None:
    """Before a working copy goes: what is missing from here on, the job has not deleted."""
    with contextlib.suppress(OSError), opened_below(scratch.root, ()) as folder:
        _forget_beginning(folder, scratch)


def _forget_beginning(folder: int, scratch: ScratchPaths) -> None:
    began, removed = os.path.basename(scratch.began), os.path.basename(scratch.removed)
    place = posix.path_through(folder)
    if _is_there(removed, folder):
        return
    with contextlib.suppress(OSError):
        try:  # (the disk may be full, and take no new file)
            os.rename(began, removed, src_dir_fd=folder, dst_dir_fd=folder)
        except FileNotFoundError:
            write_file(os.path.join(place, removed), b"")


def _empty(folder: int, scratch: ScratchPaths) -> None:
    note, removed, place = os.path.basename(scratch.note), os.path.basename(scratch.removed), posix.path_through(folder)
    _forget_beginning(folder, scratch)
    last = {note, removed}
    for name in set(os.listdir(folder)) - last:
        remove_tree(os.path.join(place, name))
    if not set(os.listdir(folder)) - last:  # (else folders of another user: nobody is to take up the run's end again)
        _remove(removed, folder)
    _remove(note, folder)


def _remove(name: str, folder: int) -> None:
    """Remove what should be a file, in an open folder."""
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        remove_tree(os.path.join(posix.path_through(folder), name))


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def orphans(live: Iterable[str]) -> List[ScratchPaths]:
    """Scratch folders of this user that no claimed run has; what else lies among them is left alone.

    Args:
        live: Ids of the runs that are claimed.
    """
    names, folder = {scratch_name(run_id) for run_id in live}, scratch_folder()
    with contextlib.suppress(OSError):
        if not is_own_folder(folder):
            return []
        ours = [name for name in os.listdir(folder) if is_scratch_name(name) and name[:8] not in names]
        places = [os.path.join(folder, name) for name in ours]
        return [ScratchPaths(place) for place in places if is_own_folder(place)]
    return []


def lost_run(scratch: ScratchPaths) -> Optional[RunPaths]:
    """The run of a scratch folder that is to be cleaned up: it has ended, and the process that ended it was killed.

    A folder whose run was deleted is removed here, after a while. One that may hold files of a job that were not
    brought home is never removed: its note cannot be read, its workspace is missing, or it is another host's.
    """
    note = _note_of(scratch)
    if note is None:
        with contextlib.suppress(OSError):  # one that is being made is empty, too
            is_old = time.time() - os.lstat(scratch.root).st_mtime > _MISSED_SECONDS
            if is_old and _is_bare(scratch) and not posix.is_locked(scratch.note):
                remove_scratch(scratch)
        return None
    if note.get("host") != posix.host_name() or posix.is_locked(scratch.note):
        return None
    run = RunPaths(note["run_dir"])
    try:
        status = read_status(run)
    except FileNotFoundError:
        if _is_deleted(run) and _is_missed_for_long(scratch):
            remove_scratch(scratch)
        return None
    except (OSError, EspalierError):
        return None
    with contextlib.suppress(OSError):
        os.unlink(scratch.missed)
    if not states.is_final(status.state):
        return None
    known = scratch_of(run, status)
    if known is not None and os.path.samefile(known.root, scratch.root):
        return run
    if not os.path.lexists(scratch.work) or os.path.lexists(scratch.removed):  # never used, or half removed
        remove_scratch(scratch)
    return None


def _is_bare(scratch: ScratchPaths) -> bool:
    """Whether there is nothing in a folder but what its runner makes first and removes last."""
    ours = (scratch.note, scratch.began, scratch.removed, scratch.missed, scratch.temporary)
    return set(os.listdir(scratch.root)) <= {os.path.basename(path) for path in ours}


def _is_free(run: RunPaths, scratch: ScratchPaths) -> bool:
    """Make the folder, or empty what an earlier runner of this run left; False if it is, or may be, another run's."""
    try:
        os.mkdir(scratch.root, 0o700)
    except FileExistsError:
        if not is_own_folder(scratch.root):
            return False
        note = _note_of(scratch)
        if note is None:  # a runner that was killed here, or a power cut, may have left nothing that can be lost
            is_free = _is_bare(scratch)
        else:
            is_free = (note["run_dir"], note.get("host")) == (run.root, posix.host_name())
        if not is_free or posix.is_locked(scratch.note):
            return False
        remove_scratch(scratch)
        if os.path.exists(scratch.root):  # not all of it could be removed
            return False
        os.mkdir(scratch.root, 0o700)
    return True


def _fill(run: RunPaths, scratch: ScratchPaths) -> None:
    try:
        record = {"format": FORMAT, "run_id": os.path.basename(run.root), "run_dir": run.root}
        write_file(scratch.note, dump_record({**record, "host": posix.host_name()}), mode=0o600)
        _hold(scratch)
        os.mkdir(scratch.temporary, 0o700)
    except OSError:  # a full disk: no status names the folder, so no other process would remove it soon
        remove_scratch(scratch)
        raise


def _is_of(run: RunPaths, scratch: ScratchPaths) -> bool:
    """Whether a scratch folder that a run's status names is this run's: by its note, else by its name."""
    run_id, note = os.path.basename(run.root), _note_of(scratch)
    is_named_so = os.path.basename(scratch.root).startswith(scratch_name(run_id))
    return is_named_so and (note is None or note["run_id"] == run_id)


def _hold(scratch: ScratchPaths) -> None:
    """Hold the note's lock until this process ends."""
    with contextlib.suppress(OSError):  # a file system without locks
        posix.try_lock(posix.open_lockable(scratch.note))


def _note_of(scratch: ScratchPaths) -> Optional[Dict[str, Any]]:
    """What the note says; None unless it can be read and names a run whose folder this may be."""
    note = readable_record(scratch.note)
    run_id, run_dir = note.get("run_id"), note.get("run_dir")
    if not isinstance(run_id, str) or not isinstance(run_dir, str) or not is_run_id(run_id):
        return None
    is_named_so = os.path.basename(scratch.root).startswith(scratch_name(run_id))
    return note if is_named_so and os.path.isabs(run_dir) and os.path.basename(run_dir) == run_id else None


def _is_deleted(run: RunPaths) -> bool:
    """Whether a run's folder is gone from a workspace that is there: an empty folder may be a disk not mounted."""
    workspace = run.workspace
    return os.path.isfile(workspace.record) and os.path.isdir(workspace.runs) and not os.path.lexists(run.root)


def _is_missed_for_long(scratch: ScratchPaths) -> bool:
    try:
        return time.time() - os.lstat(scratch.missed).st_mtime > _MISSED_SECONDS
    except OSError:
        with contextlib.suppress(OSError):
            write_file(scratch.missed, b"", mode=0o600)
    return False


def folder_inodes(work: str) -> Dict[str, int]:
    """The inode of each folder, by its path with `/` at the end: one that a job put in its place has another.

    Args:
        work: The working copy. A path in it that is too long for the system is left out.
    """
    found: Dict[str, int] = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        with contextlib.suppress(OSError), os.scandir(os.path.join(work, folder)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    path = f"{folder}{entry.name}/"
                    found[path] = entry.stat(follow_symlinks=False).st_ino
                    todo.append(path)
    return found
