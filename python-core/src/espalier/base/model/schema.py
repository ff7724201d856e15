"""JSON Schema (draft 2020-12) of the records, from the classes that decode them."""

from collections import abc
from typing import Any, Dict, Tuple, Union

from espalier.base.model.codec import MORE
from espalier.base.model.record import shape

_PLAIN: Dict[Any, Any] = {str: "string", int: "integer", float: "number", bool: "boolean"}
# In what people write, a number or a logical may stand for text.
_WRITTEN = {**_PLAIN, str: ["string", "number", "boolean"]}


def schema_of(cls: Any, *, is_written: bool = False) -> Dict[str, Any]:
    """The schema of a record.

    Args:
        cls: A class of `model/`, or a data class. A field of one may have more of its schema in its metadata, `schema`.
        is_written: Whether people write it: fields that the class doesn't have are mistakes.
    """
    types, defaults = shape(cls)
    names = [name for name in types if name != MORE]
    fields = {name: _type(types[name], is_written) for name in names}
    optional = {name: _or_null(fields[name]) for name in names if name in defaults}
    needed = [name for name in names if name not in defaults]
    schema: Dict[str, Any] = {"type": "object", "properties": {**fields, **optional}}
    for name, item in getattr(cls, "__dataclass_fields__", {}).items():
        schema["properties"][name].update(item.metadata.get("schema", {}))
    closed = {"additionalProperties": False} if is_written else {}
    return {**schema, **closed, "required": needed} if needed else {**schema, **closed}


def _or_null(schema: Dict[str, Any]) -> Dict[str, Any]:
    """Null counts as absent, which a field that has a default may be."""
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    types = schema.get("type", [])
    return {**schema, "type": [*([types] if isinstance(types, str) else types), "null"]} if schema else {}


def _type(hint: Any, is_written: bool) -> Dict[str, Any]:
    origin = getattr(hint, "__origin__", None)
    args: Tuple[Any, ...] = getattr(hint, "__args__", ())
    if hint is Any:
        return {}
    if origin is Union:
        schemas = [_type(arg, is_written) for arg in args if arg is not type(None)]
        return {"anyOf": schemas} if len(schemas) > 1 else schemas[0]
    if origin is not None:
        if origin in (tuple, abc.Sequence):
            return {"type": "array", "items": _type(args[0], is_written)}
        return {"type": "object", "additionalProperties": _type(args[1], is_written)}
    if hasattr(hint, "schema"):
        return hint.schema()  # type: ignore[no-any-return]
    plain = _WRITTEN if is_written else _PLAIN
    return {"type": plain[hint]} if hint in plain else schema_of(hint, is_written=is_written)
