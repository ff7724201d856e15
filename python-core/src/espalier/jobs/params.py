"""Script parameters: typed values in the record, text on the command line, by one rule.

Which values work must not depend on the value. Parsers take what begins with `-` for an option, except for a negative
number in plain decimals (argparse of Python and R, optparse and getopt of R), so:

- numbers are plain decimals, never with an exponent, and -Inf, which has none, gets a leading blank;
- text that begins with `-` is joined to its name: `--name=-text`, and `-n-text` for a name of one letter;
- in a vector, where no parser takes joined values, text that begins with `-` is refused.
"""

import datetime
import math
import re
from decimal import Decimal
from typing import Any, Dict, List, Mapping, Tuple

from espalier.base.errors import EspalierError
from espalier.base.names import check_label
from espalier.base.values import native, typed, value_text

_PLAIN_NUMBER = re.compile(r"-(\d+|\d*\.\d+)$", re.ASCII)


def script_arguments(params: Mapping[str, Any], logical: Tuple[str, str]) -> Tuple[List[str], Dict[str, Any]]:
    """Parameters as arguments and as the record's typed `params`.

    A name without leading dash gets two. None or "" makes a flag. A list gives its values one after the other.

    Raises:
        EspalierError: `bad_argument` (NA, a type that is no value, a text that would be taken for an option),
            `bad_name`.
    """
    arguments: List[str] = []
    record: Dict[str, Any] = {}
    for name, value in params.items():
        if not isinstance(name, str):
            raise EspalierError("bad_name", f"script_params: {name!r} is no name.", "Names are text.")
        option = name if name.startswith("-") else "--" + name
        label = check_label("script parameter", option.lstrip("-"))
        if value is None or value == "":
            arguments.append(option)
            record[label] = {"kind": "logical", "value": True}
        elif isinstance(value, (list, tuple)):
            values = [_checked(name, item) for item in value]
            arguments += [option, *(_item(name, item, logical) for item in values)]
            record[label] = [typed(item) for item in values]
        else:
            value = _checked(name, value)
            arguments += _single(option, argument_text(value, logical))
            record[label] = typed(value)
    return arguments, record


def argument_text(value: Any, logical: Tuple[str, str] = ("TRUE", "FALSE")) -> str:
    """A value as an argument. Strings stay as they are; numbers are plain decimals, as short as reads back to the same
    double.

    Args:
        logical: How true and false are spelled.
    """
    if isinstance(value, float):
        if math.isinf(value):
            return "Inf" if value > 0 else " -Inf"
        if abs(value) < 2**63 and value.is_integer() and value:  # what an integer of 64 bits holds, digit by digit
            return str(int(value))
        return "NaN" if math.isnan(value) else format(Decimal(value_text(float(value))), "f")
    return value_text(value, logical)


def _single(option: str, text: str) -> List[str]:
    if not text.startswith("-") or _PLAIN_NUMBER.match(text):
        return [option, text]
    one_letter = len(option) == 2 and option[1] != "-"
    return [option + text if one_letter else f"{option}={text}"]


def _item(name: str, value: Any, logical: Tuple[str, str]) -> str:
    text = argument_text(value, logical)
    if len(text) > 1 and text.startswith("-") and not _PLAIN_NUMBER.match(text):
        raise EspalierError(
            "bad_argument",
            f"script_params: {name} has the element {text[:60]!r}, which scripts would take for an option.",
            "Join the elements to one string, put them into a file, or write the arguments yourself: `arguments`.",
        )
    return text


def quarto_options(params: Mapping[str, Any]) -> List[str]:
    """Parameters as quarto takes them, `-P name:value`, the value as YAML."""
    options: List[str] = []
    for name, value in params.items():
        items = value if isinstance(value, (list, tuple)) else [True if value is None or value == "" else value]
        texts = [value_text(_checked(name, item), ("true", "false")) for item in items]
        text = f"[{', '.join(texts)}]" if isinstance(value, (list, tuple)) else texts[0]
        options += ["-P", f"{name.lstrip('-')}:{text}"]
    return options


def _checked(name: str, value: Any) -> Any:
    value = value.isoformat() if isinstance(value, datetime.date) else native(value)
    if isinstance(value, int) and value.bit_length() > 1023:
        raise EspalierError("bad_argument", f"script_params: {name} is beyond 2^1023.", "Give it as text, with str().")
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
