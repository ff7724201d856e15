"""Which language a script is in, by its ending, how parameters are spelled for it, and where it finds its inputs."""

import os
import re
from typing import Any, List, Mapping, Optional, Tuple

from espalier.base.values import read_value, value_text

R_MARKDOWN = (".rmd", ".rmarkdown")
QUARTO = ".qmd"
NOTEBOOK = ".ipynb"
_LANGUAGES = {".r": "r", ".rscript": "r", ".py": "python", NOTEBOOK: "python", **dict.fromkeys(R_MARKDOWN, "r")}


def kind_of(script: Optional[str]) -> str:
    """A script's ending, in small letters."""
    return os.path.splitext(script or "")[1].lower()


def language_of(script: Optional[str]) -> str:
    """`r`, `python` or `other`, by the script's ending."""
    return _LANGUAGES.get(kind_of(script), "other")


def logical_words(script: Optional[str]) -> Tuple[str, str]:
    """How a script's language spells true and false."""
    if kind_of(script) == QUARTO:
        return "true", "false"
    return ("TRUE", "FALSE") if language_of(script) == "r" else ("True", "False")


def parameter_texts(script: Optional[str], given: Any) -> List[str]:
    """A recorded parameter as arguments, one for each value; for Quarto as one, in YAML.

    Args:
        given: `{"kind", "value"}`, or a list of such.
    """
    spelled, cells = logical_words(script), given if isinstance(given, list) else [given]
    values = [_value(cell) for cell in cells]
    if kind_of(script) != QUARTO:
        return [argument_text(value, spelled) for value in values]
    texts = [value_text(value, spelled) for value in values]
    return [f"[{', '.join(texts)}]"] if isinstance(given, list) else texts


def _value(cell: Mapping[str, Any]) -> Any:
    return read_value(cell["value"], str(cell["kind"]))


def argument_text(value: Any, logical: Tuple[str, str] = ("TRUE", "FALSE")) -> str:
    """A value as an argument. Strings stay as they are; numbers are plain decimals, as short as reads back to the same
    double.

    Args:
        logical: How true and false are spelled.
    """
    if not isinstance(value, float):
        return value_text(value, logical)
    if abs(value) == float("inf"):
        return "Inf" if value > 0 else " -Inf"
    if abs(value) < 2**63 and value.is_integer() and value:  # what an integer of 64 bits holds, digit by digit
        return str(int(value))
    text = value_text(value)
    if "e" not in text:
        return text
    from decimal import Decimal  # (not loaded on the way to the start of other jobs)

    return format(Decimal(text), "f")


def input_variable(name: str) -> str:
    """Name of the variable that holds the path by which the job reads an input."""
    return "ESPALIER_INPUT_" + _capitals(name)


def origin_variable(name: str) -> str:
    """Name of the variable that says where an input was taken from."""
    return "ESPALIER_ORIGIN_" + _capitals(name)


def _capitals(name: str) -> str:
    return re.sub("[^A-Z0-9]", "_", name.upper())
