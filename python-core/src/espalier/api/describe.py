"""`python -m espalier.api.describe` prints the public API of the façades as JSON (api.json).

Other languages' bindings are generated from it. Everything comes from signatures, annotations, defaults and
docstrings; a type is never guessed from prose. An annotation outside the list in `type_record` is written as
`{"type": "unknown"}`, and a generator must refuse it by name.
"""

import dataclasses
import inspect
import json
import re
import sys
import typing
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from espalier.base.canonical import digest
from espalier.base.types import Data, Frame, Index, Text

FACADES = ("Workspace", "Experiment", "Run", "Environment", "Keyvault")

_SCALARS: Dict[Any, str] = {
    type(None): "none", bool: "bool", int: "int", float: "float", str: "str", Any: "json",
    Frame: "frame", Data: "data", Index: "index", Text: "str",
}
_SEQUENCES = (list, typing.get_origin(typing.Sequence[int]), typing.get_origin(typing.Iterable[int]))
_MAPPINGS = (dict, typing.get_origin(typing.Mapping[str, int]))
_SECTIONS = {"Args:": "args", "Returns:": "returns", "Raises:": "raises"}
_ENTRY = re.compile(r"(\*{0,2}\w+)(?:\s*\([^)]*\))?:\s*(.*)")


def describe(classes: Optional[Sequence[type]] = None) -> Dict[str, Any]:
    """The public API of the façades.

    Args:
        classes: The classes to describe; by default espalier's own façades.

    Returns:
        A JSON value: `format` and `classes`, each with its doc, properties, methods, and the digest of these.
    """
    if classes is None:
        import espalier

        classes = [getattr(espalier, name) for name in FACADES]
    names = {cls.__name__: cls for cls in classes}
    return {"format": 1, "classes": [_class_record(cls, names) for cls in classes]}


def _class_record(cls: type, names: Mapping[str, type]) -> Dict[str, Any]:
    for needed in ("_from_identity", "_identity"):
        if not callable(getattr(cls, needed, None)):
            raise TypeError(f"{cls.__name__} has no {needed}(): it cannot cross to another language")
    properties = _fields(cls, names)
    methods: List[Dict[str, Any]] = []
    for name, member in _public_members(cls):
        symbol = f"{cls.__name__}.{name}"
        if isinstance(member, property):
            if member.fget is None:
                raise TypeError(f"{symbol}: a property that cannot be read")
            hints = _hints(member.fget, names)
            properties.append({
                "name": name,
                "type": type_record(hints.get("return", inspect.Signature.empty), names),
                "doc": parse_docstring(inspect.getdoc(member))["text"],
            })
        elif isinstance(member, (classmethod, staticmethod)):
            kind = "classmethod" if isinstance(member, classmethod) else "staticmethod"
            methods.append(_method_record(name, member.__func__, kind, names))
        elif inspect.isfunction(member):
            methods.append(_method_record(name, member, "instance", names))
    doc = parse_docstring(inspect.getdoc(cls))["text"]
    record = {"name": cls.__name__, "doc": doc, "properties": properties, "methods": methods}
    return {**record, "digest": digest(record)}


def _fields(cls: type, names: Mapping[str, type]) -> List[Dict[str, Any]]:
    """The fields of a dataclass, which are read like properties."""
    if not dataclasses.is_dataclass(cls):
        return []
    hints, docs = typing.get_type_hints(cls), parse_docstring(inspect.getdoc(cls))["args"]
    return [
        {"name": field.name, "type": type_record(hints[field.name], names), "doc": docs.get(field.name, "")}
        for field in dataclasses.fields(cls)
    ]


def _public_members(cls: type) -> List[Tuple[str, Any]]:
    """Members without a leading underscore, in the order of definition, bases first."""
    members: Dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        members.update((name, member) for name, member in vars(base).items() if not name.startswith("_"))
    return list(members.items())


def _method_record(
    name: str, function: Callable[..., Any], kind: str, names: Mapping[str, type]
) -> Dict[str, Any]:
    hints = _hints(function, names)
    doc = parse_docstring(inspect.getdoc(function))
    parameters = list(inspect.signature(function).parameters.values())
    if kind != "staticmethod":
        parameters = parameters[1:]
    return {
        "name": name,
        "kind": kind,
        "params": [_param_record(p, hints, names, doc["args"]) for p in parameters],
        "returns": type_record(hints.get("return", inspect.Signature.empty), names),
        "doc": {"text": doc["text"], "returns": doc["returns"], "raises": doc["raises"]},
    }


def _param_record(
    param: inspect.Parameter, hints: Mapping[str, Any], names: Mapping[str, type], docs: Mapping[str, str]
) -> Dict[str, Any]:
    record: Dict[str, Any] = {
        "name": param.name,
        "kind": param.kind.name.lower(),
        "type": type_record(hints.get(param.name, inspect.Parameter.empty), names),
        "doc": docs.get(param.name, docs.get("*" + param.name, docs.get("**" + param.name, ""))),
        "required": param.default is inspect.Parameter.empty,
    }
    if not record["required"]:
        # Shown to readers only: a caller sends what its user gave, so Python stays the one place of defaults.
        plain = param.default is None or isinstance(param.default, (bool, int, float, str))
        record["default" if plain else "default_text"] = param.default if plain else repr(param.default)
    return record


def _hints(function: Callable[..., Any], names: Mapping[str, type]) -> Dict[str, Any]:
    # Façades name each other under TYPE_CHECKING, so their names are offered here.
    return typing.get_type_hints(function, None, {**names, "Frame": Frame, "Data": Data, "Index": Index, "Text": Text})


def type_record(hint: Any, names: Mapping[str, type]) -> Dict[str, Any]:
    """An annotation as JSON: the types that can cross to another language, anything else as `unknown`."""
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if isinstance(hint, type) and names.get(hint.__name__) is hint:
        return {"type": "object", "class": hint.__name__}
    if isinstance(hint, type) and callable(getattr(hint, "from_mapping", None)):
        return {"type": "record", "class": hint.__name__}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union and len(args) == 2 and type(None) in args:
        inner = args[0] if args[1] is type(None) else args[1]
        return {"type": "optional", "of": type_record(inner, names)}
    if origin is typing.Literal and all(isinstance(choice, str) for choice in args):
        return {"type": "literal", "choices": list(args)}
    if origin in _SEQUENCES and len(args) == 1:
        return {"type": "list", "of": type_record(args[0], names)}
    if origin in _MAPPINGS and len(args) == 2 and args[0] is str:
        return {"type": "mapping", "of": type_record(args[1], names)}
    text = "no annotation" if hint is inspect.Parameter.empty else re.sub(r"\btyping\.", "", str(hint))
    return {"type": "unknown", "text": text}


def parse_docstring(doc: Optional[str]) -> Dict[str, Any]:
    """A Google-style docstring cut into `text`, `args`, `returns` and `raises`."""
    found: Dict[str, List[str]] = {"text": [], "args": [], "returns": [], "raises": []}
    section = "text"
    for line in (doc or "").splitlines():
        if line in _SECTIONS:
            section = _SECTIONS[line]
        elif section != "text" and line and not line[0].isspace():
            section = "text"
            found[section].append(line)
        else:
            found[section].append(line)
    return {
        "text": "\n".join(found["text"]).strip(),
        "args": _entries(found["args"]),
        "returns": " ".join(line.strip() for line in found["returns"]).strip(),
        "raises": _entries(found["raises"]),
    }


def _entries(lines: Sequence[str]) -> Dict[str, str]:
    """`name: text` entries; a line indented deeper than the first goes on with the entry before it."""
    entries: Dict[str, str] = {}
    current = ""
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    for line in lines:
        match = _ENTRY.match(line.strip())
        if match and len(line) - len(line.lstrip()) == indents[0]:
            current = match.group(1)
            entries[current] = match.group(2)
        elif current and line.strip():
            entries[current] = f"{entries[current]} {line.strip()}".strip()
    return entries


def main() -> None:
    """Print api.json: sorted keys, nothing that changes from one run to the next."""
    text = json.dumps(describe(), indent=1, sort_keys=True, ensure_ascii=False)
    sys.stdout.buffer.write(text.encode("utf-8") + b"\n")


if __name__ == "__main__":
    main()
