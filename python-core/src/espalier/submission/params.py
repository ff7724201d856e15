"""Script parameters: typed values in the record, text on the command line, by one rule."""

from typing import Any, Dict, List, Mapping, Tuple

from espalier.errors import EspalierError
from espalier.names import check_label
from espalier.values import typed, value_text


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
            arguments += [value_text(_checked(name, item), logical) for item in value]
            record[label] = [typed(item) for item in value]
        else:
            arguments.append(value_text(_checked(name, value), logical))
            record[label] = typed(value)
    return arguments, record


def _checked(name: str, value: Any) -> Any:
    if isinstance(value, (bool, int, float, str)):
        if isinstance(value, str) and "\0" in value:
            raise EspalierError("bad_argument", f"script_params: {name} contains a NUL character.")
        return value
    seen = "NA" if value is None else f"of type {type(value).__name__}"
    raise EspalierError(
        "bad_argument",
        f"script_params: {name} is {seen}.",
        "A parameter is a string, number, logical, or a vector of them; leave the value out (NULL) for a flag.",
    )
