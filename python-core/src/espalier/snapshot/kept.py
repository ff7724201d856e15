"""Snapshots taken outside of runs: a record each keeps them until it is removed."""

import contextlib
import os
import time
from typing import Any, Dict, List

from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, WorkspacePaths, digest_of_record
from espalier.base.records import make_folders, now_iso, read_record, replace_record
from espalier.snapshot.take import Snapshot


def keep(paths: WorkspacePaths, snapshot: Snapshot) -> None:
    """Keeps a snapshot; taken again, it has the time and folder of the last time.

    Args:
        paths: The workspace, whose objects are held.
        snapshot: What is in its store.

    Raises:
        OSError: the record cannot be written.
    """
    record = {
        "format": FORMAT,
        "id": snapshot.id,
        "taken_at": now_iso(time.time()),
        "source_directory": snapshot.source_directory,
        "files": snapshot.files,
        "bytes": snapshot.bytes,
    }
    make_folders(paths.kept, top=paths.root)
    replace_record(paths.kept_snapshot(snapshot.id[7:]), record, paths.kept, sync=True)


def kept_snapshots(paths: WorkspacePaths) -> List[Dict[str, Any]]:
    """The records of the kept snapshots, newest first; of one that cannot be read only the `id`."""
    records = []
    for digest in kept_digests(paths):
        record: Dict[str, Any] = {}
        with contextlib.suppress(EspalierError, OSError):
            record = read_record(paths.kept_snapshot(digest))
        records.append({**record, "id": "sha256:" + digest})
    return sorted(records, key=lambda record: str(record.get("taken_at", "")), reverse=True)


def kept_digests(paths: WorkspacePaths) -> List[str]:
    """The kept snapshots, 64 hex digits each."""
    names = os.listdir(paths.kept) if os.path.isdir(paths.kept) else []
    return [digest for digest in map(digest_of_record, names) if digest]


def remove_record(paths: WorkspacePaths, snapshot_id: str) -> bool:
    """Removes a snapshot's record; its files stay until garbage is collected.

    Args:
        paths: The workspace.
        snapshot_id: `sha256:<64 hex digits>`.

    Returns:
        Whether it was kept.

    Raises:
        OSError: the record cannot be removed.
    """
    try:
        os.unlink(paths.kept_snapshot(snapshot_id[7:]))
    except FileNotFoundError:
        return False
    return True
