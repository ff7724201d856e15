"""Unified diffs of two texts, as people read them: no control characters, bounded in size and time.

The edits are the fewest (Myers 1986, the greedy form). difflib isn't used: where two long files have many short
stretches in common it takes minutes.
"""

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from espalier.snapshot.file_names import shown

# A file larger than this is not read for a diff, bytes.
LARGEST = 1 << 20
_CONTEXT = 3
# Where git looks for a NUL byte, bytes.
_SNIFFED = 8000
_NO_NEWLINE = "\\ No newline at end of file"
# Beyond so many lines removed and added a stretch counts as replaced whole: time and memory grow with the square.
MOST_EDITS = 1000

# `(i1, i2, j1, j2)`: the lines `before[i1:i2]` became `after[j1:j2]`.
Change = Tuple[int, int, int, int]


class TextDiff(NamedTuple):
    """A diff as one string, its lines ended by newlines; None where there is none to show, and `note` says why."""

    text: Optional[str]
    note: Optional[str]


def text_diff(path: str, before: Optional[bytes], after: Optional[bytes]) -> TextDiff:
    """The unified diff of one file.

    Args:
        path: Its path relative to the folder.
        before: Its content; None where it was not there.
        after: Its content; None where it is gone.

    Returns:
        The diff. Bytes that are not UTF-8 and control characters stand in it as backslash escapes.
    """
    if any(data is not None and b"\0" in data[:_SNIFFED] for data in (before, after)):
        return TextDiff(None, "binary")
    first, second = _Text(before), _Text(after)
    if before is not None and after is not None and before != after and first.plain == second.plain:
        return TextDiff(None, f"only line ends differ ({first.ends} before, {second.ends} after)")
    if first.ends == second.ends == "CRLF":
        first.lines, second.lines = first.plain, second.plain
    old = "/dev/null" if before is None else "a/" + shown(path)
    new = "/dev/null" if after is None else "b/" + shown(path)
    body = [line for hunk in _hunks(first.lines, second.lines) for line in hunk]
    if not body:
        return TextDiff(None, "empty")
    note = None if first.is_utf8 and second.is_utf8 else "not all UTF-8"
    return TextDiff("\n".join([f"--- {old}", f"+++ {new}", *body]) + "\n", note)


def link_diff(path: str, before: Optional[str], after: Optional[str]) -> TextDiff:
    """The diff of a link: its targets, a line each."""
    old, new = (None if target is None else target.encode("utf-8") + b"\n" for target in (before, after))
    return text_diff(path, old, new)


class _Text:
    """The lines of one side. A last line without its newline carries the mark that diffs put below it."""

    def __init__(self, data: Optional[bytes]) -> None:
        try:
            text = (data or b"").decode("utf-8")
            self.is_utf8 = True
        except UnicodeDecodeError:
            text = (data or b"").decode("utf-8", "backslashreplace")
            self.is_utf8 = False
        lines = text.split("\n")
        last = lines.pop()
        open_end = [last] if last else []
        with_cr = sum(line.endswith("\r") for line in lines)
        self.ends = "LF" if not with_cr else "CRLF" if with_cr == len(lines) else "mixed"
        self.plain = self._shown([line[:-1] if line.endswith("\r") else line for line in lines], open_end)
        self.lines = self._shown(lines, open_end) if with_cr else self.plain

    @staticmethod
    def _shown(lines: List[str], open_end: List[str]) -> List[str]:
        return [_printable(line) for line in lines] + [_printable(line) + "\n" + _NO_NEWLINE for line in open_end]


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode("ascii") for c in line)


def _hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[List[str]]:
    """The hunks of a unified diff, each a list of lines beginning with its `@@` line."""
    for group in _groups(changes(before, after)):
        at = max(group[0][0] - _CONTEXT, 0)
        end = min(group[-1][1] + _CONTEXT, len(before))
        shift, shift_after = group[0][2] - group[0][0], group[-1][3] - group[-1][1]
        hunk = [f"@@ -{_range(at, end)} +{_range(at + shift, end + shift_after)} @@"]
        for i1, i2, j1, j2 in group:
            hunk += [" " + line for line in before[at:i1]]
            hunk += ["-" + line for line in before[i1:i2]]
            hunk += ["+" + line for line in after[j1:j2]]
            at = i2
        yield hunk + [" " + line for line in before[at:end]]


def _groups(found: List[Change]) -> Iterator[List[Change]]:
    """Changes so near to each other that their contexts touch."""
    group: List[Change] = []
    for change in found:
        if group and change[0] - group[-1][1] > 2 * _CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _range(start: int, stop: int) -> str:
    """A hunk's range: counted from 1, and from the line before where it is empty."""
    length = stop - start
    return f"{start + 1}" if length == 1 else f"{start + 1 if length else start},{length}"


def changes(before: Sequence[str], after: Sequence[str]) -> List[Change]:
    """What was replaced, in order.

    Args:
        before: The lines of one side.
        after: The lines of the other.

    Returns:
        `(i1, i2, j1, j2)` for each stretch `before[i1:i2]` that became `after[j1:j2]`; one of the two may be empty.
    """
    size = min(len(before), len(after))
    head = next((at for at in range(size) if before[at] != after[at]), size)
    tail = next((at for at in range(size - head) if before[-1 - at] != after[-1 - at]), size - head)
    end_a, end_b = len(before) - tail, len(after) - tail
    if head == end_a and head == end_b:
        return []
    edits = _edits(before[head:end_a], after[head:end_b])
    if edits is None:
        return [(head, end_a, head, end_b)]
    found: List[Change] = []
    for i1, i2, j1, j2 in edits:
        if found and found[-1][1] == i1 + head and found[-1][3] == j1 + head:  # goes on where the last one ended
            i1, j1 = found[-1][0] - head, found[-1][2] - head
            found.pop()
        found.append((i1 + head, i2 + head, j1 + head, j2 + head))
    return found


def _edits(a: Sequence[str], b: Sequence[str]) -> Optional[List[Change]]:
    """Single lines removed or added, in order; None where there are too many."""
    furthest: Dict[int, int] = {1: 0}
    trace: List[Dict[int, int]] = []
    for edits in range(min(len(a) + len(b), MOST_EDITS) + 1):
        trace.append({})
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1])
            x = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            y = x - diagonal
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = trace[-1][diagonal] = x
            if x >= len(a) and y >= len(b):
                return _way_back(trace, len(a), len(b))
    return None


def _way_back(trace: List[Dict[int, int]], x: int, y: int) -> List[Change]:
    way: List[Change] = []
    for edits in range(len(trace) - 1, 0, -1):
        reached = trace[edits - 1]
        diagonal = x - y
        # the same choice as on the way there
        down = diagonal == -edits or (
            diagonal != edits and reached.get(diagonal - 1, -1) < reached.get(diagonal + 1, -1)
        )
        if down:
            x = reached[diagonal + 1]
            y = x - diagonal - 1
            way.append((x, x, y, y + 1))
        else:
            x = reached[diagonal - 1]
            y = x - diagonal + 1
            way.append((x, x + 1, y, y))
    return way[::-1]
