"""The values of a run's scalar metrics in short, so that lists of runs need not read event logs: the last one of each,
and the first, least and largest where they differ from it."""

import contextlib
import json
import os
from typing import Any, Dict, Mapping, NamedTuple, Optional

from espalier.adapters.files import open_regular, with_body
from espalier.base.paths import RunPaths, is_event_log
from espalier.base.values import NA, from_json, is_cell

# Above this size of all logs together reading them would delay the end of the run; readers do it when asked.
_SUMMED_BYTES = 8 * 1024 * 1024
# No loggers write longer ones for a scalar.
_BODY_BYTES = 65_536
Cell = Dict[str, Any]


class Summary(NamedTuple):
    """The metrics of a run.

    Attributes:
        last: Metric name -> `{"kind", "value"}`.
        ranges: Metric name -> `first`, `min` and `max`, as far as they differ from the last value: each a value of the
            same kind, or a `{"kind", "value"}` of another.
    """

    last: Dict[str, Cell]
    ranges: Dict[str, Dict[str, Any]]


def sum_metrics(run: RunPaths) -> Optional[Summary]:
    """What was logged as metrics; None if the logs are too large."""
    try:
        entries = [entry for entry in os.scandir(run.events) if is_event_log(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return Summary({}, {})
    if sum(entry.stat(follow_symlinks=False).st_size for entry in entries) > _SUMMED_BYTES:
        return None
    found: Dict[str, _Series] = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        with contextlib.suppress(OSError), open_regular(entry.path) as file:
            for line in file:
                if b'"metric"' in line:
                    _take(line, found)
    summary = Summary({}, {})
    for name, series in found.items():
        series.sum_up(run, name, summary)
    return summary


def _take(line: bytes, found: "Dict[str, _Series]") -> None:
    try:
        event = json.loads(line)
        if event["type"] != "metric":
            return
        known = found.get(event["name"])
        if known is None:
            found[event["name"]] = _Series(event)
        else:
            known.add(event)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass  # a torn or damaged line: the reader of the metrics reports it


class _Series:
    """The events of one metric that count."""

    __slots__ = ("first", "high", "last", "low", "max", "min")

    def __init__(self, event: Dict[str, Any]) -> None:
        event["time"] + 0.0  # (one without a time is damaged)
        self.first = self.last = event
        self.min: Optional[Dict[str, Any]] = None
        self.max: Optional[Dict[str, Any]] = None
        self.low = self.high = 0.0
        self._count(event)

    def add(self, event: Dict[str, Any]) -> None:
        if event["time"] >= self.last["time"]:
            self.last = event
        elif event["time"] < self.first["time"]:
            self.first = event
        self._count(event)

    def _count(self, event: Dict[str, Any]) -> None:
        number = _number(event)
        if number is None:
            return
        if self.min is None or number < self.low:
            self.min, self.low = event, number
        if self.max is None or number > self.high:
            self.max, self.high = event, number

    def sum_up(self, run: RunPaths, name: str, summary: Summary) -> None:
        last = _cell(run, self.last)
        if not is_cell(last):
            return
        summary.last[name] = last
        if self.first is not self.last:
            ends = (("first", self.first), ("min", self.min), ("max", self.max))
            cells = {word: _cell(run, event) for word, event in ends if event is not None}
            others = {word: cell for word, cell in cells.items() if cell != last and is_cell(cell)}
            kind = last["kind"]
            if others:
                summary.ranges[name] = {
                    word: cell["value"] if cell["kind"] == kind else cell for word, cell in others.items()
                }


def _number(event: Dict[str, Any]) -> Optional[float]:
    """The number that was logged; None for text, NA and NaN."""
    if event.get("kind") == "string" or not is_cell(event):
        return None
    value = from_json(event["value"])
    return None if value is NA or value != value else float(value)


def _cell(run: RunPaths, event: Dict[str, Any]) -> Cell:
    with contextlib.suppress(OSError, ValueError):  # of a damaged payload the reader of the metrics tells
        event = with_body(run, event, _BODY_BYTES)
    return {"kind": event.get("kind"), "value": event.get("value")}


def recorded(status: Mapping[str, Any]) -> Optional[Summary]:
    """What the status of an ended run has of it; None where it has nothing, or was written by an earlier version."""
    last, ranges = status.get("metrics"), status.get("metric_ranges")
    if not isinstance(last, dict) or (last and not isinstance(ranges, dict)):
        return None
    return Summary(last, ranges or {})


def last_recorded(status: Mapping[str, Any]) -> Summary:
    """The last values alone, as the status of an ended run has them."""
    last = status.get("metrics")
    return Summary(last if isinstance(last, dict) else {}, {})
