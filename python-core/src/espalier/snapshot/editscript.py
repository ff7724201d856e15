"""The shortest way from one list of lines to another (Myers 1986, the greedy form), in bounded time.

difflib is not used: where two long files have many short stretches in common it takes minutes.
"""

from typing import Dict, List, Optional, Sequence, Tuple

# Beyond so many lines removed and added a stretch counts as replaced whole: time and memory grow with the square.
MOST_EDITS = 1000

Change = Tuple[int, int, int, int]


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
