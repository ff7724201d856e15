"""`python -m espalier.api.describe` writes the catalogue of operations: `api.json`, and its table for people.

R's classes, the command line, HTTP routes, and the list of what jobs may ask for come from it. Everything comes from
declarations (`base/operation.py`), signatures, annotations, defaults and docstrings; a type is never guessed from
prose. An annotation outside the list in `type_record` is written as `{"type": "unknown"}`, and a generator must refuse
it by name.
"""

import dataclasses
import importlib
import importlib.util
import inspect
import json
import re
import sys
import typing
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from espalier.base.canonical import digest
from espalier.base.operation import Operation
from espalier.base.types import Data, Frame, Index, Text
from espalier.rooms import ROOMS
from espalier.workspace.handle import WorkspaceHandle

# The façades of this room, and of rooms below. A later system declares its own in `<room>/api.py`.
_FACADES = {
    "Workspace": "espalier.api.workspace",
    "Experiments": "espalier.api.experiments",
    "Experiment": "espalier.api.experiment",
    "Runs": "espalier.api.runs",
    "Run": "espalier.api.run",
    "Jobs": "espalier.api.jobs",
    "Environments": "espalier.api.environments",
    "Environment": "espalier.environment.definition",
    "Images": "espalier.api.images",
    "Snapshots": "espalier.api.snapshots",
    "Keyvault": "espalier.api.keyvault",
    "Datastore": "espalier.api.datastore",
    "Host": "espalier.api.host",
}

_FOR_PYTHON = Operation("", long=False, in_job=False, command="")
_SCALARS: Dict[Any, str] = {
    type(None): "none", bool: "bool", int: "int", float: "float", str: "str", Any: "json",
    Frame: "frame", Data: "data", Index: "index", Text: "str",
}
_SEQUENCES = (list, typing.get_origin(typing.Sequence[int]), typing.get_origin(typing.Iterable[int]))
_MAPPINGS = (dict, typing.get_origin(typing.Mapping[str, int]))
_SECTIONS = {"Args:": "args", "Returns:": "returns", "Raises:": "raises"}
_ENTRY = re.compile(r"(\*{0,2}\w+)(?:\s*\([^)]*\))?:\s*(.*)")


def describe(classes: Optional[Sequence[type]] = None, *, undeclared: bool = False) -> Dict[str, Any]:
    """The public API of the façades.

    Args:
        classes: The classes to describe; by default espalier's own façades.
        undeclared: Whether to describe methods too that are for Python alone.

    Returns:
        A JSON value: `format` and `classes`, each with its doc, properties, methods, and the digest of these.
    """
    classes = list(facades()) if classes is None else classes
    names = {cls.__name__: cls for cls in classes}
    return {"format": 2, "classes": [_class_record(cls, names, undeclared) for cls in classes]}


def facades() -> Iterator[type]:
    """The façades of all rooms."""
    for name, module in _FACADES.items():
        yield getattr(importlib.import_module(module), name)
    for room in ROOMS:
        name = f"espalier.{room}.api"
        if importlib.util.find_spec(name) is not None:
            for value in vars(importlib.import_module(name)).values():
                if isinstance(value, type) and value.__module__ == name and hasattr(value, "NOUN"):
                    yield value


def _class_record(cls: type, names: Mapping[str, type], undeclared: bool) -> Dict[str, Any]:
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
        else:
            function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            declared = getattr(function, "__operation__", _FOR_PYTHON if undeclared else None)
            if declared is not None and inspect.isfunction(function):
                kind = type(member).__name__ if function is not member else "instance"
                methods.append(_method_record(name, function, kind, names, declared))
    doc = parse_docstring(inspect.getdoc(cls))["text"]
    properties += _nouns(names) if cls.__name__ == "Workspace" else []
    record = {
        "name": cls.__name__,
        "module": cls.__module__,
        "noun": getattr(cls, "NOUN", ""),
        "in_workspace": _is_noun(cls),
        "doc": doc,
        "properties": properties,
        "methods": methods,
    }
    return {**record, "digest": digest(record)}


def _nouns(names: Mapping[str, type]) -> List[Dict[str, Any]]:
    """The nouns of a workspace, `ws.runs`, as properties of it."""
    return [
        {
            "name": cls.NOUN,  # type: ignore[attr-defined]
            "is_noun": True,
            "type": {"type": "object", "class": name},
            "doc": parse_docstring(inspect.getdoc(cls))["text"],
        }
        for name, cls in names.items()
        if _is_noun(cls)
    ]


def _is_noun(cls: type) -> bool:
    return issubclass(cls, WorkspaceHandle) and cls.NOUN != "workspace"


def _fields(cls: type, names: Mapping[str, type]) -> List[Dict[str, Any]]:
    """The fields of a dataclass, which are read like properties; those that can cross to another language."""
    if not dataclasses.is_dataclass(cls):
        return []
    hints, docs = typing.get_type_hints(cls), parse_docstring(inspect.getdoc(cls))["args"]
    types = {field.name: type_record(hints[field.name], names) for field in dataclasses.fields(cls)}
    return [
        {"name": name, "type": type_, "doc": docs.get(name, "")}
        for name, type_ in types.items()
        if type_["type"] != "optional" or type_["of"]["type"] != "unknown"
    ]


def _public_members(cls: type) -> List[Tuple[str, Any]]:
    """Members without a leading underscore, in the order of definition, bases first."""
    members: Dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        members.update((name, member) for name, member in vars(base).items() if not name.startswith("_"))
    return list(members.items())


def _method_record(
    name: str, function: Callable[..., Any], kind: str, names: Mapping[str, type], declared: Operation
) -> Dict[str, Any]:
    hints = _hints(function, names)
    doc = parse_docstring(inspect.getdoc(function))
    parameters = list(inspect.signature(function).parameters.values())
    if kind != "staticmethod":
        parameters = parameters[1:]
    return {
        **declared._asdict(),
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
    if origin is typing.Union and callable(getattr(args[0], "from_mapping", None)):
        return type_record(args[-1], names)  # (a record, or its fields)
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


def as_text(description: Mapping[str, Any]) -> str:
    """`api.json`: sorted keys, an operation a line, nothing that changes from one run to the next."""
    classes = [_class_text(record) for record in description["classes"]]
    return f'{{"format": {description["format"]}, "classes": [\n' + ",\n".join(classes) + "\n]}\n"


def _class_text(record: Mapping[str, Any]) -> str:
    lines = {name: ",\n  ".join(map(_json, record[name])) for name in ("properties", "methods")}
    others = {name: value for name, value in record.items() if name not in lines}
    blocks = [f' "{name}": [\n  {text}\n ]' for name, text in lines.items()]
    return ",\n".join([_json(others)[:-1], *blocks]) + "\n}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def as_table(description: Mapping[str, Any]) -> str:
    """The operations as a page of Markdown."""
    lines = [
        "# Operations", "",
        "Each operation is declared once, in the core. `make generate` writes this page from the declarations.", "",
        "A command takes the workspace from `--workspace`, and HTTP paths begin at it. A job may ask for the",
        "operations marked with *yes*, about its own run and the runs below it.", "",
        "| Python | R | command line | HTTP | jobs |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for record in description["classes"]:
        for method in record["methods"]:
            owner = f"ws.{record['noun']}" if record["in_workspace"] else record["name"]
            command = f"`espalier {record['noun']} {method['command']}`" if method["command"] else ""
            in_r = f"`{record['name']}${method['name']}()`" if method["kind"] == "instance" else ""
            route, in_job = f"`{method['route']}`", "yes" * method["in_job"]
            cells = [f"`{owner}.{method['name']}()`", in_r, command, route, in_job]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print `api.json`, or with `--table` its page for people."""
    text = as_table(describe()) if "--table" in sys.argv[1:] else as_text(describe())
    sys.stdout.buffer.write(text.encode("utf-8"))


if __name__ == "__main__":
    main()
