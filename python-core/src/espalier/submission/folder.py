"""Making a run folder: built aside, made durable, put in place by one rename."""

import contextlib
import os
import shutil
import time
from typing import Any, Dict

from espalier.adapters.files import remove_tree
from espalier.errors import EspalierError
from espalier.lifecycle.copies import origin_of
from espalier.paths import ENV, SPEC, STATUS, RunPaths, WorkspacePaths, is_temporary
from espalier.records import dump_record, sync_folder, write_file

# A submit takes milliseconds; what is this old was left by one that was killed. Seconds.
_LEFT_BEHIND_SECONDS = 86_400


def build_folder(paths: WorkspacePaths, spec: Dict[str, Any], records: Dict[str, Dict[str, Any]]) -> str:
    """Write a run's first records into a folder beside its final place.

    Args:
        records: Name of a record -> its content. The environment is made readable for its owner only.

    Returns:
        The folder; `place_folder` moves it home.

    Raises:
        EspalierError: `workspace_missing`, `workspace_read_only`.
    """
    shard = paths.shard(spec["id"])
    folder = paths.new_run(spec["id"]).root
    try:
        _make_shard(paths, shard)
        os.mkdir(folder)
        for name, record in {SPEC: spec, **records}.items():
            if name == STATUS:
                record = {**record, "origin": origin_of(os.path.join(folder, SPEC))}
            mode = 0o600 if name == ENV else 0o666
            write_file(os.path.join(folder, name), dump_record(record), sync=True, mode=mode)
        sync_folder(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(paths, error) from error
        raise
    return folder


def _make_shard(paths: WorkspacePaths, shard: str) -> None:
    if not os.path.isfile(paths.record):
        raise EspalierError(
            "workspace_missing",
            f"The workspace {paths.root} is gone.",
            "Restore it, or make a new one with workspace().",
        )
    if not os.path.isdir(shard):
        os.makedirs(shard, exist_ok=True)
        sync_folder(paths.runs)
    _sweep(shard)


def _sweep(shard: str) -> None:
    """Remove what killed submits left behind: it was never a run, and may hold an environment."""
    for entry in os.scandir(shard):
        with contextlib.suppress(OSError):
            if is_temporary(entry.name) and time.time() - entry.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                remove_tree(entry.path)


def place_folder(paths: WorkspacePaths, folder: str, run_id: str) -> RunPaths:
    """Move a built run folder home; from here on the run exists, whatever happens to us."""
    run = paths.run(run_id)
    try:
        os.rename(folder, run.root)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise cannot_write(paths, error) from error
    sync_folder(run.shard)
    return run


def cannot_write(paths: WorkspacePaths, error: OSError) -> EspalierError:
    """What to tell when the workspace does not take a file."""
    return EspalierError(
        "workspace_read_only",
        f"The workspace {paths.root} cannot be written: {error.strerror}.",
        "Check the folder's permissions and the free space, or use another workspace.",
        path=paths.root,
    )
