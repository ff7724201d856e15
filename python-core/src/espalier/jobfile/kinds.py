"""The kinds of fields a job file has: how each is read from a node, and its JSON Schema."""

import os
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.jobfile.near import unknown_name
from espalier.jobfile.reader import Node, bad_job

Schema = Dict[str, Any]


class Kind(NamedTuple):
    """One kind of field.

    Args:
        read: What a node holds, given the field's name with dots.
        schema: Its JSON Schema.
    """

    read: Callable[[Node, str], Any]
    schema: Schema


def misfit(node: Node, where: str, wanted: str, hint: str = "") -> EspalierError:
    """The error about a value of the wrong kind.

    Args:
        wanted: What it has to be, `a whole number`.
    """
    if node.fields is not None or node.items is not None:
        found = "a map" if node.fields is not None else "a list"
    else:
        found = "null" if node.content is None else shown(node.text)
    return bad_job(node.place, f"`{where}` must be {wanted}, not {found}.", hint, where)


def text_of(node: Node, where: str) -> str:
    """A text: a word as it is written, also where it looks like a number."""
    if node.text is None or node.content is None:
        raise misfit(node, where, "text")
    return node.text


def flag_of(node: Node, where: str) -> bool:
    """True or false."""
    if isinstance(node.content, bool):
        return node.content
    raise misfit(node, where, "true or false")


def number_of(node: Node, where: str) -> Any:
    """A number, whole or not."""
    if isinstance(node.content, (int, float)) and not isinstance(node.content, bool):
        return node.content
    raise misfit(node, where, "a number")


def whole_of(node: Node, where: str) -> int:
    """A whole number; R's are doubles."""
    value = node.content
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise misfit(node, where, "a whole number")


def size_of(node: Node, where: str) -> Any:
    """A size: a number of bytes, or text such as `4 GB`."""
    is_number = isinstance(node.content, (int, float)) and not isinstance(node.content, bool)
    return number_of(node, where) if is_number else text_of(node, where)


def texts_of(node: Node, where: str) -> List[str]:
    """A list of texts."""
    if node.items is None:
        raise misfit(node, where, "a list of text")
    return [text_of(item, f"{where}[{at}]") for at, item in enumerate(node.items)]


def anything_of(node: Node) -> Any:
    """A value with what is in it, as YAML has it."""
    if node.fields is not None:
        return {name: anything_of(item) for name, item in node.fields.items()}
    return [anything_of(item) for item in node.items] if node.items is not None else node.content


def all_text_of(node: Node) -> Any:
    """A value with what is in it, words as they are written: what definitions of environments are read from."""
    if node.fields is not None:
        return {name: all_text_of(item) for name, item in node.fields.items()}
    if node.items is not None:
        return [all_text_of(item) for item in node.items]
    return None if node.content is None else node.text


def map_of(node: Node, where: str, wanted: str = "named values") -> Dict[str, Node]:
    """The named nodes of a map."""
    if node.fields is None:
        raise misfit(node, where, wanted)
    return node.fields


def record_of(node: Node, where: str, kinds: Mapping[str, Kind]) -> Dict[str, Any]:
    """A map of known fields, without those that are null."""
    found = {}
    for name, item in map_of(node, where).items():
        if name not in kinds:
            raise unknown_name(item, where, name, kinds)
        if item.content is not None:
            found[name] = kinds[name].read(item, f"{where}.{name}")
    return found


def path_of(node: Node, where: str) -> str:
    """A path; a relative one begins at the file's folder."""
    path = os.path.expanduser(text_of(node, where))
    if not path or "\0" in path:
        raise misfit(node, where, "a path")
    return os.path.normpath(os.path.join(node.place.folder, path))


def program_of(node: Node, where: str) -> str:
    """The path of a program, or its name alone."""
    name = text_of(node, where)
    return path_of(node, where) if os.sep in name or name.startswith("~") else name


def param_of(node: Node, where: str) -> Any:
    """A parameter: a value, a list of values, or null for a flag."""
    if node.fields is not None:
        raise misfit(node, where, "a value, or a list of values")
    if node.items is None:
        return node.content
    wrong = next((item for item in node.items if item.text is None), None)
    if wrong is not None:
        raise misfit(wrong, where, "a value, or a list of values")
    return [item.content for item in node.items]


def named(kind: Kind) -> Kind:
    """Values of one kind by name."""

    def read(node: Node, where: str) -> Dict[str, Any]:
        return {name: kind.read(item, f"{where}.{name}") for name, item in map_of(node, where).items()}

    return Kind(read, {"type": "object", "additionalProperties": kind.schema})


def record(kinds: Mapping[str, Kind]) -> Kind:
    """Known fields by name."""
    fields = {name: or_null(kind.schema) for name, kind in kinds.items()}
    schema = {"type": "object", "properties": fields, "additionalProperties": False}
    return Kind(lambda node, where: record_of(node, where, kinds), schema)


def choice(*words: str) -> Kind:
    """One of some words."""

    def read(node: Node, where: str) -> str:
        if node.text in words:
            return text_of(node, where)
        raise misfit(node, where, "one of " + ", ".join(words))

    return Kind(read, {"enum": list(words)})


def either(lone: Kind, several: Kind, is_lone: Optional[Callable[[Node], bool]] = None) -> Kind:
    """A single value, or a list or map."""

    def read(node: Node, where: str) -> Any:
        is_single = node.text is not None if is_lone is None else is_lone(node)
        return (lone if is_single else several).read(node, where)

    return Kind(read, {"anyOf": [lone.schema, several.schema]})


def or_null(schema: Schema) -> Schema:
    """The same, or null, which stands for nothing said."""
    return {"anyOf": [schema, {"type": "null"}]}


_WORD: Schema = {"type": ["string", "number", "boolean"]}
TEXT = Kind(text_of, _WORD)
FLAG = Kind(flag_of, {"type": "boolean"})
WHOLE = Kind(whole_of, {"type": "integer"})
NUMBER = Kind(number_of, {"type": "number"})
SIZE = Kind(size_of, {"type": ["string", "number"]})
TEXTS = Kind(texts_of, {"type": "array", "items": _WORD})
PATH = Kind(path_of, {"type": "string"})
PROGRAM = Kind(program_of, {"type": "string"})
_PARAM: Schema = {"type": ["string", "number", "boolean", "null"]}
PARAMS = named(Kind(param_of, {"anyOf": [_PARAM, {"type": "array", "items": _PARAM}]}))
