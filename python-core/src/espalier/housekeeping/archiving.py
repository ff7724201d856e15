"""Archiving ended runs: they leave the default lists, and nothing else changes."""

import time
from typing import List, Sequence

from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import report
from espalier.base.records import now_iso
from espalier.housekeeping.families import families, refuse_unended
from espalier.tracking.tags import changing_meta, read_meta

_FIELD = "archived_at"


def set_archived(paths: WorkspacePaths, run_ids: Sequence[str], *, archived: bool) -> List[str]:
    """Archive ended runs and all runs below them, or take them out of the archive.

    Returns:
        The ids of those that weren't so before.

    Raises:
        EspalierError: `run_missing`, `run_in_use`, `damaged`, `newer_format`, `workspace_read_only`.
    """
    members = families(paths, run_ids)
    refuse_unended(members, "archive" if archived else "restore")
    now, changed = now_iso(time.time()), []
    for done, member in enumerate(members):
        report("Archiving runs" if archived else "Restoring runs", done, len(members))
        if (read_meta(member.run).get(_FIELD) is not None) == archived:
            continue
        try:
            with changing_meta(member.run) as meta:
                meta.pop(_FIELD, None)
                meta.update({_FIELD: now} if archived else {})
        except OSError as error:
            raise cannot_write(paths.root, error) from error
        changed.append(member.run_id)
    return changed
