"""A failed run in a few lines: the cause first, three lines of its log, the place of the log last.

R cuts messages at 1,000 bytes, so what stands before the last line is held shorter (R/failure-message.R is the twin).
"""

from typing import Any, List, Mapping, Sequence

from espalier.lifecycle.log_text import plain_text

_LINES = 3
_LINE_BYTES = 120
# Of cause, call and hint; of cause and hint together.
_CAUSE_BYTES, _CALL_BYTES, _HINT_BYTES, _BOTH_BYTES = 400, 100, 360, 560
# What R shows of a message, without its "Error: ", and how much of it may stand before the last line, bytes.
_SHOWN_BYTES, _HEAD_BYTES, _LEAST_BYTES = 985, 900, 300


def failure_message(run_id: str, error: Mapping[str, Any], last: str, next_steps: str) -> str:
    """Why a run failed, and what shows more: all but the last line.

    Args:
        error: The error as its status records it.
        last: The last line: where the whole log is; empty if there is none.
        next_steps: What shows the calls and the log.
    """
    room = max(min(_HEAD_BYTES, _SHOWN_BYTES - len(last.encode("utf-8", "replace"))), _LEAST_BYTES)

    # (a long path leaves less room for all of them)
    def most(limit: int) -> int:
        return min(limit, (room - 200) * limit // 700)

    hint = _cut(plain_text(error.get("hint") or "").replace("\n", " "), most(_HINT_BYTES))
    left = most(_BOTH_BYTES) - len(hint.encode("utf-8", "replace"))
    cause = _cut(plain_text(str(error.get("message") or "unknown cause")), min(most(_CAUSE_BYTES), left))
    head = [f"Run {run_id} failed: {cause}{_where(error, most(_CALL_BYTES))}"]
    if hint:
        head.append("i " + hint)
    lines = useful_lines(error)
    end = [f"i {next_steps}"] if last else []
    while lines and _size([*head, *_shown(lines), *end]) > room:
        lines = lines[1:]
    return "\n".join([*head, *_shown(lines), *end])


def useful_lines(error: Mapping[str, Any]) -> List[str]:
    """The last lines of the log that do not repeat the error; of a run of an older version the last lines."""
    found: Sequence[Any] = error.get("log_before", error.get("log_tail")) or []
    lines = [plain_text(str(line)).replace("\n", " ") for line in found]
    return [_cut_middle(line, _LINE_BYTES) for line in lines if line.strip()][-_LINES:]


def _where(error: Mapping[str, Any], limit: int) -> str:
    """The call that failed, and where it stands in the job's files."""
    call, place = (plain_text(error.get(name) or "").replace("\n", " ") for name in ("call", "place"))
    place = _cut_front(place, limit // 2)
    call = _cut(call, limit - len(place.encode("utf-8", "replace")))
    parts = [f"{word} {text}" for word, text in (("in", call), ("at", place)) if text]
    return f" [{', '.join(parts)}]" if parts else ""


def failure_line(error: Mapping[str, Any], length: int = 200) -> str:
    """The cause on one line."""
    text = " ".join(plain_text(str(error.get("message") or "unknown cause")).split())
    return text if len(text) <= length else text[: length - 3] + "..."


def as_sentence(text: str) -> str:
    """A text that ends as a sentence does."""
    return text if text.endswith((".", "!", "?")) else text + "."


def _shown(lines: Sequence[str]) -> List[str]:
    return ["Last lines of its log:", *("  " + line for line in lines)] if lines else []


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)


def _cut(text: str, limit: int) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= limit else data[: limit - 3].decode("utf-8", "ignore") + "..."


def _cut_middle(text: str, limit: int) -> str:
    data, front = text.encode("utf-8", "replace"), (limit - 3) // 2
    if len(data) <= limit:
        return text
    return data[:front].decode("utf-8", "ignore") + "…" + data[front + 3 - limit :].decode("utf-8", "ignore")


def _cut_front(text: str, limit: int) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= limit else "..." + data[3 - limit :].decode("utf-8", "ignore")
