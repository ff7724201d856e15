"""Metrics as users get them, made from the event log."""

from typing import Any, Dict, List, Optional, Tuple

from espalier.errors import EspalierError
from espalier.paths import RunPaths
from espalier.tracking.events import read_events, with_payload
from espalier.types import Frame, as_kind, common_kind
from espalier.values import is_cell, read_value

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
    try:
        return {key: _value(run, events) for key, events in found.items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise EspalierError("damaged", f"An event of {run.root} lacks what its type needs: {error!r}.") from error


def history_frame(run: RunPaths, name: Optional[str] = None) -> Frame:
    """Every scalar logged, in order, as columns `name`, `step`, `value`, `time`.

    `value` is logical, integer or double where all values are of that kind, text otherwise.
    """
    events = [e for e in read_events(run) if e["type"] == "metric" and (name is None or e.get("name") == name)]
    for event in events:
        if not is_cell(event) or not isinstance(event.get("name"), str):
            raise EspalierError("damaged", f"An event of {run.root} lacks what its type needs: {event!r:.200}.")
    kind = common_kind(events)
    columns = {
        "name": [event["name"] for event in events],
        "step": [event.get("step") for event in events],
        "value": [as_kind(event, kind) for event in events],
        "time": [event["time"] for event in events],
    }
    return Frame(columns, {"name": "string", "step": "double", "value": kind, "time": "time"})


def read_params(run: RunPaths) -> Dict[str, Dict[str, Any]]:
    """Parameters the script declared with `job_params()`: name -> `{"kind", "value"}`, the last one of a name."""
    events = read_events(run)
    found = [event for event in events if event["type"] == "param" and isinstance(event.get("name"), str)]
    return {event["name"]: {"kind": event.get("kind"), "value": event.get("value")} for event in found}


def read_warnings(run: RunPaths) -> List[str]:
    """The warnings the job's R recorded, in order; of a damaged log what was found instead."""
    try:
        return [str(event.get("message")) for event in read_events(run) if event["type"] == "warning"]
    except EspalierError as error:
        return [error.message]


def _value(run: RunPaths, events: List[Dict[str, Any]]) -> Any:
    kind = events[-1]["type"]
    same = [event for event in events if event["type"] == kind]
    if kind == "metric":
        values = [read_value(event["value"], event["kind"]) for event in same]
        return values[0] if len(values) == 1 else values
    if kind == "image":
        names = [event["path"] for event in same]
        return names[0] if len(names) == 1 else names
    bodies = [with_payload(run, event) for event in same]
    if kind == "list":
        return [read_value(value, body["kind"]) for body in bodies for value in body["values"]]
    if kind == "row":
        rows = [({key: [value] for key, value in body["row"].items()}, body["kinds"]) for body in bodies]
        return _columns(rows)
    return _columns([(body["columns"], body["kinds"]) for body in bodies])


def _columns(parts: List[Tuple[Dict[str, List[Any]], Dict[str, str]]]) -> Dict[str, List[Any]]:
    """Stack tables (columns and their kinds) by column name; what a part lacks is NA (None)."""
    names = list(dict.fromkeys(name for part, _ in parts for name in part))
    table: Dict[str, List[Any]] = {name: [] for name in names}
    for part, kinds in parts:
        height = max((len(column) for column in part.values()), default=0)
        for name in names:
            column = part.get(name)
            table[name] += [None] * height if column is None else [read_value(value, kinds[name]) for value in column]
    return table
