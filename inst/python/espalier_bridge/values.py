"""Arguments and results by their declared types. The types are those of `espalier.api.describe`."""

import math
import warnings
from typing import Any, Dict, List, Tuple

_EXACT = 2**53  # beyond it R's numbers have gaps

# Tables on their way to R, and those from R that have list columns: these are row numbers here, and new tables may
# have them too. R has taken over what it wanted of the last call's when the next call comes.
outgoing: List[Any] = []


def facade(name: str) -> Any:
    """One of espalier's public classes."""
    import espalier

    return getattr(espalier, name)


def argument(value: Any, kind: Dict[str, Any], name: str) -> Any:
    """What R sent, as the type that the signature declares.

    Raises:
        TypeError: it does not fit. R's converters have checked before, so this is a defect there.
    """
    of = kind["type"]
    if of == "optional":
        return None if value is None else argument(value, kind["of"], name)
    if of == "list":
        return [argument(item, kind["of"], name) for item in value]
    if of == "mapping":
        return {key: argument(item, kind["of"], name) for key, item in dict(value or {}).items()}
    if of == "object":
        return facade(kind["class"])._from_identity(value)
    if of == "record":
        return facade(kind["class"]).from_mapping(decode(value or {}))
    if of in ("frame", "data"):
        return data_argument(value)
    value = decode(value)
    if of in ("int", "index") and isinstance(value, float) and value.is_integer():
        return int(value)
    if of == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if of != "json" and type(value) is not _PLAIN[of]:
        raise TypeError(f"argument {name} is {type(value).__name__}, declared {of}")
    return value


_PLAIN: Dict[str, Any] = {
    "none": type(None), "bool": bool, "int": int, "index": int, "float": float, "str": str, "literal": str,
}


def decode(value: Any) -> Any:
    """A JSON value with the protocol's tags read; names in objects carry none."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    if value is None:
        return None
    from espalier.base.values import from_json

    return from_json(value)


def result(value: Any, kind: Dict[str, Any]) -> Any:
    """What the core returned, as JSON that R's decoder of the same declared type reads."""
    of = kind["type"]
    if value is None or of == "none":
        return None
    if of == "optional":
        return result(value, kind["of"])
    if of == "list":
        return [result(item, kind["of"]) for item in value]
    if of == "mapping":
        return {key: result(item, kind["of"]) for key, item in value.items()}
    if of == "object":
        return value._identity()
    if of == "frame":
        return frame(value)
    if of == "data":
        return data_result(value)
    return plain(value)


def frame(value: Any) -> Dict[str, Any]:
    """A table or array as the addresses of its Arrow structs, for R to take over.

    Raises:
        EspalierError: `unsupported_data`.
    """
    from espalier_bridge.arrow import accept

    try:
        parcel = accept.parcel(value)
    except (TypeError, ValueError, NotImplementedError) as error:  # (the last is pyarrow's, for what Arrow has not)
        from espalier.base.errors import EspalierError

        raise EspalierError(
            "unsupported_data", f"A result cannot go to R: {error}.", "Convert it in Python first."
        ) from error
    outgoing.append(parcel)
    structs = [parcel.schema, *parcel.batches]
    return {"table": [str(struct.address) for struct in structs], "shape": parcel.shape, "dim": parcel.dim}


def data_argument(value: Any) -> Any:
    """Data from R: tables and vectors as `Table`, lists as list or dict."""
    from espalier_bridge.arrow.table import Table

    if value is None:
        return None
    if "table" in value:
        table = Table.take(*map(int, value["table"]))
        if table.has_lists_in_r:
            outgoing.append(table)
        return table
    items = [data_argument(item) for item in value["list"]]
    return dict(zip(value["names"], items)) if "names" in value else items


def data_result(value: Any) -> Any:
    """Any data for R: the inverse of `data_argument()`. A list of plain values of one kind is a vector."""
    from espalier_bridge.arrow import accept, arrays, build

    if value is None:
        return None
    if isinstance(value, dict):
        return {"names": [str(key) for key in value], "list": [data_result(item) for item in value.values()]}
    if not isinstance(value, (list, tuple)):
        return frame(value if accept.is_data(value) else [value])
    value = arrays.plain_items(value)
    nested = any(isinstance(item, (list, tuple, dict)) or accept.is_data(item) for item in value)
    if not value or nested or not build.have_one_kind(value):
        return {"list": [data_result(item) for item in value]}
    return frame(value)


def plain(value: Any) -> Any:
    """Any JSON value with the protocol's tags written; None stays null."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "!" + value if value.startswith("!") else value
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _tag(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _items(value)
    if type(value).__name__ == "_NA" or hasattr(value, "__fspath__"):
        return _tag(value)
    raise TypeError(f"a {type(value).__module__}.{type(value).__name__} cannot go to R")


def _items(value: "List[Any] | Tuple[Any, ...]") -> List[Any]:
    return [plain(item) for item in value]


def _whole(value: int) -> Any:
    if -_EXACT <= value <= _EXACT:
        return value
    warnings.warn("a whole number beyond 2^53 was rounded: R's numbers are doubles", UserWarning, stacklevel=2)
    try:
        return float(value)
    except OverflowError:
        return "!Inf" if value > 0 else "!-Inf"


def _tag(value: Any) -> Any:
    if hasattr(value, "__fspath__"):
        return plain(str(value))
    from espalier.base.values import to_json

    return to_json(value)
