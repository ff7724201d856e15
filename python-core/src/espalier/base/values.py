"""Single values between Python and JSON (protocol.md, "Encoding"). Standard library; also used inside jobs."""

from typing import Any, Dict, Tuple, Union


class _NA:
    """R's NA, kept apart from NaN and from every string."""

    def __repr__(self) -> str:
        return "NA"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NA"  # a copy, also in another process, is this same object


NA = _NA()
_KINDS = {"double": (int, float), "integer": int, "logical": bool, "string": str}
# (not of `math`, which takes a runner as long to load as two of its own modules)
_INFINITE = float("inf")
_WORDS = {"!NaN": float("nan"), "!Inf": _INFINITE, "!-Inf": -_INFINITE, "!NA": NA}


def kind_of(value: Any) -> str:
    """`double`, `integer`, `logical` or `string`. NA alone is logical, as in R. Raises TypeError: it is none of
    them."""
    if isinstance(value, bool) or value is None or value is NA:
        return "logical"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "double"
    if isinstance(value, str):
        return "string"
    raise TypeError(f"a {type(value).__name__} isn't a value")


def to_json(value: Any) -> Union[str, int, float, bool]:
    """A value as a JSON value; None is NA."""
    if isinstance(value, float) and not abs(value) < _INFINITE:
        return "!NaN" if value != value else ("!Inf" if value > 0 else "!-Inf")
    if value is None or value is NA:
        return "!NA"
    if isinstance(value, str):
        return "!" + value if value.startswith("!") else value
    assert isinstance(value, (bool, int, float))
    return value


def from_json(value: Any) -> Any:
    """The value a JSON value stands for. Raises ValueError: it stands for none."""
    if isinstance(value, str) and value.startswith("!"):
        if value in _WORDS:
            return _WORDS[value]
        if value.startswith("!!"):
            return value[1:]
        raise ValueError(f"unknown tag {value!r}")
    if value is None or isinstance(value, (list, dict)):
        raise ValueError("not a single value")
    return value


def is_cell(cell: Any) -> bool:
    """Whether a JSON value is a `{"kind", "value"}` that says what it should; other people's files may not."""
    if not isinstance(cell, dict):
        return False
    kind, raw = cell.get("kind"), cell.get("value")
    if kind == "double" and type(raw) is float:  # (most are)
        return True
    if kind not in tuple(_KINDS):
        return False
    try:
        value = from_json(raw)
    except ValueError:
        return False
    if value is NA:
        return True
    if isinstance(value, int) and value.bit_length() > 1023:  # no double can hold it
        return False
    wanted: Any = _KINDS[cell["kind"]]
    return isinstance(value, wanted) and (cell["kind"] == "logical" or not isinstance(value, bool))


def read_value(value: Any, kind: str) -> Any:
    """The value a JSON value of a kind stands for: a double written `1` is a float. Raises as `from_json`."""
    plain = from_json(value)
    return float(plain) if kind == "double" and isinstance(plain, int) else plain


def value_text(value: Any, logical: Tuple[str, str] = ("TRUE", "FALSE")) -> str:
    """A value as text, by one rule for arguments of scripts and for columns of mixed kinds.

    Strings stay as they are. Whole numbers below 1e16 are written as digits (`100000`, never `1e+05`, and never
    `100000.0`), every other number as the shortest text that reads back to the same double.

    Args:
        logical: How true and false are spelled.
    """
    if isinstance(value, bool):
        return logical[0] if value else logical[1]
    return _double_text(value) if isinstance(value, float) else str(value)


def _double_text(value: float) -> str:
    if value != value:
        return "NaN"
    if abs(value) == _INFINITE:
        return "Inf" if value > 0 else "-Inf"
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def native(value: Any) -> Any:
    """A NumPy scalar, Decimal or Fraction as a plain Python value; anything else unchanged."""
    item = getattr(value, "item", None)
    if callable(item) and type(value).__module__.split(".")[0] == "numpy":
        return item()
    if not isinstance(value, (bool, int, float, str)) and hasattr(value, "__float__"):
        return float(value)
    return value


def typed(value: Any) -> Dict[str, Any]:
    """`{"kind", "value"}` of one value."""
    return {"kind": kind_of(value), "value": to_json(value)}
