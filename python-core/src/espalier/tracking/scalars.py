"""Logged scalars, and what a run used, as columns (protocol.md, "events" and "usage").

A run may have a million scalars, too many to make an object of each.
Lines in the form that our writers give a number or a logical value are taken apart by one pattern, which accepts
nothing that is no JSON; all others, and all of a block that is no UTF-8, are parsed as JSON like any event.
"""

import itertools
import operator
import os
import re
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from espalier.base.paths import RunPaths
from espalier.base.types import Frame, as_kind, common_kind
from espalier.base.values import is_cell
from espalier.tracking.events import Damage, line_blocks, logs_in, no_collector, parse_events

# Whole numbers of up to 15 digits, so that a double holds each exactly.
_NUMBER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?"
_LINE = re.compile(
    r'^(?:\{"type":"metric","seq":(?:0|[1-9][0-9]{0,17}),"time":((?:0|[1-9][0-9]{0,10})(?:\.[0-9]+)?),'
    r'"name":"([^"\\\x00-\x1f]*)","kind":"(double|integer|logical)",'
    rf'"value":({_NUMBER}|true|false|"!(?:NA|NaN|Inf|-Inf)")(?:,"step":({_NUMBER}))?\}}|(.*))$',
    re.MULTILINE,
)
_WRITERS_APART = 2**40  # more lines than a log can have

_WORDS: Dict[str, Any] = {"true": True, "false": False, **{f'"{tag}"': tag for tag in ("!NA", "!NaN", "!Inf", "!-Inf")}}

Event = Dict[str, Any]
# An event and its place: by writer, then line.
Placed = Tuple[int, Event]
_NUMBERS = ("seconds", "cpu_seconds", "memory_bytes", "processes", "read_bytes", "written_bytes")
_GPU = "gpu_memory_bytes"


class Scalars(NamedTuple):
    """Scalars side by side, ordered by time, then writer, then line.

    Attributes:
        places: By writer, then line.
        times: Seconds since 1970.
        names: Of the metrics.
        kinds: `double`, `integer` or `logical`.
        values: As JSON has them; whole numbers of kind `double` are floats.
        steps: None where there is none.
    """

    places: List[int]
    times: List[float]
    names: List[str]
    kinds: List[str]
    values: List[Any]
    steps: List[Optional[float]]

    def by_name(self) -> "Dict[str, Scalars]":
        """Those of each name, names in order of appearance."""
        if len(set(self.names)) == 1:
            return {self.names[0]: self}
        rows: Dict[str, List[int]] = {}
        for at, name in enumerate(self.names):
            rows.setdefault(name, []).append(at)
        return {name: self._rows(at) for name, at in rows.items()}

    def in_order(self) -> "Scalars":
        """By time; a single writer's mostly are so already."""
        if all(map(operator.le, self.times, itertools.islice(self.times, 1, None))):
            return self
        return self._rows(sorted(range(len(self.times)), key=self.times.__getitem__))

    def events(self) -> List[Placed]:
        """The same as events, for what is to be read together with others."""
        fields = ("time", "name", "kind", "value", "step")
        events = (dict(zip(fields, row)) for row in zip(*self[1:]))
        return [(place, {"type": "metric", **event}) for place, event in zip(self.places, events)]

    def _rows(self, at: List[int]) -> "Scalars":
        columns: Any = ([column[i] for i in at] for column in self)
        return Scalars(*columns)


def read_log(run: RunPaths, damage: Damage) -> Tuple[Scalars, List[Placed]]:
    """The scalars of a run that are numbers or logical values, and all other events, in no order.

    A scalar written in an unusual form is among the others.

    Args:
        damage: Gets the lines that are no events.

    Raises:
        EspalierError: `damaged` if a log cannot be read at all, `newer_format`.
    """
    found, others = Scalars([], [], [], [], [], []), []
    names: Dict[str, str] = {}  # so that each is kept once
    with no_collector():
        for writer, path in enumerate(logs_in(run.events)):
            before = writer * _WRITERS_APART
            for numbers, block in line_blocks(path):
                at, lines = _take(block, before + numbers.start, found, names)
                events = parse_events(lines, [numbers[i] for i in at], path, damage)
                others += [(before + number, event) for number, event in events]
    return found.in_order(), others


def _take(block: bytes, place: int, found: Scalars, known: Dict[str, str]) -> Tuple[List[int], List[bytes]]:
    """Add the scalars of a block of lines, whose first has a place, to what was found.

    Returns:
        Where in the block the other lines are, from 0, and these.
    """
    try:
        rows = _LINE.findall(block.decode("utf-8"))
    except UnicodeDecodeError:
        lines = block.split(b"\n")
        return list(range(len(lines))), lines
    others = [at for at, row in enumerate(rows) if not row[0]]
    scalars = list(filter(operator.itemgetter(0), rows)) if others else rows
    if scalars:
        times, names, kinds, values, steps, _ = zip(*scalars)
        found.times.extend(map(float, times))
        found.names.extend(map(known.setdefault, names, names))
        found.kinds.extend(map(sys.intern, kinds))
        found.values.extend(_values(kinds, values))
        found.steps.extend([float(step) if step else None for step in steps] if any(steps) else [None] * len(steps))
        places = range(place, place + len(rows))
        found.places.extend([place + at for at, row in enumerate(rows) if row[0]] if others else places)
    return others, [rows[at][-1].encode("utf-8") for at in others]


def _values(kinds: Sequence[str], values: Sequence[str]) -> List[Any]:
    if kinds.count("double") == len(kinds):
        try:
            return list(map(float, values))
        except ValueError:  # a word among them
            pass
    return [_WORDS[text] if text in _WORDS else _number(kind, text) for kind, text in zip(kinds, values)]


def _number(kind: str, text: str) -> Any:
    return int(text) if kind != "double" and text.lstrip("-").isdecimal() else float(text)


def typed_column(scalars: Scalars) -> Tuple[str, List[Any]]:
    """The values of scalars of one kind, None where one is NA, and the kind of a column that holds them. Raises
    ValueError: one is not of the kind."""
    kind, values = scalars.kinds[0], scalars.values
    if kind == "double" and set(map(type, values)) == {float}:
        return kind, values
    cells = [{"kind": kind, "value": value} for value in values]
    if not all(map(is_cell, cells)):
        raise ValueError(f"a value of {scalars.names[0]!r} is of another kind")
    kind = common_kind(cells)
    return kind, [as_kind(cell, kind) for cell in cells]


def read_usage(run: RunPaths) -> Frame:
    """The samples of the last attempt; `cores` is the processor time since the sample before, by the time since then.

    Raises:
        EspalierError: `damaged` if they cannot be read at all, `newer_format`.

    Warns:
        DamageWarning: Of lines that are no samples, which are left out.
    """
    samples: List[Dict[str, Any]] = []
    damage = Damage()
    if os.path.lexists(run.usage):
        for numbers, block in line_blocks(run.usage):
            for number, event in parse_events(block.split(b"\n"), numbers, run.usage, damage):
                if event["type"] == "sample":
                    if not all(_is_number(event.get(name)) for name in _NUMBERS):
                        damage.line(run.usage, number)
                        continue
                    if event.get("seq") == 0:
                        samples.clear()
                    samples.append(event)
    damage.warn()
    columns: Dict[str, List[Any]] = {"time": [float(sample["time"]) for sample in samples]}
    columns.update((name, [float(sample[name]) for sample in samples]) for name in _NUMBERS)
    columns["cores"] = _rates(columns["seconds"], columns["cpu_seconds"])
    columns["processes"] = [int(value) for value in columns["processes"]]
    if any(_GPU in sample for sample in samples):
        columns[_GPU] = [float(sample[_GPU]) if _is_number(sample.get(_GPU)) else None for sample in samples]
    kinds = {**dict.fromkeys(columns, "double"), "time": "time", "processes": "integer"}
    order = ["time", "seconds", "cores", *(name for name in columns if name not in ("time", "seconds", "cores"))]
    return Frame({name: columns[name] for name in order}, kinds)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**53


def _rates(seconds: List[float], used: List[float]) -> List[float]:
    """(A process that ended unseen may have taken some time with it: no rate is negative.)"""
    before = zip([0.0, *seconds], [0.0, *used])
    return [
        max(now - used_then, 0.0) / (at - then) if at > then else 0.0
        for at, now, (then, used_then) in zip(seconds, used, before)
    ]
