"""The parts of a run as columns (protocol.md, "parts"): a run may have a million, too many to make an object of each.

Lines in the form that our writers give them are taken apart by one pattern, which accepts nothing that is no JSON but
in the metrics, and these are parsed as JSON together. All other lines are parsed one by one and put into that form;
so is a whole block when its metrics are not what they say, for that tells the line.
"""

import contextlib
import itertools
import json
import operator
import re
import sys
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from espalier.paths import RunPaths
from espalier.tracking.events import damaged_line, line_blocks, logs_in, no_collector, parse_events, with_payload
from espalier.types import INT_MAX, Frame, as_kind, common_kind
from espalier.values import is_cell

STATES = ("Completed", "Failed", "Canceled")
# The columns that every list of parts has, so that no metric can be called so.
TAKEN = ("key", "status", "error", "seconds", "digest")

_TEXT = r'"([^"\\\x00-\x1f]+)"'
_LINE = re.compile(
    r'^(?:\{"type":"part","seq":(?:0|[1-9][0-9]{0,17}),"time":((?:0|[1-9][0-9]{0,10})(?:\.[0-9]+)?),'
    rf'"key":{_TEXT},"status":{_TEXT}(?:,"seconds":((?:0|[1-9][0-9]{{0,14}})(?:\.[0-9]+)?))?(?:,"digest":{_TEXT})?'
    rf'(?:,"error":{_TEXT})?(?:,"kinds":(\{{[^{{}}\n]*\}}),"metrics":(\{{[^{{}}\n]*\}}))?\}}|(.*))$',
    re.MULTILINE,
)
_TYPES = {"double": float, "integer": int, "logical": bool, "string": str}

# A line taken apart, all as text: time, key, status, seconds, digest, error, kinds, metrics,
# and nothing. Empty is absent.
Fields = Tuple[str, ...]


class _Metric(NamedTuple):
    """A metric of all parts: values as JSON has them, each with its kind; None where a part has none."""

    kinds: List[Optional[str]]
    values: List[Any]

    def put(self, start: int, rows: Sequence[int], kind: str, values: List[Any]) -> None:
        """Fill rows, counted from a start; what lies between is left out."""
        end = start + rows[-1] + 1
        for column in (self.kinds, self.values):
            column.extend([None] * (end - len(column)))
        if len(rows) == rows[-1] - rows[0] + 1:
            self.kinds[start + rows[0] : end], self.values[start + rows[0] : end] = [kind] * len(rows), values
            return
        for row, value in zip(rows, values):
            self.kinds[start + row], self.values[start + row] = kind, value


class _Parts:
    """Parts side by side, in the order of writer and line."""

    def __init__(self) -> None:
        self.times: List[float] = []
        self.columns: Dict[str, List[Any]] = {name: [] for name in TAKEN}
        self.metrics: Dict[str, _Metric] = {}

    def add(self, lines: List[Fields]) -> None:
        """Add a block of lines, or nothing of it.

        Raises:
            ValueError: the metrics of a line are not what it says.
        """
        if not lines:
            return
        times, keys, statuses, seconds, digests, errors, kinds, metrics, _ = zip(*lines)
        found, start = list(_metrics(kinds, metrics)), len(self.times)
        self.times.extend(map(float, times))
        self.columns["key"].extend(keys)
        self.columns["status"].extend(map(sys.intern, statuses))
        self.columns["seconds"].extend([float(text) if text else None for text in seconds])
        self.columns["digest"].extend([text or None for text in digests])
        self.columns["error"].extend([text or None for text in errors])
        for name, rows, kind, values in found:
            self.metrics.setdefault(name, _Metric([], [])).put(start, rows, kind, values)

    def frame(self) -> Frame:
        """A row a key, in the order of the first line of each; of several lines of one key the last."""
        rows = self._rows()
        columns = {name: _picked(column, rows) for name, column in self.columns.items()}
        kinds = dict.fromkeys(TAKEN, "string")
        kinds["seconds"] = "double"
        for name, (said, values) in self.metrics.items():
            for column in (said, values):
                column.extend([None] * (len(self.times) - len(column)))
            kinds[name], columns[name] = _typed(_picked(said, rows), _picked(values, rows))
        return Frame(columns, kinds)

    def _rows(self) -> Optional[List[int]]:
        """Where the lines are that count; None for all of them as they are."""
        keys, times = self.columns["key"], self.times
        in_order = all(map(operator.le, times, itertools.islice(times, 1, None)))
        order = range(len(times)) if in_order else sorted(range(len(times)), key=times.__getitem__)
        last = dict(zip(keys if in_order else [keys[i] for i in order], order))
        return None if in_order and len(last) == len(times) else list(last.values())


def read_parts(run: RunPaths) -> Frame:
    """See `Run.list_parts`.

    Raises:
        EspalierError: `damaged` with file and line number, `newer_format`.
    """
    found = _Parts()
    with no_collector():
        for path in logs_in(run.parts):
            for first, block in line_blocks(path):
                try:
                    found.add(_lines(run, block, first, path))
                except ValueError:  # a line is damaged, or in no form of ours: one by one
                    lines = block.split(b"\n")
                    plain = _plain_lines(run, lines, range(first, first + len(lines)), path)
                    found.add([fields for _, fields in plain])
        return found.frame()


def _lines(run: RunPaths, block: bytes, first: int, path: str) -> List[Fields]:
    """The parts of a block of lines, in their order."""
    rows = _LINE.findall(block.decode("utf-8"))
    others = [at for at, row in enumerate(rows) if not row[0]]
    texts = [rows[at][-1].encode("utf-8") for at in others]
    for number, fields in _plain_lines(run, texts, [first + at for at in others], path):
        rows[number - first] = fields
    return [row for row in rows if row[0]]


def _plain_lines(run: RunPaths, lines: List[bytes], numbers: Sequence[int], path: str) -> Iterator[Tuple[int, Fields]]:
    """The parts among lines, in the plain form, each with the number of its line; all else is left out."""
    for number, event in parse_events(lines, numbers, path):
        if event["type"] == "part":
            try:
                yield number, _plain(with_payload(run, event))
            except ValueError as error:
                raise damaged_line(path, number) from error


def _plain(part: Dict[str, Any]) -> Fields:
    """A part as the pattern would have taken it apart.

    Raises:
        ValueError: a field is of another type than the protocol says.
    """
    texts = [part.get(name, "") for name in ("key", "status", "digest", "error")]
    seconds, kinds, metrics = part.get("seconds"), part.get("kinds", {}), part.get("metrics", {})
    if not all(isinstance(text, str) for text in texts) or not texts[0] or not texts[1]:
        raise ValueError("a text is missing")
    if seconds is not None and (type(seconds) not in (int, float) or not 0 <= seconds < 1e15):
        raise ValueError("seconds are a number")
    if not isinstance(kinds, dict) or not isinstance(metrics, dict) or list(kinds) != list(metrics):
        raise ValueError("each metric has a kind")
    if not all(name not in TAKEN and is_cell({"kind": kinds[name], "value": metrics[name]}) for name in kinds):
        raise ValueError("a metric is of another kind")
    key, status, digest, error = texts
    said = (json.dumps(kinds), json.dumps(metrics)) if kinds else ("", "")
    return (repr(float(part["time"])), key, status, "" if seconds is None else repr(seconds), digest, error, *said, "")


def _metrics(kinds: Sequence[str], metrics: Sequence[str]) -> Iterator[Tuple[str, Sequence[int], str, List[Any]]]:
    """The metrics of a block: name, rows that have it, its kind, its values; of each set of kinds on its own.

    Raises:
        ValueError: they are not what they say.
    """
    given = list(filter(None, metrics))
    parsed = json.loads(f"[{','.join(given)}]")
    if len(parsed) != len(given):
        raise ValueError("braces do not match")
    shapes: Dict[str, Tuple[Sequence[int], List[Dict[str, Any]]]] = {}
    if len(set(kinds)) == 1 and given:
        shapes[kinds[0]] = range(len(kinds)), parsed
    else:
        for (row, shape), one in zip(((row, text) for row, text in enumerate(kinds) if text), parsed):
            rows, mine = shapes.setdefault(shape, ([], []))
            rows.append(row)  # type: ignore[attr-defined]
            mine.append(one)
    for shape, (rows, mine) in shapes.items():
        said = json.loads(shape)
        if sum(map(len, mine)) != len(mine) * len(said) or not said:
            raise ValueError("each metric has a kind")
        for name, kind in said.items():
            yield name, rows, kind, _checked(name, kind, mine)


def _checked(name: str, kind: Any, metrics: List[Dict[str, Any]]) -> List[Any]:
    """The values of one metric, all of which are of a kind."""
    try:
        values = [one[name] for one in metrics]
    except KeyError as error:
        raise ValueError("each metric has a kind") from error
    if kind == "double" and set(map(type, values)) <= {float, int}:
        with contextlib.suppress(OverflowError):  # which is refused below
            values = list(map(float, values))
    if name in TAKEN or not (
        _is_plain(kind, values) or all(is_cell({"kind": kind, "value": value}) for value in values)
    ):
        raise ValueError("a metric is of another kind")
    return values


def _picked(column: List[Any], rows: Optional[List[int]]) -> List[Any]:
    return column if rows is None else [column[row] for row in rows]


def _is_plain(kind: Any, values: List[Any]) -> bool:
    """Whether values are just what a column of the kind holds."""
    types = set(map(type, values))
    if kind == "integer":
        return types == {int} and -INT_MAX <= min(values) <= max(values) <= INT_MAX
    return types == {_TYPES.get(str(kind))} and not (kind == "string" and any(value[:1] == "!" for value in values))


def _typed(kinds: List[Optional[str]], values: List[Any]) -> Tuple[str, List[Any]]:
    """A metric as a column of one kind, and that kind."""
    said = {kind for kind in set(kinds) if kind is not None}
    given = values if None not in kinds else [value for value in values if value is not None]
    if len(said) == 1 and _is_plain(next(iter(said)), given):
        return said.pop(), values
    cells = [None if each is None else {"kind": each, "value": value} for each, value in zip(kinds, values)]
    kind = common_kind([cell for cell in cells if cell is not None])
    return kind, [as_kind(cell, kind) for cell in cells]
