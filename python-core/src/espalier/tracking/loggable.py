"""What scripts hand to the log methods, as what an event can hold. Nothing here raises, for any value.

Each function gives what can be recorded, and what was wrong with the original, in words; None if nothing was.
"""

import json
import math
import operator
import unicodedata
from typing import Any, Optional, Tuple

from espalier.base.names import LABEL_LENGTH, is_label
from espalier.base.values import NA

# Bytes of a string as JSON: a scalar is always a line, never a payload.
STRING_LIMIT = 16_384
# Of a longer string so many characters stay: none takes more than six bytes.
_KEPT = STRING_LIMIT // 6 - 10
# NumPy's, whose item() gives a number for some units; pandas' and polars' missing values.
_TIMES, _MISSING = ("datetime64", "timedelta64"), ("NAType", "NaTType")


def loggable(value: Any) -> Tuple[Any, Optional[str]]:
    """A value as NA, bool, int, float or str.

    Numbers and logical values of NumPy, torch and others, decimals and fractions are numbers; dates are ISO 8601.
    Everything else becomes text.
    """
    try:
        return _plain(value)
    except Exception:
        return _text(value)[:_KEPT], f"is a {type(value).__name__}, which is recorded as text"


def step_of(value: Any) -> Tuple[Optional[float], Optional[str]]:
    """A step as a finite number, also where it is given as text; None if it is none."""
    try:
        plain, problem = _plain(value)
        if plain is NA and value is None:
            return None, None
        number = float(plain)
        if problem is None and math.isfinite(number):
            # (a whole number that a double holds stays one)
            return (int(number) if number.is_integer() and abs(number) <= 2**53 else number), None
    except Exception:
        pass
    return None, "isn't a finite number, so the value is recorded without it"


def label_of(name: Any) -> Tuple[str, Optional[str]]:
    """A name of 1 to 255 characters without control characters."""
    if is_label(name):
        return str(name), None
    text = "".join("?" if unicodedata.category(char) in ("Cc", "Cs") else char for char in _text(name))
    return text[:LABEL_LENGTH] or "unnamed", "isn't a valid name"


def _plain(value: Any) -> Tuple[Any, Optional[str]]:
    if value is None or value is NA or type(value).__name__ in _MISSING:
        return NA, None
    if isinstance(value, bool):
        return value, None
    if isinstance(value, str):
        return _short(str.__str__(value))
    if isinstance(value, int):
        return _whole(int(value))
    if isinstance(value, float):
        return float(value), None
    if hasattr(value, "isoformat"):
        return _short(value.isoformat())
    if type(value).__name__ in _TIMES:
        return _short(str(value))
    item = getattr(value, "item", None)
    if callable(item):
        inner = item()
        if type(inner) is type(value):
            raise TypeError("it holds itself")
        return _plain(inner)
    if hasattr(value, "__index__"):
        try:
            return _whole(operator.index(value))
        except TypeError:  # (a tensor has it, whatever it holds)
            pass
    if isinstance(value, (complex, bytes, bytearray)):
        raise TypeError("it isn't a number")
    return value.__float__() + 0.0, None


def _whole(value: int) -> Tuple[Any, Optional[str]]:
    if value.bit_length() <= 1023:
        return value, None
    # (Python refuses to write long ones as decimals)
    text = str(value) if value.bit_length() < 10_000 else hex(value)
    return text[:_KEPT], "is a whole number beyond 2^1023, which is recorded as text"


def _short(text: str) -> Tuple[str, Optional[str]]:
    if len(text) <= STRING_LIMIT // 6 - 1 or _bytes_as_json(text) <= STRING_LIMIT:
        return text, None
    return text[:_KEPT] + "...", f"takes more than {STRING_LIMIT:,} bytes, and its beginning is recorded"


def _bytes_as_json(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
