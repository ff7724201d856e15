"""Script parameters: typed values in the record, text on the command line, by one rule.

Which values work must not depend on the value. Parsers take what begins with `-` for an option, except for a negative
number in plain decimals (argparse of Python and R, optparse and getopt of R), so:

- numbers are plain decimals, never with an exponent, and -Inf, which has none, gets a leading blank;
- text that begins with `-` is joined to its name: `--name=-text`, and `-n-text` for a name of one letter;
- in a vector, where no parser takes joined values, text that begins with `-` is refused.
"""

import datetime
import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.base.model.words import LITERAL, PARAMETER, Part, Word, literal, word
from espalier.base.names import check_label
from espalier.base.scripts import argument_text, parameter_texts
from espalier.base.values import native, typed

_PLAIN_NUMBER = re.compile(r"-(\d+|\d*\.\d+)$", re.ASCII)


def script_words(params: Mapping[str, Any], script: Optional[str]) -> Tuple[List[Word], Dict[str, Any]]:
    """Parameters as words of the command and as the record's typed `params`.

    A name without leading dash gets two. None or "" makes a flag. A list gives its values one after the other.

    Args:
        script: The entry script.

    Raises:
        EspalierError: `bad_argument` (NA, a type that is no value, a text that would be taken for an option),
            `bad_name`.
    """
    words: List[Word] = []
    record: Dict[str, Any] = {}
    for name, value in params.items():
        if not isinstance(name, str):
            raise EspalierError("bad_name", f"script_params: {name!r} is no name.", "Names are text.")
        option = name if name.startswith("-") else "--" + name
        label = check_label("script parameter", option.lstrip("-"))
        if label in record:
            raise EspalierError("bad_name", f"script_params has {label} twice.", "Give each parameter once.")
        if value is None or value == "":
            record[label] = {"kind": "logical", "value": True}
            words.append(literal(option))
        elif isinstance(value, (list, tuple)):
            values = [_checked(name, item) for item in value]
            for item in values:
                _refuse_option(name, argument_text(item))
            record[label] = [typed(item) for item in values]
            words += [literal(option), word(PARAMETER, label)]
        else:
            record[label] = typed(_checked(name, value))
            words += _single(option, label, *parameter_texts(script, record[label]))
    return words, record


def _single(option: str, label: str, text: str) -> List[Word]:
    if not text.startswith("-") or _PLAIN_NUMBER.match(text):
        return [literal(option), word(PARAMETER, label)]
    one_letter = len(option) == 2 and option[1] != "-"
    return [Word((Part(LITERAL, option if one_letter else option + "="), Part(PARAMETER, label)))]


def _refuse_option(name: str, text: str) -> None:
    if len(text) > 1 and text.startswith("-") and not _PLAIN_NUMBER.match(text):
        raise EspalierError(
            "bad_argument",
            f"script_params: {name} has the element {text[:60]!r}, which scripts would take for an option.",
            "Join the elements to one string, put them into a file, or write the arguments yourself: `arguments`.",
        )


def quarto_words(record: Mapping[str, Any]) -> List[Word]:
    """Recorded parameters as quarto takes them, `-P name:value`, the value as YAML."""
    pairs = [(literal("-P"), Word((Part(LITERAL, f"{name}:"), Part(PARAMETER, name)))) for name in record]
    return [each for pair in pairs for each in pair]


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
