"""Writing a planned run: its folder, built aside, made durable, put in place by one rename; its ticket, and a step of
the queue."""

import contextlib
import os
import shutil
import time
from typing import Dict, Iterable, Mapping, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.files import remove_tree
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode
from espalier.base.model.job import JobSpec, Meta
from espalier.base.model.record import Record
from espalier.base.model.status import Status
from espalier.base.names import check_label
from espalier.base.os_errors import cannot_write
from espalier.base.paths import ENV, META, SPEC, STATUS, RunPaths, WorkspacePaths, is_temporary
from espalier.base.progress import indivisible
from espalier.base.records import (
    FILE_MODE,
    FOLDER_MODE,
    PRIVATE_MODE,
    dump_record,
    make_folders,
    refuse_unreadable,
    sync_folder,
    write_file,
)
from espalier.base.types import Text
from espalier.jobs.plan import Plan
from espalier.lifecycle.children import opened_entries
from espalier.lifecycle.digests import origin_of, record_digests
from espalier.queue.home import allocator
from espalier.queue.step import step_locked
from espalier.queue.tickets import add_ticket, remove_ticket_of
from espalier.snapshot.diff import start_diff, store_diff
from espalier.vault.known import refuse_secret_values

# A submit takes milliseconds; what is this old was left by one that was killed. Seconds.
_LEFT_BEHIND_SECONDS = 86_400


def build_folder(
    paths: WorkspacePaths,
    spec: JobSpec,
    status: Status,
    records: Mapping[str, Record],
    git_index: bytes = b"",
    sync: bool = True,
) -> Tuple[str, Dict[str, str]]:
    """Write a run's first records into a folder beside its final place.

    Args:
        records: Name of a record -> its content, beside these two. The environment is made readable for its owner only.
        git_index: The index of the source folder's repository, if there is one. Not synchronised: after a power loss
            a job does without it.
        sync: Whether it is durable on return; else `sync_together` makes it so.

    Returns:
        The folder, which `place_folder` moves home; and the digests of its frozen records.

    Raises:
        EspalierError: `workspace_missing`, `workspace_read_only`.
    """
    shard = paths.shard(spec.id)
    folder = paths.new_run(spec.id).root
    digests: Dict[str, str] = {}
    try:
        make_shard(paths, shard, sync)
        os.mkdir(folder, FOLDER_MODE)
        for name, record in {SPEC: spec, **records, STATUS: status}.items():
            if name == STATUS:
                record = status._replace(origin=origin_of(os.path.join(folder, SPEC)), digests=digests)
            mode, data = PRIVATE_MODE if name == ENV else FILE_MODE, dump_record(encode(record))
            refuse_unreadable(os.path.join(folder, name), data)
            digests.update(record_digests({name: data}))
            write_file(os.path.join(folder, name), data, sync=sync, mode=mode)
        if git_index:
            index = RunPaths(folder).git_index
            os.mkdir(os.path.dirname(index), FOLDER_MODE)
            write_file(index, git_index)
        if sync:
            sync_folder(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(paths.root, error) from error
        raise
    return folder, digests


def make_shard(paths: WorkspacePaths, shard: str, sync: bool) -> None:
    """Make the folder that a run is to lie in, and remove what killed processes left there. Raises OSError."""
    os.stat(paths.record)  # (else the workspace is gone, and its folder isn't made again)
    if not os.path.isdir(shard):
        make_folders(shard, top=paths.root)
        if sync:
            sync_folder(paths.runs)
    _sweep(shard)


def _sweep(shard: str) -> None:
    """Remove what killed submits left behind: it was never a run, and may hold an environment."""
    for entry in os.scandir(shard):
        with contextlib.suppress(OSError):
            if is_temporary(entry.name) and time.time() - entry.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                remove_tree(entry.path)


def place_folder(paths: WorkspacePaths, folder: str, run_id: str, sync: bool = True) -> RunPaths:
    """Move a built run folder home; from here on the run exists, also if this process dies.

    Args:
        sync: Whether that is durable on return; else `sync_together` makes it so.

    Raises:
        EspalierError: `workspace_missing`, `workspace_read_only`; the folder is removed then.
    """
    run = paths.run(run_id)
    try:
        shard = os.open(run.shard, os.O_RDONLY)  # (so that it is the same one to the end, if its workspace is renamed)
        try:
            os.rename(os.path.basename(folder), run_id, src_dir_fd=shard, dst_dir_fd=shard)
            if sync:
                os.fsync(shard)
        finally:
            os.close(shard)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise cannot_write(paths.root, error) from error
    return run


def record_child(parent: RunPaths, child_id: str) -> None:
    """Enter a run as a child, durable, before its folder is put in its place. Raises EspalierError: `run_missing`,
    `workspace_read_only`."""
    try:
        _enter(parent, child_id)
    except OSError as error:
        if not os.path.isdir(parent.root):
            message = f"Can't find the parent run {os.path.basename(parent.root)} any more."
            raise EspalierError("run_missing", message, "See list_runs().") from error
        raise cannot_write(parent.workspace.root, error) from error


def _enter(parent: RunPaths, child_id: str) -> None:
    made = not os.path.lexists(parent.children)
    if made:
        with contextlib.suppress(FileExistsError):
            os.mkdir(parent.children, FOLDER_MODE)
    with opened_entries(parent.children) as folder:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(child_id, flags, FILE_MODE, dir_fd=folder))
        os.fsync(folder)
    if made:
        sync_folder(parent.root)


def sync_together(paths: WorkspacePaths, folders: Iterable[str]) -> None:
    """Make folders below `runs/`, and the files in them, durable: at once where the system can do that. Raises
    EspalierError: `workspace_read_only`."""
    try:
        top = os.open(paths.runs, os.O_RDONLY)
        try:
            if posix.sync_file_system(top):
                return
        finally:
            os.close(top)
        for folder in folders:
            with os.scandir(folder) as entries:
                files = [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
            for path in (*files, folder):
                with contextlib.suppress(FileNotFoundError):  # (of another run, whose record is being replaced)
                    sync_folder(path)
    except OSError as error:
        raise cannot_write(paths.root, error) from error


@indivisible()
def commit(paths: WorkspacePaths, plan: Plan, tags: Mapping[str, Text]) -> str:
    """Write the run durably, queue it, and move the queue on. Raises EspalierError: `workspace_missing`,
    `workspace_read_only`."""
    queue = plan.queue
    diff = start_diff(plan.diff)  # git is done when the folder is
    spec = plan.spec
    records = {META: meta_record(paths, plan.display_name, tags), ENV: plan.env}
    if spec.parent:
        record_child(paths.run(spec.parent), spec.id)
    folder, digests = build_folder(paths, spec, queued_status(spec), records, plan.git_index)
    with allocator(queue):
        if spec.parent:  # who carried out the same request before, and was killed, may have left one
            remove_ticket_of(queue, spec.id)
        # ticket first: a ticket without its run is dropped, a run without its ticket would wait for a reader to see it
        add_ticket(queue, paths.run(spec.id).root, spec, digests=digests)
        place_folder(paths, folder, spec.id)
        with contextlib.suppress(Exception):  # the run exists: what hinders the queue is not this submit's failure
            step_locked(queue)
    store_diff(paths.run(spec.id), diff)
    return spec.id


def queued_status(spec: JobSpec) -> Status:
    """The first status of a run that is queued."""
    return Status(states.QUEUED, queued_at=spec.created_at)


def meta_record(paths: WorkspacePaths, display_name: Optional[str], tags: Mapping[str, Text]) -> Meta:
    """The mutable record of a new run. Raises EspalierError `bad_name`, `bad_argument`."""
    checked = checked_tags(tags)
    refuse_secret_values(paths, {"display_name": display_name, "tags": checked})
    return Meta(display_name=display_name, tags=checked)


def checked_tags(tags: Mapping[str, Text]) -> Dict[str, str]:
    """Tags with valid names, their values as text. Raises EspalierError `bad_name`."""
    return {check_label("tag", name): str(value) for name, value in tags.items()}
