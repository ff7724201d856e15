"""JSON Schema (draft 2020-12) of the records, from the classes that decode them."""

from typing import Any, Dict, Tuple, Union

from espalier.base.model.codec import MORE
from espalier.base.model.record import Record

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_of(cls: Any) -> Dict[str, Any]:
    """The schema of a record.

    Args:
        cls: A class of `model/`.
    """
    defaults = cls._field_defaults
    names = [name for name in cls.__annotations__ if name != MORE]
    fields = {name: _type(cls.__annotations__[name]) for name in names}
    optional = {name: _or_null(fields[name]) for name in names if name in defaults}
    needed = [name for name in names if name not in defaults]
    schema = {"type": "object", "properties": {**fields, **optional}}
    return {**schema, "required": needed} if needed else schema


def _or_null(schema: Dict[str, Any]) -> Dict[str, Any]:
    """Null counts as absent, which a field that has a default may be."""
    return {**schema, "type": [schema["type"], "null"]} if schema else schema


def _type(hint: Any) -> Dict[str, Any]:
    origin = getattr(hint, "__origin__", None)
    args: Tuple[Any, ...] = getattr(hint, "__args__", ())
    if hint is Any:
        return {}
    if origin is Union:
        return _type(next(arg for arg in args if arg is not type(None)))
    if origin is tuple:
        return {"type": "array", "items": _type(args[0])}
    if origin is not None:
        return {"type": "object", "additionalProperties": _type(args[1])}
    if hasattr(hint, "schema"):
        return hint.schema()  # type: ignore[no-any-return]
    return schema_of(hint) if isinstance(hint, type) and issubclass(hint, Record) else {"type": _PLAIN[hint]}
