"""Arguments and results as JSON, by the types that the catalogue declares; see docs/protocol.md, "Encoding"."""

import math
import traceback
import warnings
from typing import Any, Dict, List, Protocol

from espalier.api.catalog import facade
from espalier.base.errors import EspalierError
from espalier.base.os_errors import os_error
from espalier.base.types import Frame
from espalier.base.values import from_json, to_json

_EXACT = 2**53  # beyond it R's and JavaScript's numbers have gaps
_PLAIN: Dict[str, Any] = {
    "none": type(None), "bool": bool, "int": int, "index": int, "float": float, "str": str, "literal": str,
}  # fmt: skip


class Carrier(Protocol):
    """How tables and other data cross to a caller and from it."""

    def argument(self, value: Any) -> Any:
        """Data from a caller."""

    def frame(self, value: Any) -> Any:
        """A table for a caller."""

    def data(self, value: Any) -> Any:
        """Any data for a caller."""


class JsonCarrier:
    """Tables as JSON, for callers in other processes. Other data doesn't cross."""

    def argument(self, value: Any) -> Any:
        """Raises EspalierError `unsupported_data`."""
        raise EspalierError("unsupported_data", "Can't take a table from this caller.", "Give the path of a file.")

    def frame(self, value: Any) -> Any:
        """`columns`: a list of `name`, `kind`, `values`."""
        if not isinstance(value, Frame):
            return self.data(value)
        columns = value.columns.items()
        return {"columns": [{"name": name, "kind": value.kinds[name], "values": plain(each)} for name, each in columns]}

    def data(self, value: Any) -> Any:
        """Raises EspalierError `unsupported_data`."""
        raise EspalierError("unsupported_data", f"Can't give a {type(value).__name__} to this caller.")


def argument(value: Any, kind: Dict[str, Any], name: str, carrier: Carrier) -> Any:
    """What a caller sent, as the type that the signature declares. Raises TypeError: it does not fit. R's converters
    have checked before, so this is a defect there."""
    of = kind["type"]
    if of == "optional":
        return None if value is None else argument(value, kind["of"], name, carrier)
    if of == "list":
        return [argument(item, kind["of"], name, carrier) for item in value]
    if of == "mapping":
        return {key: argument(item, kind["of"], name, carrier) for key, item in dict(value or {}).items()}
    if of == "object":
        return facade(kind["class"])._from_identity(value)
    if of in ("frame", "data"):
        return carrier.argument(value)
    value = decode(value)
    if of in ("int", "index") and isinstance(value, float) and value.is_integer():
        return int(value)
    if of == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if of != "json" and type(value) is not _PLAIN[of]:
        raise TypeError(f"argument {name} is {type(value).__name__}, declared {of}")
    return value


def decode(value: Any) -> Any:
    """A JSON value with the protocol's tags read; names in objects carry none."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    return None if value is None else from_json(value)


def result(value: Any, kind: Dict[str, Any], carrier: Carrier) -> Any:
    """What an operation returned, as JSON that a decoder of the same declared type reads."""
    of = kind["type"]
    if value is None or of == "none":
        return None
    if of == "optional":
        return result(value, kind["of"], carrier)
    if of == "list":
        return [result(item, kind["of"], carrier) for item in value]
    if of == "mapping":
        return {key: result(item, kind["of"], carrier) for key, item in value.items()}
    if of == "object":
        return value._identity()
    if of == "frame":
        return carrier.frame(value)
    if of == "data":
        return carrier.data(value)
    return plain(value)


def plain(value: Any) -> Any:
    """Any JSON value with the protocol's tags written; None stays null."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "!" + value if value.startswith("!") else value
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else to_json(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _items(value)
    if hasattr(value, "__fspath__"):
        return plain(str(value))
    if type(value).__name__ == "_NA":
        return to_json(value)
    raise TypeError(f"a {type(value).__module__}.{type(value).__name__} cannot cross to another language")


def _items(value: Any) -> List[Any]:
    return [plain(item) for item in value]


def _whole(value: int) -> Any:
    if -_EXACT <= value <= _EXACT:
        return value
    warnings.warn("a whole number beyond 2^53 was rounded: R's numbers are doubles", UserWarning, stacklevel=2)
    try:
        return float(value)
    except OverflowError:
        return "!Inf" if value > 0 else "!-Inf"


def error_record(error: BaseException) -> Dict[str, Any]:
    """`code`, `message`, `hint`, `fields`, `class`, `traceback`. Other exceptions have the code `internal`."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    known = {"class": type(error).__name__, "traceback": text}
    error = os_error(error) or error
    if isinstance(error, EspalierError):
        fields = {name: plain(value) for name, value in error.fields.items()}
        return {**known, "code": error.code, "message": error.message, "hint": error.hint, "fields": fields}
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = "This is a defect in espalier; please report it with its traceback."
    return {**known, "code": "internal", "message": message, "hint": hint, "fields": {}}
