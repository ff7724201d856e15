"""What differs between two snapshots, or between a snapshot and a folder: a row a file, with its diff."""

from typing import Dict, List, NamedTuple, Optional

from espalier.base.progress import report
from espalier.base.types import Frame
from espalier.snapshot.names import shown
from espalier.snapshot.sides import Item, Side
from espalier.snapshot.textdiff import LARGEST, TextDiff, link_diff, text_diff

KINDS = {"f": "file", "x": "executable", "l": "link"}
# All diffs together, characters: beyond this the rows go on without.
_ALL_DIFFS = 8 << 20


class Difference(NamedTuple):
    """One file or link that differs.

    `change` is `added`, `removed`, `changed` (its content, or a link's target), `mode` (only whether it may be
    executed) or `type` (a file became a link or the other way round).
    """

    path: str
    change: str
    before: Optional[Item]
    after: Optional[Item]
    diff: Optional[str]
    note: Optional[str]


def compare(a: Side, b: Side) -> List[Difference]:
    """Compares two sides.

    Args:
        a: How it was before.
        b: How it is after.

    Returns:
        What differs, sorted by path.

    Raises:
        EspalierError: `snapshot_damaged` about a stored side, `source_changed` or `source_unreadable` about a folder.
    """
    found: List[Difference] = []
    left = _ALL_DIFFS
    paths = sorted(a.items.keys() | b.items.keys())
    for number, path in enumerate(paths):
        report("Comparing", number, len(paths))
        before = a.settled(path, b.items.get(path))
        after = b.settled(path, a.items.get(path))
        change = _change(before, after)
        if change is None:
            continue
        told = _diff(a, b, path, before, after) if left > 0 and change != "mode" else TextDiff(None, None)
        if left <= 0 and change != "mode":
            told = TextDiff(None, "not shown, the diffs are too many")
        left -= len(told.text or "")
        found.append(Difference(path, change, before, after, *told))
    return found


def _change(before: Optional[Item], after: Optional[Item]) -> Optional[str]:
    if before is None or after is None:
        return None if before is after else "added" if before is None else "removed"
    if (before.kind == "l") != (after.kind == "l"):
        return "type"
    if before.content != after.content:
        return "changed"
    return "mode" if before.kind != after.kind else None


def _diff(a: Side, b: Side, path: str, before: Optional[Item], after: Optional[Item]) -> TextDiff:
    items = [item for item in (before, after) if item is not None]
    if len({item.kind == "l" for item in items}) > 1:
        to = next(item.content for item in items if item.kind == "l")
        return TextDiff(None, f"{'was' if before and before.kind == 'l' else 'became'} a link to {shown(to)}")
    if items[0].kind == "l":
        return link_diff(path, before and before.content, after and after.content)
    if max(item.size for item in items) > LARGEST:
        return TextDiff(None, f"not shown, larger than {LARGEST >> 20} MB")
    return text_diff(path, before and a.data(path), after and b.data(path))


def as_frame(found: List[Difference]) -> Frame:
    """Differences as columns: `path`, `change`, `size_before`, `size_after` (bytes), `kind_before`, `kind_after`,
    `note` (why there is no diff), `diff`."""
    columns: Dict[str, List[object]] = {
        "path": [item.path for item in found],
        "change": [item.change for item in found],
        "size_before": [item.before and float(item.before.size) for item in found],
        "size_after": [item.after and float(item.after.size) for item in found],
        "kind_before": [item.before and KINDS[item.before.kind] for item in found],
        "kind_after": [item.after and KINDS[item.after.kind] for item in found],
        "note": [item.note for item in found],
        "diff": [item.diff for item in found],
    }
    sizes = {"size_before": "double", "size_after": "double"}
    return Frame(columns, {name: sizes.get(name, "string") for name in columns})
