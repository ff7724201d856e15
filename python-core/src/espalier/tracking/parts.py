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
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from espalier.base.paths import RunPaths
from espalier.base.types import INT_MAX, Frame, as_kind, common_kind
from espalier.base.values import is_cell
from espalier.tracking.events import Damage, line_blocks, logs_in, no_collector, parse_events

STATES = ("Completed", "Failed", "Canceled")
# The columns that every list of parts has, so that no metric can be called so.
TAKEN = ("key", "status", "error", "seconds", "digest")

_TEXT = r'"([^"\\\x00-\x1f]+)"'
_LINE = re.compile(
    r'^(?:\{"type":"part","seq":(?:0|[1-9][0-9]{0,17}),"time":((?:0|[1-9][0-9]{0,10})(?:\.[0-9]+)?),'
    rf'"key":{_TEXT},"status":{_TEXT}(?:,"seconds":((?:0|[1-9][0-9]{{0,14}})(?:\.[0-9]+)?))?(?:,"digest":{_TEXT})?'
    rf'(?:,"error":{_TEXT})?(?:,"kinds":(\{{[^}}]*\}}),"metrics":(\{{[^}}]*\}}))?\}}|(.*))$',
    re.MULTILINE,
)
_TYPES = {"double": float, "integer": int, "logical": bool, "string": str}

# A line taken apart, all as text: time, key, status, seconds, digest, error, kinds, metrics,
# and nothing. Empty is absent.
Fields = Tuple[str, ...]


class _Metric:
    """A metric of all parts: values as JSON has them, each with its kind; None where a part has none."""

    def __init__(self) -> None:
        self.kinds: List[Optional[str]] = []
        self.values: List[Any] = []
        # whether the values are what a column holds, not words that say which one
        self.plain = True

    def put(self, start: int, rows: Sequence[int], kind: str, values: List[Any], plain: bool) -> None:
        """Fill rows, counted from a start; what lies between is left out."""
        self.plain = self.plain and plain
        self.fill(start + rows[-1] + 1)
        if len(rows) == rows[-1] - rows[0] + 1:
            place = slice(start + rows[0], start + rows[-1] + 1)
            self.kinds[place], self.values[place] = [kind] * len(rows), values
            return
        for row, value in zip(rows, values):
            self.kinds[start + row], self.values[start + row] = kind, value

    def fill(self, end: int) -> None:
        """Have rows up to an end; the new ones have no value."""
        for column in (self.kinds, self.values):
            column.extend([None] * (end - len(column)))


class _Parts:
    """Parts side by side, in the order of writer and line."""

    def __init__(self) -> None:
        self.times: List[float] = []
        self.columns: Dict[str, List[Any]] = {name: [] for name in TAKEN}
        self.metrics: Dict[str, _Metric] = {}

    def add(self, lines: List[Fields]) -> None:
        """Add a block of lines, or nothing of it. Raises ValueError: the metrics of a line are not what it says."""
        if not lines:
            return
        times, keys, statuses, seconds, digests, errors, kinds, metrics, _ = zip(*lines)
        found, start = list(_metrics(kinds, metrics)), len(self.times)
        self.times.extend(map(float, times))
        self.columns["key"].extend(keys)
        self.columns["status"].extend(map(sys.intern, statuses))
        self.columns["seconds"].extend(_where_given(float, seconds))
        self.columns["digest"].extend(_where_given(str, digests))
        self.columns["error"].extend(_where_given(str, errors))
        for name, rows, kind, values, plain in found:
            self.metrics.setdefault(name, _Metric()).put(start, rows, kind, values, plain)

    def frame(self) -> Frame:
        """A row a key, in the order of the first line of each; of several lines of one key the last."""
        rows = self._rows()
        columns = {name: _picked(column, rows) for name, column in self.columns.items()}
        kinds = dict.fromkeys(TAKEN, "string")
        kinds["seconds"] = "double"
        for name, metric in self.metrics.items():
            metric.fill(len(self.times))
            kinds[name], columns[name] = _typed(_picked(metric.kinds, rows), _picked(metric.values, rows), metric.plain)
        return Frame(columns, kinds)

    def _rows(self) -> Optional[List[int]]:
        """Where the lines are that count; None for all of them as they are."""
        keys, times = self.columns["key"], self.times
        in_order = all(map(operator.le, times, itertools.islice(times, 1, None)))
        if in_order and len(set(keys)) == len(keys):
            return None
        order = range(len(times)) if in_order else sorted(range(len(times)), key=times.__getitem__)
        return list(dict(zip(keys if in_order else [keys[i] for i in order], order)).values())


def read_parts(run: RunPaths) -> Frame:
    """See `Run.list_parts`.

    Raises:
        EspalierError: `damaged` if a log cannot be read at all, `newer_format`.

    Warns:
        DamageWarning: Of lines that are no parts, which are left out.
    """
    found, damage = _Parts(), Damage()
    with no_collector():
        for path in logs_in(run.parts):
            for numbers, block in line_blocks(path):
                try:
                    found.add(_lines(run, block, numbers, path, damage))
                except ValueError:  # a line is damaged, or in no form of ours: one by one
                    plain = _plain_lines(run, block.split(b"\n"), numbers, path, damage)
                    found.add([fields for _, fields in plain])
        damage.warn()
        return found.frame()


def _lines(run: RunPaths, block: bytes, numbers: Sequence[int], path: str, damage: Damage) -> List[Fields]:
    """The parts of a block of lines, in their order. Raises ValueError: they aren't text, or the metrics of a line do
    not end with it."""
    rows = _LINE.findall(block.decode("utf-8"))
    if len(rows) != len(numbers):
        raise ValueError("lines were taken for one")
    others = [at for at, row in enumerate(rows) if not row[0]]
    if not others:
        return rows
    texts = [rows[at][-1].encode("utf-8") for at in others]
    for number, fields in _plain_lines(run, texts, [numbers[at] for at in others], path, damage):
        rows[number - numbers[0]] = fields
    return [row for row in rows if row[0]]


def _plain_lines(
    run: RunPaths, lines: List[bytes], numbers: Sequence[int], path: str, damage: Damage
) -> Iterator[Tuple[int, Fields]]:
    """The parts among lines, in the plain form, each with the number of its line; all else is left out."""
    for number, event in parse_events(lines, numbers, path, damage):
        part = damage.with_payload(run, event) if event["type"] == "part" else None
        if part is None:
            continue
        try:
            yield number, _plain(part)
        except ValueError:
            damage.line(path, number)


def _plain(part: Dict[str, Any]) -> Fields:
    """A part as the pattern would have taken it apart. Raises ValueError: a field is of another type than the protocol
    says."""
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


def _metrics(kinds: Sequence[str], metrics: Sequence[str]) -> Iterator[Tuple[str, Sequence[int], str, List[Any], bool]]:
    """The metrics of a block, of each set of kinds on its own: name, rows that have it, its kind, its values, and
    whether they are plain. Raises ValueError: they are not what they say."""
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
            yield (name, rows, kind, *_checked(name, kind, mine))


def _checked(name: str, kind: Any, metrics: List[Dict[str, Any]]) -> Tuple[List[Any], bool]:
    """The values of one metric, all of which are of a kind, and whether they are plain."""
    try:
        values = list(map(operator.itemgetter(name), metrics))
    except KeyError as error:
        raise ValueError("each metric has a kind") from error
    if kind == "double" and {int} <= set(map(type, values)) <= {float, int}:
        with contextlib.suppress(OverflowError):  # which is refused below
            values = list(map(float, values))
    plain = _is_plain(kind, values)
    if name in TAKEN or not (plain or all(is_cell({"kind": kind, "value": value}) for value in values)):
        raise ValueError("a metric is of another kind")
    return values, plain


def _where_given(make: Callable[[str], Any], texts: Sequence[str]) -> Iterable[Any]:
    """Of each text what is made of it; None of an empty one. (Mostly all are given, or none.)"""
    if all(texts):
        return map(make, texts)
    return [make(text) if text else None for text in texts] if any(texts) else [None] * len(texts)


def _picked(column: List[Any], rows: Optional[List[int]]) -> List[Any]:
    return column if rows is None else [column[row] for row in rows]


def _is_plain(kind: Any, values: List[Any]) -> bool:
    """Whether values are just what a column of the kind holds."""
    types = set(map(type, values))
    if kind == "integer":
        return types == {int} and -INT_MAX <= min(values) <= max(values) <= INT_MAX
    return types == {_TYPES.get(str(kind))} and not (kind == "string" and any(value[:1] == "!" for value in values))


def _typed(kinds: List[Optional[str]], values: List[Any], plain: bool) -> Tuple[str, List[Any]]:
    """A metric as a column of one kind, and that kind."""
    said = {kind for kind in set(kinds) if kind is not None}
    if len(said) == 1 and plain:
        return said.pop(), values
    cells = [None if each is None else {"kind": each, "value": value} for each, value in zip(kinds, values)]
    kind = common_kind([cell for cell in cells if cell is not None])
    return kind, [as_kind(cell, kind) for cell in cells]
