"""Which columns of a list are shown, and in which order."""

from typing import Any, List, Mapping, Sequence

from espalier.base.errors import EspalierError
from espalier.base.types import Frame

# What filters write, and how the column begins.
_PREFIXES = (("metrics.", "metric_"), ("params.", "param_"), ("tags.", "tag_"), ("attributes.", ""))
# By these people compare runs.
_COMPARED = (("metric_", "first(", "min(", "max("), ("param_",), ("tag_",))
_SHOWN = 8


def chosen_columns(frame: Frame, text: str) -> Frame:
    """A table with the columns that a user chose.

    Args:
        text: Their names, with commas between them; also as filters write them, `metrics.auc`.

    Raises:
        EspalierError: `bad_argument`: the table lacks the column.
    """
    chosen = [_column(name.strip()) for name in text.split(",") if name.strip()]
    for name in chosen:
        if name not in frame.columns:
            import difflib

            near = difflib.get_close_matches(name, frame.columns, _SHOWN, 0.5) or list(frame.columns)[:_SHOWN]
            raise EspalierError(
                "bad_argument", f"Can't show the column {name!r:.100}.", f"There are {', '.join(near)}."
            )
    found = Frame({name: frame.columns[name] for name in chosen}, frame.kinds)
    found.page_token = frame.page_token
    return found


def _column(name: str) -> str:
    for word, prefix in _PREFIXES:
        name = name.replace(word, prefix, 1)
    return name


def named_columns(arguments: Mapping[str, Any]) -> List[str]:
    """The columns that a list of runs is sorted and filtered by."""
    from espalier.store.index.grammar import fields_of, parse_filter, parse_order

    tree = parse_filter(arguments.get("filter") or "")
    fields = [order.field for order in parse_order(arguments.get("order_by") or [])]
    fields += list(fields_of(tree)) if tree is not None else []
    return list(dict.fromkeys(field.column for field in fields))


def compared(rows: Sequence[Mapping[str, Any]], named: Sequence[str]) -> List[str]:
    """The columns of runs, those first by which people compare them; last those that are the same in all rows.

    Args:
        named: What the list is sorted or filtered by.
    """
    names = [name for name in rows[0] if name in named or any(row.get(name) is not None for row in rows)]
    differs = [name for name in names if len(rows) == 1 or len({repr(row.get(name)) for row in rows}) > 1]
    measured = [name for prefixes in _COMPARED for name in differs if name.startswith(prefixes)]
    first = ["run_id", "status", *named, *measured, "duration_seconds", "created_at", *differs, *names]
    return [name for name in dict.fromkeys(first) if name in names]
