"""Charts that runs log: confusion matrices, accuracy tables, predictions, residuals (protocol.md, "charts").

A chart is `{"schema_type", "schema_version", "data"}`, the payload of azureml-core's `log_confusion_matrix()` and its
neighbours. Standard library, Python 3.8 or later.
"""

import json
import math
from typing import Any, Callable, Dict, List, Mapping

from espalier.base.values import from_json, to_json
from espalier.tracking.loggable import loggable

Chart = Dict[str, Any]
# Type -> version, and the shape of each field: `C` is the number of classes, `T` and `P` of thresholds, `N` of bins.
_SCHEMAS: Mapping[str, Any] = {
    "confusion_matrix": ("1.0.0", {"class_labels": "C", "matrix": "CC"}),
    "accuracy_table": (
        "1.0.1",
        {
            "class_labels": "C", "probability_thresholds": "T", "percentile_thresholds": "P",
            "probability_tables": "CT4", "percentile_tables": "CP4",
        },
    ),
    "residuals": ("1.0.0", {"bin_edges": "E", "bin_counts": "N"}),
    "predictions": ("1.0.0", {"bin_averages": "N", "bin_errors": "N", "bin_counts": "N", "bin_edges": "E"}),
}  # fmt: skip
# Of a bin without rows there are none.
_MAY_BE_NAN = ("bin_averages", "bin_errors")
_COUNTS = ("matrix", "bin_counts", "probability_tables", "percentile_tables")
_MAX_CLASSES = 1000  # (a confusion matrix has the square of it)


def chart_of(schema_type: str, value: Any) -> Chart:
    """A payload that was checked.

    Args:
        schema_type: `confusion_matrix`, `accuracy_table`, `residuals` or `predictions`.
        value: The payload, a dict, or its JSON as text, or the path of a file of it. NumPy's arrays count as lists.

    Raises:
        ValueError: it is not one; the text says why.
        OSError: the file can't be read.
    """
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"a {type(value).__name__} is not the payload of a chart")
    given = value.get("schema_type", schema_type)
    if given != schema_type:
        raise ValueError(f"its schema_type is {given!r}, not {schema_type!r}")
    version, shapes = _SCHEMAS[schema_type]
    data = value.get("data")
    if not isinstance(data, Mapping):
        raise ValueError("it has no data")
    return {
        "schema_type": schema_type,
        "schema_version": str(value.get("schema_version") or version),
        "data": _checked(data, shapes),
    }


def chart_event(chart: Chart) -> Chart:
    """The fields of an event that holds a chart."""
    return {**chart, "data": _each(chart["data"], to_json)}


def chart_of_event(event: Mapping[str, Any]) -> Chart:
    """The chart that an event holds. Raises ValueError where there is none."""
    if event.get("schema_type") not in _SCHEMAS:
        raise ValueError("a chart of an unknown type")
    try:
        return chart_of(str(event["schema_type"]), {**event, "data": _each(event.get("data"), from_json)})
    except RecursionError as error:
        raise ValueError("lists too deep to be a chart's") from error


def chart_text(chart: Chart) -> str:
    """A chart as JSON, NaN as null: a string that any reader of JSON takes."""
    plain = _each(chart, lambda value: None if value != value else value)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def chart_of_text(text: str) -> Chart:
    """The reverse of `chart_text()`."""
    chart: Chart = _each(json.loads(text), lambda value: math.nan if value is None else value)
    return chart


def _parsed(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        with open(text, encoding="utf-8") as file:
            text = file.read()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from error


def _checked(data: Mapping[str, Any], shapes: Mapping[str, str]) -> Dict[str, Any]:
    sizes: Dict[str, int] = {"4": 4}
    found: Dict[str, Any] = {}
    for name, shape in shapes.items():
        if name not in data:
            raise ValueError(f"its data lacks {name}")
        found[name] = _nested(name, data[name], shape, sizes)
    if "E" in sizes and sizes["E"] != sizes["N"] + 1:
        raise ValueError(f"it has {sizes['N']} bins and {sizes['E']} edges; {sizes['N'] + 1} are needed")
    edges = found.get("bin_edges", [])
    if any(after <= before for before, after in zip(edges, edges[1:])):
        raise ValueError("bin_edges must increase")
    return found


def _nested(name: str, value: Any, shape: str, sizes: Dict[str, int]) -> Any:
    """Lists in lists, each of the size that its letter stands for; the first of a letter decides."""
    if not shape:
        return _text(name, value) if name == "class_labels" else _number(name, value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f"{name} must be a list, with something in it")
    if shape[0] == "C" and len(value) > _MAX_CLASSES:
        raise ValueError(f"it has {len(value)} classes; {_MAX_CLASSES} are the most")
    wanted = sizes.setdefault(shape[0], len(value))
    if len(value) != wanted:
        raise ValueError(f"{name} has {len(value)} elements where {wanted} are needed")
    return [_nested(name, each, shape[1:], sizes) for each in value]


def _text(name: str, value: Any) -> str:
    plain, problem = loggable(value)
    if problem is not None or isinstance(value, (list, dict)):
        raise ValueError(f"{name} must be texts")
    return str(plain)


def _number(name: str, value: Any) -> float:
    plain, _ = loggable(value)
    if isinstance(plain, bool) or not isinstance(plain, (int, float)):
        raise ValueError(f"{name} must be numbers")
    if not math.isfinite(plain) and not (name in _MAY_BE_NAN and plain != plain):
        raise ValueError(f"{name} must be finite")
    if name in _COUNTS and plain < 0:
        raise ValueError(f"{name} must not be negative")
    return plain


def _each(value: Any, function: Callable[[Any], Any]) -> Any:
    """The same lists and dicts of what a function makes of each value in them."""
    if isinstance(value, dict):
        return {name: _each(each, function) for name, each in value.items()}
    if isinstance(value, list):
        each_of: List[Any] = [_each(each, function) for each in value]
        return each_of
    return function(value)
