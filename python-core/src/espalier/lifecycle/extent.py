"""What a run had logged when it ended: how long its logs were. What of them is gone since: a log that was cut is whole
to a parser."""

import contextlib
import os
import stat
from typing import Any, Dict, Iterator, List, Mapping, Optional

from espalier.adapters.files import open_regular
from espalier.base.paths import EVENTS, PARTS, RunPaths, is_event_log

# Lines of larger logs are not counted: that would delay the end of the run.
_COUNTED_BYTES = 8 * 1024 * 1024
# Of more logs than this only how many there were is recorded, and how large they were together.
_SINGLE_LOGS = 1000


def extent_of(run: RunPaths) -> Dict[str, Any]:
    """What `logs` of a final status holds: log -> `bytes` and `lines`; of very many logs only their sums."""
    found = dict(_sizes(run))
    if len(found) > _SINGLE_LOGS:
        return {"files": len(found), "bytes": sum(found.values())}
    return {name: {"bytes": size, **_lines(run, name, size)} for name, size in found.items()}


def lost_logs(run: RunPaths, status: Mapping[str, Any], folder: Optional[str] = None) -> List[str]:
    """What an ended run had logged and has no more, in words; nothing where its end did not record that.

    Args:
        folder: Only of the logs in `events` or `parts`.
    """
    recorded = status.get("logs")
    if not isinstance(recorded, dict) or not recorded:
        return []
    if isinstance(recorded.get("files"), int):
        return _lost_of_many(run, recorded)
    told = []
    for name, extent in recorded.items():
        if folder is None or os.path.dirname(name) == folder:
            told += _lost(run, name, extent if isinstance(extent, dict) else {})
    return told


def _lost(run: RunPaths, name: str, extent: Mapping[str, Any]) -> List[str]:
    path, had = os.path.join(run.root, name), extent.get("bytes")
    lines = f", {extent['lines']} lines," if isinstance(extent.get("lines"), int) else ""
    try:
        has = os.lstat(path).st_size
    except OSError:
        return [f"{path} is gone; it had {had} bytes{lines} when the run ended.".replace(",.", ".")]
    if isinstance(had, int) and has < had and not _has_lines(run, name, has, extent.get("lines")):
        return [f"{path} was cut: it has {has} bytes, and had {had}{lines} when the run ended."]
    return []


def _has_lines(run: RunPaths, name: str, size: int, wanted: object) -> bool:
    """Whether a shorter log has as many lines as it had: a user has mended one."""
    return isinstance(wanted, int) and _lines(run, name, size).get("lines", 0) >= wanted


def _lost_of_many(run: RunPaths, recorded: Mapping[str, Any]) -> List[str]:
    sizes = [size for _, size in _sizes(run)]
    if len(sizes) >= recorded["files"] and sum(sizes) >= recorded.get("bytes", 0):
        return []
    had = f"{recorded['files']} logs of {recorded.get('bytes')} bytes"
    return [f"{run.root} had {had} when the run ended, and has {len(sizes)} of {sum(sizes)} bytes."]


def _sizes(run: RunPaths) -> "Iterator[tuple[str, int]]":
    for folder in (EVENTS, PARTS):
        with contextlib.suppress(OSError), os.scandir(os.path.join(run.root, folder)) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if is_event_log(entry.name) and stat.S_ISREG(found.st_mode):
                    yield f"{folder}/{entry.name}", found.st_size
    with contextlib.suppress(OSError):
        found = os.lstat(run.log)
        if stat.S_ISREG(found.st_mode):
            yield run.log[len(run.root) + 1 :], found.st_size


def _lines(run: RunPaths, name: str, size: int) -> Dict[str, int]:
    if size > _COUNTED_BYTES:
        return {}
    if size == 0:
        return {"lines": 0}
    try:
        with open_regular(os.path.join(run.root, name)) as file:
            return {"lines": file.read(_COUNTED_BYTES).count(b"\n")}
    except OSError:
        return {}
