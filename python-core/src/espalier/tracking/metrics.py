"""Metrics as users get them, made from the event log."""

import contextlib
import warnings
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from espalier.errors import EspalierError
from espalier.paths import RunPaths
from espalier.tracking.events import read_events, with_payload
from espalier.tracking.scalars import Placed, Scalars, read_log, typed_column
from espalier.types import Frame, as_kind, common_kind
from espalier.values import is_cell, read_value


class Column(NamedTuple):
    """What was logged into one column: `{"kind", "value"}` a row, None where a row lacks it, and the last kind said."""

    kind: str
    cells: List[Optional[Dict[str, Any]]]


Columns = Dict[str, Column]
_BARE = ""  # the one column of what is no table
_TYPES = frozenset({"metric", "list", "row", "table", "image"})


def read_metrics(run: RunPaths, name: Optional[str] = None) -> Dict[str, Any]:
    """Metric name -> value: a scalar logged once, a list if more often, a dict of columns for rows and tables,
    the artifact's name for an image.

    Args:
        name: Only this metric.

    Raises:
        EspalierError: `damaged`, `newer_format`.
    """
    found: Dict[str, List[Dict[str, Any]]] = {}
    for event in read_events(run):
        if event["type"] in _TYPES and (name is None or event.get("name") == name):
            found.setdefault(str(event.get("name")), []).append(event)
    with _said_by_events(run):
        return {key: _value(events[-1]["type"], _columns(run, events)) for key, events in found.items()}


def metric_frames(run: RunPaths, name: Optional[str] = None) -> Dict[str, Frame]:
    """Metric name -> its values as columns of one kind each, so that a missing value has a kind too.

    What is no table is one column, named by the empty string, which no table's column can be.

    Args:
        name: Only this metric.

    Raises:
        EspalierError: `damaged`, `newer_format`.
    """
    scalars, placed = read_log(run)
    series = scalars.by_name()
    others: Dict[str, List[Placed]] = {}
    for place, event in placed:
        if event["type"] in _TYPES:
            others.setdefault(str(event.get("name")), []).append((place, event))
    begun = {key: (rows.times[0], rows.places[0]) for key, rows in series.items()}
    for key, events in others.items():
        begun[key] = min([*map(_moment, events), *([begun[key]] if key in begun else [])])
    names = sorted(begun, key=begun.__getitem__) if name is None else [name] * (name in begun)
    with _said_by_events(run):
        return {key: _frame_of(run, series.get(key), others.get(key, [])) for key in names}


def _moment(placed: Placed) -> Tuple[float, int]:
    """What events are ordered by."""
    return float(placed[1]["time"]), placed[0]


def _frame_of(run: RunPaths, scalars: Optional[Scalars], others: List[Placed]) -> Frame:
    """All of one name."""
    if scalars is not None and not others and len(set(scalars.kinds)) == 1:
        kind, values = typed_column(scalars)
        return Frame({_BARE: values}, {_BARE: kind})
    return _frame(_columns(run, _in_order(scalars, others)))


def _in_order(scalars: Optional[Scalars], others: List[Placed]) -> List[Dict[str, Any]]:
    placed = [*(scalars.events() if scalars else []), *others]
    return [event for _, event in sorted(placed, key=_moment)]


@contextlib.contextmanager
def _said_by_events(run: RunPaths) -> Iterator[None]:
    """What events lack is told as damage of the run."""
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise EspalierError("damaged", f"An event of {run.root} lacks what its type needs: {error!r}.") from error


def history_frame(run: RunPaths, name: Optional[str] = None) -> Frame:
    """Every scalar logged, in order, as columns `name`, `step`, `value`, `time`.

    `value` is logical, integer or double where all values are of that kind, text otherwise.
    """
    scalars, placed = read_log(run)
    logged: Optional[Scalars] = scalars if name is None else scalars.by_name().get(name)
    others = [one for one in placed if one[1]["type"] == "metric" and (name is None or one[1].get("name") == name)]
    if others or logged is None or len(set(logged.kinds)) != 1:
        return _history(run, _in_order(logged, others))
    with _said_by_events(run):
        kind, values = typed_column(logged)
    return _history_frame(logged.names, logged.steps, values, logged.times, kind)


def _history(run: RunPaths, logged: List[Dict[str, Any]]) -> Frame:
    """Of scalars of several kinds, or written in unusual ways."""
    events = [with_payload(run, event) for event in logged]
    for event in events:
        if not is_cell(event) or not isinstance(event.get("name"), str):
            raise EspalierError("damaged", f"An event of {run.root} lacks what its type needs: {event!r:.200}.")
    kind = common_kind(events)
    names, steps = [event["name"] for event in events], [event.get("step") for event in events]
    return _history_frame(names, steps, [as_kind(event, kind) for event in events], [e["time"] for e in events], kind)


def _history_frame(names: List[str], steps: List[Any], values: List[Any], times: List[float], kind: str) -> Frame:
    columns = {"name": names, "step": steps, "value": values, "time": times}
    return Frame(columns, {"name": "string", "step": "double", "value": kind, "time": "time"})


def read_params(run: RunPaths) -> Dict[str, Dict[str, Any]]:
    """Parameters the script declared with `job_params()`: name -> `{"kind", "value"}`, the last one of a name."""
    found = [e for e in read_events(run) if e["type"] == "param" and isinstance(e.get("name"), str)]
    last = {event["name"]: with_payload(run, event) for event in found}
    return {name: {"kind": event.get("kind"), "value": event.get("value")} for name, event in last.items()}


def read_warnings(run: RunPaths) -> List[str]:
    """The warnings the job's R recorded, in order; of a damaged log what was found instead."""
    try:
        found = [with_payload(run, event) for event in read_events(run) if event["type"] == "warning"]
        return [str(event.get("message")) for event in found]
    except EspalierError as error:
        return [error.message]


def _columns(run: RunPaths, events: List[Dict[str, Any]]) -> Columns:
    """The cells of one metric: those of the last event's type, for a name logged in different ways."""
    kind = events[-1]["type"]
    bodies = [with_payload(run, event) for event in events if event["type"] == kind]
    if kind == "metric":
        return _stacked([({_BARE: [body["value"]]}, {_BARE: body["kind"]}) for body in bodies])
    if kind == "image":
        return _stacked([({_BARE: [body["path"]]}, {_BARE: "string"}) for body in bodies])
    if kind == "list":
        return _stacked([({_BARE: body["values"]}, {_BARE: body["kind"]}) for body in bodies])
    if kind == "row":
        return _stacked([({key: [value] for key, value in body["row"].items()}, body["kinds"]) for body in bodies])
    return _stacked([(body["columns"], body["kinds"]) for body in bodies])


def _stacked(parts: List[Tuple[Dict[str, List[Any]], Dict[str, str]]]) -> Columns:
    """Stack tables (columns and their kinds) by column name; what a part lacks is None."""
    said = {name: kinds[name] for part, kinds in parts for name in part}
    table: Columns = {name: Column(kind, []) for name, kind in said.items()}
    for part, kinds in parts:
        height = max((len(values) for values in part.values()), default=0)
        for name, column in table.items():
            values = part.get(name)
            column.cells.extend(
                [None] * height if values is None else [{"kind": kinds[name], "value": value} for value in values]
            )
    return table


def _value(kind: str, columns: Columns) -> Any:
    values = {
        name: [None if cell is None else read_value(cell["value"], cell["kind"]) for cell in column.cells]
        for name, column in columns.items()
    }
    if kind in ("row", "table"):
        return values
    bare = values[_BARE]
    return bare[0] if len(bare) == 1 and kind != "list" else bare


def _frame(columns: Columns) -> Frame:
    kinds = {}
    for name, column in columns.items():
        given = [cell for cell in column.cells if cell is not None]
        if not all(map(is_cell, given)):
            raise ValueError(f"the column {name!r} has a value of another kind")
        kinds[name] = common_kind(given) if given else column.kind
        if kinds[name] == "double" and any(_is_no_double(cell["value"]) for cell in given):
            warnings.warn("a whole number beyond 2^53 was rounded to a double", UserWarning, stacklevel=2)
    typed = {name: [as_kind(cell, kinds[name]) for cell in column.cells] for name, column in columns.items()}
    return Frame(typed, kinds)


def _is_no_double(value: Any) -> bool:
    return isinstance(value, int) and float(value) != value
