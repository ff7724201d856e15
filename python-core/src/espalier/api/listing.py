"""Runs as a table: a row a run, a column for each tag, parameter and metric."""

from collections import Counter
from typing import Any, Dict, List, Optional

from espalier.base.records import seconds_of
from espalier.base.types import Frame, as_kind, common_kind
from espalier.base.values import from_json, value_text

_PLAIN = {
    "run_id": "string",
    "experiment": "string",
    "display_name": "string",
    "parent": "string",
    "children": "integer",
    "status": "string",
    "type": "string",
    "entry_script": "string",
    "commit": "string",
    "target": "string",
    "created_at": "time",
    "started_at": "time",
    "ended_at": "time",
    "duration_seconds": "double",
    "cpu_seconds": "double",
    "max_memory_bytes": "double",
    "exit_code": "integer",
    "error": "string",
}


def runs_as_frame(rows: List[Dict[str, Any]], include_children: bool) -> Frame:
    """Rows of all runs as a frame, each with the number of its children.

    Args:
        include_children: False to leave out runs that have a parent.
    """
    counts = Counter(row["parent"] for row in rows)
    shown = [{**row, "children": counts[row["run_id"]]} for row in rows if include_children or row["parent"] is None]
    return rows_as_frame(shown)


def rows_as_frame(rows: List[Dict[str, Any]]) -> Frame:
    """Index rows as a frame; tags become `tag_*`, parameters `param_*`, last metrics `metric_*`."""
    columns: Dict[str, List[Any]] = {}
    kinds = dict(_PLAIN)
    for name, kind in _PLAIN.items():
        values = [row.get(name) for row in rows]
        columns[name] = [seconds_of(value) for value in values] if kind == "time" else values
    for group, prefix in (("tags", "tag_"), ("params", "param_"), ("metrics", "metric_")):
        for key in dict.fromkeys(key for row in reversed(rows) for key in row[group] or {}):
            cells = [_cell((row[group] or {}).get(key)) for row in rows]
            kinds[prefix + key] = common_kind([cell for cell in cells if cell is not None])
            columns[prefix + key] = [as_kind(cell, kinds[prefix + key]) for cell in cells]
    return Frame(columns, kinds)


def _cell(value: Any) -> Optional[Dict[str, Any]]:
    """A tag (text), a parameter or metric (kind and value), or a vector parameter, shown as text."""
    if isinstance(value, dict) and isinstance(value["value"], list):  # declared by job_params()
        return _joined(value["value"])
    if value is None or isinstance(value, dict):
        return value
    if isinstance(value, list):  # given as script_params
        return _joined([item["value"] for item in value])
    return {"kind": "string", "value": "!" + value if str(value).startswith("!") else value}


def _joined(values: List[Any]) -> Dict[str, Any]:
    text = " ".join(value_text(from_json(value)) for value in values)
    return {"kind": "string", "value": "!" + text if text.startswith("!") else text}
