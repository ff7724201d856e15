"""Results on stdout: JSON, YAML, a table or tab-separated values, all of the same value."""

import json
import math
import sys
from typing import Any, Dict, Mapping, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.base.records import now_iso
from espalier.base.types import Frame
from espalier.cli.request import Request
from espalier.cli.text import is_terminal, json_text, one_line, write


def show(result: Any, values: Mapping[str, Any], request: Optional[Request] = None) -> None:
    """Write a result as the options of a command ask for it.

    Args:
        request: What it is the result of, if people see it in another form than programs.
    """
    form, query = _form(values["_output"]), values["_query"]
    always: Sequence[str] = ()
    if values.get("_columns") and isinstance(result, Frame):
        from espalier.cli.table import chosen_columns

        result = chosen_columns(result, values["_columns"])
        always = list(result.columns)
    elif form == "table" and query is None and request is not None:
        from espalier.cli.table import named_columns
        from espalier.cli.views import for_people

        result, always = for_people(request, result), named_columns(request.arguments)
    emit(result, form, query, header=not values["_no_header"], always=always)


def _form(given: Optional[str]) -> str:
    return given or ("table" if is_terminal(sys.stdout) else "json")


def emit(
    result: Any, form: Optional[str], query: Optional[str] = None, *, header: bool = True, always: Sequence[str] = ()
) -> None:
    """Write a result.

    Args:
        form: One of FORMATS. Default: a table on a terminal, JSON elsewhere.
        query: A JMESPath expression that chooses what of it is written.
        header: Whether tab-separated values begin with the names of their columns.
        always: Columns that a table doesn't leave out.
    """
    form = _form(form)
    if result is None and query is None:
        return
    value = plain(result)
    if query is not None:
        value = chosen(value, query)
    if form == "json":
        write(as_json(value))
    elif form == "yaml":
        import yaml

        write(yaml.safe_dump(value, sort_keys=False, width=120))
    elif form == "tsv":
        write(as_tsv(value, header=header))
    else:
        from espalier.cli.table import as_table

        write(as_table(value, _kinds(result) if query is None else {}, always))


def as_table_of(result: Any) -> str:
    """A result as a table for people."""
    from espalier.cli.table import as_table

    return as_table(plain(result), _kinds(result))


def _kinds(result: Any) -> Mapping[str, str]:
    return result.kinds if isinstance(result, Frame) else {}


def plain(value: Any) -> Any:
    """A result as JSON values. A missing value is null, also NaN; infinite numbers are text."""
    if isinstance(value, Frame):
        times = [name for name, kind in value.kinds.items() if kind == "time"]
        rows = [{name: plain(cell) for name, cell in row.items()} for row in value.rows()]
        for row in rows:
            row.update((name, time_text(row[name])) for name in times)
        return rows
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "_identity"):
        return _object(value._identity())
    return None if type(value).__name__ == "_NA" else str(value)


def _object(identity: Dict[str, str]) -> Any:
    """What tells an object from others, with the names that lists have."""
    if "definition" in identity:
        return json.loads(identity["definition"])
    return {"run_id" if name == "id" else name: text for name, text in identity.items()}


def time_text(seconds: Optional[float]) -> Optional[str]:
    """A time of a table, in UTC."""
    return None if seconds is None else now_iso(seconds + 5e-7)


def chosen(value: Any, query: str) -> Any:
    """What a JMESPath expression chooses of a value. Raises EspalierError: `bad_argument`, `not_supported`."""
    try:
        import jmespath
        from jmespath.exceptions import JMESPathError
    except ImportError:
        hint = "Install it: python -m pip install jmespath."
        raise EspalierError("not_supported", "Can't use --query: the package jmespath is missing.", hint) from None
    try:
        return jmespath.search(query, value)
    except (JMESPathError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split("\n")[0].split())
        message, hint = f"Can't use --query: {problem}", "See https://jmespath.org for its language."
        raise EspalierError("bad_argument", message, hint) from None


def as_json(value: Any) -> str:
    """JSON; of a list an item a line."""
    if isinstance(value, list) and value:
        text = "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in value) + "\n]"
    else:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return json_text(text) + "\n"


def as_tsv(value: Any, *, header: bool = True) -> str:
    """A line an item, with tabs between the values; before objects a line with their names."""
    rows = value if isinstance(value, list) else [value]
    names = [list(rows[0])] if header and rows and isinstance(rows[0], dict) else []
    return "".join("\t".join(map(cell, _cells(row))) + "\n" for row in [*names, *rows])


def _cells(row: Any) -> Any:
    return row.values() if isinstance(row, dict) else row if isinstance(row, list) else [row]


def cell(value: Any) -> str:
    """One value as one line of text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return one_line(value)
    return one_line(json.dumps(value, ensure_ascii=False))
