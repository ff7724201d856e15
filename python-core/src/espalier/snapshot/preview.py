"""What a snapshot of a folder would hold, as columns: a dry run for people."""

import os
from typing import Any, Dict, List, Optional

from espalier.snapshot.names import shown
from espalier.snapshot.take import scan_source


def snapshot_preview(source: str) -> Dict[str, List[Any]]:
    """Lists what a snapshot would hold and what it would leave out; nothing is written.

    Args:
        source: The source folder.

    Returns:
        Columns of equal length, sorted by path: `path` (a folder that is left out appears once, with a
        `/` at its end), `size` in bytes (None for folders), `included`, `rule` (with its origin, None
        where no rule was needed).

    Raises:
        EspalierError: `source_missing` or `source_unreadable`.
    """
    found = scan_source(source)
    rows: List[List[Any]] = [[entry.path, entry.size, True, None] for entry in found.files]
    for path, is_dir, decision in found.excluded:
        size = None if is_dir else _size(os.path.join(found.source, path))
        rows.append([shown(path) + ("/" if is_dir else ""), size, False, f"{decision.rule} ({decision.origin})"])
    rows.sort(key=lambda row: str(row[0]))
    names = ("path", "size", "included", "rule")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _size(path: str) -> Optional[int]:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None
