"""The exception that ended a Python job, found in its log: the last traceback, with those that it followed from."""

import re
from typing import Any, Dict, List, Optional, Sequence

_BEGIN = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):?$")
_FRAME = re.compile(r'  File ".*", line \d+')
_END = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?$")
# What Python writes between two tracebacks of which one led to the other.
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_TRACEBACK_LINES = 200


def python_error(log: Sequence[str]) -> Optional[Dict[str, Any]]:
    """`Type: message` below the last traceback of a log.

    Args:
        log: The log's last lines.

    Returns:
        `message`, `class`, `traceback`, and `before`: the lines of the log before it. None if there is no traceback.
    """
    # (of an exception group each line begins with bars)
    lines = [re.sub(r"^\s*[|+] ", "", line) for line in log]
    starts = [i for i, line in enumerate(lines) if _BEGIN.search(line)]
    # a long traceback has its head above the end of the log; its frames are still recognisable
    frames = [i for i, line in enumerate(lines) if _FRAME.match(line)]
    if not starts and not frames:
        return None
    begin = starts[-1] + 1 if starts else frames[0]
    for i in range(begin, len(lines)):
        found = _END.match(lines[i])
        if found:
            first = _first_of_chain(lines, starts) if starts else begin
            # (what was printed without a newline, such as a prompt, stands before the head)
            head = _BEGIN.search(lines[first])
            printed = [lines[first][: head.start()]] if head and head.start() else []
            traceback = [head[0] if head else lines[first], *log[first + 1 : i + 1]]
            return {
                "message": lines[i],
                "class": [found.group(1)],
                "traceback": traceback[-_TRACEBACK_LINES:],
                "before": [*log[:first], *printed],
            }
    return None


def _first_of_chain(lines: List[str], starts: List[int]) -> int:
    """Where the first of the tracebacks begins that the last one followed from."""
    at = len(starts) - 1
    while at > 0:
        above = next((line for line in reversed(lines[starts[at - 1] : starts[at]]) if line.strip(" |")), "")
        if above.strip() not in _LINKS:
            break
        at -= 1
    return starts[at]
