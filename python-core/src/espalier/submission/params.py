"""Script parameters: typed values in the record, text on the command line, by one rule."""

import math
from typing import Any, Dict, List, Mapping, Tuple

from espalier.errors import EspalierError
from espalier.names import check_label
from espalier.values import typed


def format_argument(value: Any, logical: Tuple[str, str] = ("True", "False")) -> str:
    """One value as the text a script receives.

    Strings arrive as they are. Whole numbers below 1e15 are written as digits (`100000`, never `1e+05`, and never
    `100000.0`), every other number as the shortest text that reads back to the same double.

    Args:
        logical: How true and false are spelled.
    """
    if isinstance(value, bool):
        return logical[0] if value else logical[1]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _format_double(value)
    return str(value)


def _format_double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    if value.is_integer() and abs(value) < 1e15:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
    return repr(value)


def script_arguments(params: Mapping[str, Any], logical: Tuple[str, str]) -> Tuple[List[str], Dict[str, Any]]:
    """Parameters as arguments and as the record's typed `params`.

    A name without leading dash gets two. None or "" makes a flag. A list gives its values one after the other.

    Raises:
        EspalierError: `bad_argument` (NA, a type that is no value), `bad_name`.
    """
    arguments: List[str] = []
    record: Dict[str, Any] = {}
    for name, value in params.items():
        if not isinstance(name, str):
            raise EspalierError("bad_name", f"script_params: {name!r} is no name.", "Names are text.")
        option = name if name.startswith("-") else "--" + name
        label = check_label("script parameter", option.lstrip("-"))
        arguments.append(option)
        if value is None or value == "":
            record[label] = {"kind": "logical", "value": True}
        elif isinstance(value, (list, tuple)):
            arguments += [format_argument(_checked(name, item), logical) for item in value]
            record[label] = [typed(item) for item in value]
        else:
            arguments.append(format_argument(_checked(name, value), logical))
            record[label] = typed(value)
    return arguments, record


def _checked(name: str, value: Any) -> Any:
    if isinstance(value, (bool, int, float, str)):
        if isinstance(value, str) and "\0" in value:
            raise EspalierError("bad_argument", f"script_params: {name} contains a NUL character.")
        return value
    seen = "NA" if value is None else f"a {type(value).__name__}"
    raise EspalierError(
        "bad_argument",
        f"script_params: {name} is {seen}.",
        "A parameter is a string, number, logical, or a vector of them; leave the value out (NULL) for a flag.",
    )
