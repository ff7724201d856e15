"""Metrics as users get them, made from the event log."""

import contextlib
import os
import warnings
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.records import RECORD_BYTES
from espalier.base.types import KINDS, Frame, as_kind, common_kind
from espalier.base.values import is_cell, read_value
from espalier.tracking.charts import chart_of_event, chart_of_text, chart_text
from espalier.tracking.events import Damage, read_events
from espalier.tracking.loggable import step_of
from espalier.tracking.scalars import Placed, Scalars, read_log, typed_column


class Column(NamedTuple):
    """What was logged into one column: `{"kind", "value"}` a row, None where a row lacks it, and the last kind."""

    kind: str
    cells: List[Optional[Dict[str, Any]]]


Columns = Dict[str, Column]
_BARE = ""  # the one column of what isn't a table
_CELL_KINDS = frozenset(KINDS) - {"time"}
_TYPES = frozenset({"metric", "list", "row", "table", "image", "chart"})
_CHART = "chart"  # of charts a second column, with their types


def read_metrics(run: RunPaths, name: Optional[str] = None) -> Dict[str, Any]:
    """Metric name -> value: a scalar logged once, a list if more often, a dict of columns for rows and tables,
    the artifact's name for an image, the payload of a chart (`charts.py`).

    Args:
        name: Only this metric.

    Raises:
        EspalierError: `damaged` if a log cannot be read at all, `newer_format`.

    Warns:
        DamageWarning: Of damaged lines and payloads, which are left out.
    """
    found: Dict[str, List[Dict[str, Any]]] = {}
    damage = Damage()
    for event in read_events(run, damage):
        if event["type"] in _TYPES and (name is None or event.get("name") == name):
            found.setdefault(str(event.get("name")), []).append(event)
    with _reported(run, damage):
        columns = {key: _columns(run, events, damage) for key, events in found.items()}
        return {key: _value(found[key][-1]["type"], logged) for key, logged in columns.items() if logged is not None}


def metric_frames(run: RunPaths, name: Optional[str] = None) -> Dict[str, Frame]:
    """Metric name -> its values as columns of one kind each, so that a missing value has a kind too.

    What isn't a table is one column, named by the empty string, which no table's column can be. That of charts has
    their payloads as JSON, and beside it stands `chart`, with their types.

    Args:
        name: Only this metric.

    Raises:
        EspalierError: `damaged` if a log cannot be read at all, `newer_format`.

    Warns:
        DamageWarning: Of damaged lines and payloads, which are left out.
    """
    damage = Damage()
    scalars, placed = read_log(run, damage)
    series = scalars.by_name()
    others: Dict[str, List[Placed]] = {}
    for place, event in placed:
        if event["type"] in _TYPES:
            others.setdefault(str(event.get("name")), []).append((place, event))
    begun = {key: (rows.times[0], rows.places[0]) for key, rows in series.items()}
    for key, events in others.items():
        begun[key] = min([*map(_moment, events), *([begun[key]] if key in begun else [])])
    names = sorted(begun, key=begun.__getitem__) if name is None else [name] * (name in begun)
    with _reported(run, damage):
        frames = {key: _frame_of(run, series.get(key), others.get(key, []), damage) for key in names}
        return {key: frame for key, frame in frames.items() if frame is not None}


def _moment(placed: Placed) -> Tuple[float, int]:
    """What events are ordered by."""
    return float(placed[1]["time"]), placed[0]


def _frame_of(run: RunPaths, scalars: Optional[Scalars], others: List[Placed], damage: Damage) -> Optional[Frame]:
    """All of one name; None where nothing of it can be read."""
    column = _column_of_one_kind(scalars, others)
    if column is not None:
        kind, values = column
        return Frame({_BARE: values}, {_BARE: kind})
    events = _in_order(scalars, others)
    columns = _columns(run, events, damage)
    if columns is None:
        return None
    frame = _frame(columns)
    if events[-1]["type"] == "chart":
        types = [chart_of_text(str(text))["schema_type"] for text in frame.columns[_BARE]]
        return Frame({**frame.columns, _CHART: types}, {**frame.kinds, _CHART: "string"})
    return frame


def _column_of_one_kind(scalars: Optional[Scalars], others: List[Placed]) -> Optional[Tuple[str, List[Any]]]:
    """Kind and values of scalars; None where they are of several kinds, or other events stand among them."""
    if scalars is not None and not others and len(set(scalars.kinds)) == 1:
        with contextlib.suppress(ValueError):  # one is of another kind than it says
            return typed_column(scalars)
    return None


def _in_order(scalars: Optional[Scalars], others: List[Placed]) -> List[Dict[str, Any]]:
    placed = [*(scalars.events() if scalars else []), *others]
    return [event for _, event in sorted(placed, key=_moment)]


@contextlib.contextmanager
def _reported(run: RunPaths, damage: Damage) -> Iterator[None]:
    """What events lack is damage of the run; what was left out of them is warned of at the end."""
    try:
        yield
        damage.warn()
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise EspalierError("damaged", f"Can't read an event of {run.root}: a field is missing: {error!r}.") from error


def history_frame(run: RunPaths, name: Optional[str] = None) -> Frame:
    """Every scalar logged, in order, as columns `name`, `step`, `value`, `time`, `text`.

    `value` has numbers and logical values: it is logical or integer where all are, else double. `text` has strings, so
    that one that is logged among numbers leaves these as they are.

    Args:
        name: Only this metric.

    Raises:
        EspalierError: `damaged` if a log cannot be read at all, `newer_format`.

    Warns:
        DamageWarning: Of damaged lines and payloads, which are left out.
    """
    damage = Damage()
    scalars, placed = read_log(run, damage)
    logged: Optional[Scalars] = scalars if name is None else scalars.by_name().get(name)
    others = [one for one in placed if one[1]["type"] == "metric" and (name is None or one[1].get("name") == name)]
    column = _column_of_one_kind(logged, others)
    if logged is not None and column is not None:
        kind, values = column
        damage.warn()
        return _history_frame(logged.names, logged.steps, values, kind, logged.times, [None] * len(values))
    history = _history(damage.whole(run, _in_order(logged, others)))
    damage.warn()
    return history


def _history(whole: List[Dict[str, Any]]) -> Frame:
    """Of scalars of several kinds, or written in unusual ways. What cannot be read of them is missing."""
    events = [_readable(event) for event in whole if _is_scalar(event)]
    steps = [step_of(event.get("step")) for event in events]
    odd = [event for event in whole if not (_is_scalar(event) and is_cell(event))]
    odd += [event for event, (_, problem) in zip(events, steps) if problem is not None]
    if odd:
        _warn(f"{len(odd)} of the values logged, or their steps, are not what they should be, and shown as missing")
    numbers = [None if event["kind"] == "string" else event for event in events]
    kind = _number_kind([event for event in numbers if event is not None])
    values = [as_kind(event, kind) for event in numbers]
    texts = [as_kind(event, "string") if event["kind"] == "string" else None for event in events]
    names, times = [event["name"] for event in events], [event["time"] for event in events]
    return _history_frame(names, [step for step, _ in steps], values, kind, times, texts)


def _number_kind(events: List[Dict[str, Any]]) -> str:
    kind = common_kind(events) if events else "double"
    return "double" if kind == "string" else kind  # (logical values among numbers are 1 and 0)


def _is_scalar(event: Dict[str, Any]) -> bool:
    return str(event.get("kind")) in _CELL_KINDS and isinstance(event.get("name"), str)


def _readable(event: Dict[str, Any]) -> Dict[str, Any]:
    """The event itself; where its value is not of the kind it says, one whose value is missing."""
    return event if is_cell(event) else {**event, "value": "!NA"}


def _warn(what: str) -> None:
    """Another program's, or an older version's, event does not make a run unreadable."""
    warnings.warn(f"{what}: an event was written by another program, or by an older version", UserWarning, stacklevel=2)


def _history_frame(
    names: List[str], steps: List[Any], values: List[Any], kind: str, times: List[float], texts: List[Any]
) -> Frame:
    columns = {"name": names, "step": steps, "value": values, "time": times, "text": texts}
    return Frame(columns, {"name": "string", "step": "double", "value": kind, "time": "time", "text": "string"})


def read_params(run: RunPaths, damage: Damage, limit_bytes: Optional[int] = None) -> Dict[str, Dict[str, Any]]:
    """Parameters the script declared with `job_params()`: name -> `{"kind", "value"}`, the last one of a name.

    Args:
        damage: Gets what is damaged, and left out.
        limit_bytes: See `read_events`.
    """
    found = read_events(run, damage, "param", limit_bytes)
    last = {event["name"]: event for event in found if isinstance(event.get("name"), str)}
    left, params = RECORD_BYTES, {}
    for name, event in last.items():  # (what they hold is in a record of each list: together no longer than one)
        whole = damage.with_payload(run, event, max(left, 0))
        if whole is not None:
            params[name] = {"kind": whole.get("kind"), "value": whole.get("value")}
            left -= _payload_size(run, event)
    return params


def _payload_size(run: RunPaths, event: Dict[str, Any]) -> int:
    try:
        return os.lstat(os.path.join(run.payloads, os.path.basename(str(event["payload"])))).st_size
    except (OSError, KeyError, ValueError):
        return 0


def read_warnings(run: RunPaths) -> List[str]:
    """The warnings the job's R recorded, in order, and what of its event logs is damaged."""
    damage = Damage()
    try:
        found = damage.whole(run, read_events(run, damage, "warning"))
        return [str(event.get("message")) for event in found] + damage.texts()
    except EspalierError as error:
        return [error.message]


def _columns(run: RunPaths, events: List[Dict[str, Any]], damage: Damage) -> Optional[Columns]:
    """The cells of one metric: those of the last event's type, for a name logged in different ways. None where nothing
    can be read."""
    kind = events[-1]["type"]
    parts = [_part(kind, event) for event in damage.whole(run, (each for each in events if each["type"] == kind))]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts) or not all(whole for _, _, whole in found):
        _warn(f"Some values of {events[-1].get('name')!r:.100} can't be read and are missing")
    return _stacked(found) if found else None


# Columns, their kinds, and whether every value was of its kind.
_Part = Tuple[Dict[str, List[Any]], Dict[str, str], bool]


def _part(kind: str, body: Dict[str, Any]) -> Optional[_Part]:
    """What one event logged, its columns of one length; None where that cannot be known."""
    try:
        columns, kinds = _columns_of(kind, body)
        height = max(map(len, columns.values()), default=0)
        if not all(isinstance(values, list) and kinds[name] in _CELL_KINDS for name, values in columns.items()):
            return None
        if kind in ("row", "table") and _BARE in columns:  # (it would count as what isn't a table)
            return None
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
    whole = True
    for name, values in columns.items():
        good = [is_cell({"kind": kinds[name], "value": value}) for value in values]
        if not all(good) or len(values) < height:
            whole = False
            given = [value if fine else "!NA" for value, fine in zip(values, good)]
            columns[name] = given + ["!NA"] * (height - len(values))
    return columns, kinds, whole


def _columns_of(kind: str, body: Dict[str, Any]) -> Tuple[Dict[str, List[Any]], Dict[str, str]]:
    if kind == "metric":
        return {_BARE: [body["value"]]}, {_BARE: body["kind"]}
    if kind == "image":
        return {_BARE: [body["path"]]}, {_BARE: "string"}
    if kind == "chart":
        return {_BARE: [chart_text(chart_of_event(body))]}, {_BARE: "string"}
    if kind == "list":
        return {_BARE: body["values"]}, {_BARE: body["kind"]}
    if kind == "row":
        return {key: [value] for key, value in body["row"].items()}, body["kinds"]
    return dict(body["columns"]), body["kinds"]


def _stacked(parts: List[_Part]) -> Columns:
    """Stack tables by column name; what a part lacks is None."""
    said = {name: kinds[name] for part, kinds, _ in parts for name in part}
    table: Columns = {name: Column(kind, []) for name, kind in said.items()}
    for part, kinds, _ in parts:
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
    if kind == "chart":
        bare = [chart_of_text(str(text)) for text in bare]
    return bare[0] if len(bare) == 1 and kind != "list" else bare


def _frame(columns: Columns) -> Frame:
    kinds = {}
    for name, column in columns.items():
        given = [cell for cell in column.cells if cell is not None]
        kinds[name] = common_kind(given) if given else column.kind
        if kinds[name] == "double" and any(_is_no_double(cell["value"]) for cell in given):
            warnings.warn("a whole number beyond 2^53 was rounded to a double", UserWarning, stacklevel=2)
    typed = {name: [as_kind(cell, kinds[name]) for cell in column.cells] for name, column in columns.items()}
    return Frame(typed, kinds)


def _is_no_double(value: Any) -> bool:
    return isinstance(value, int) and float(value) != value
