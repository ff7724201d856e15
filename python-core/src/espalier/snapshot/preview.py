"""What a snapshot of a folder would hold, as columns: a dry run for people."""

import os
from typing import Any, List, Optional

from espalier.base.types import Frame
from espalier.snapshot.names import shown
from espalier.snapshot.take import scan_source

_KINDS = {"path": "string", "size": "double", "included": "logical", "rule": "string"}


def snapshot_preview(source: str, default_excludes: bool = True, outside_links: str = "refuse") -> Frame:
    """Lists what a snapshot would hold and what it would leave out; nothing is written.

    Args:
        source: The source folder.
        default_excludes: Whether the built-in excludes apply.
        outside_links: What becomes of links that lead out of the folder: `refuse`, `keep` or `copy`.

    Returns:
        A row a path, sorted: `path` (a folder that is left out appears once, with a
        `/` at its end), `size` in bytes (None for folders), `included`, `rule` (with its origin, None
        where no rule was needed).

    Raises:
        EspalierError: `source_missing` or `source_unreadable`; `bad_argument`.
    """
    found = scan_source(source, default_excludes, outside_links)
    rows: List[List[Any]] = [[entry.path, float(entry.size), True, None] for entry in found.files]
    for path, is_dir, decision in found.excluded:
        size = None if is_dir else _size(os.path.join(found.source, path))
        rows.append([shown(path) + ("/" if is_dir else ""), size, False, f"{decision.rule} ({decision.origin})"])
    rows.sort(key=lambda row: str(row[0]))
    return Frame({name: [row[at] for row in rows] for at, name in enumerate(_KINDS)}, _KINDS)


def _size(path: str) -> Optional[float]:
    try:
        return float(os.lstat(path).st_size)
    except OSError:
        return None
