"""Values that replace those of a file: `params.trees=500`, as `--set` has them. Their types are those of the fields."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.jobfile.reader import DEEPEST, Node, Place, bad_job, checked_text, node_of, plain_value, read_nodes

_NAMES = "Names have dots between them: params.trees=500."
# Below these, all that follows is one name, dots and all.
_BY_NAME = ("params", "tags", "environment_variables", "outputs", "environmentVariables")


def with_settings(node: Node, texts: Sequence[str], values: Mapping[str, Any]) -> Node:
    """A file's content with some values replaced.

    Args:
        node: The content.
        texts: Each `name=value`, with dots between names. The value is what it would be in the file without quotes; one
            that begins with a quote, `[` or `{` is read as YAML.
        values: Values by such names.

    Raises:
        EspalierError: `bad_argument`, `bad_job_file`.
    """
    path = node.place.path
    new = [(name, _node_of_text(text, Place(path, setting=name))) for name, text in map(_split, texts)]
    new += [(name, node_of(value, Place(path, setting=name))) for name, value in values.items()]
    for name, item in new:
        names = name.split(".", DEEPEST)
        if not all(names):
            raise EspalierError("bad_argument", f"{shown(name)} can't be set: it isn't the name of a field.", _NAMES)
        node = _replaced(node, names, item, item.place)
    return node


def _split(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise EspalierError("bad_argument", f"A setting must be written name=value, not {shown(text)}.", _NAMES)
    return name.strip(), value


def _node_of_text(text: str, place: Place) -> Node:
    if text[:1] in ("[", "{", '"', "'"):
        try:
            return _moved(read_nodes(text, ""), place)
        except EspalierError as error:
            raise bad_job(place, error.fields["problem"], error.hint) from None
    return Node(plain_value(checked_text(text, place), place), place, text, place)


def _moved(node: Node, place: Place) -> Node:
    """The same, as if all of it stood at one place."""
    content = node.content
    if isinstance(content, dict):
        content = {name: _moved(item, place) for name, item in content.items()}
    elif isinstance(content, list):
        content = [_moved(item, place) for item in content]
    return Node(content, place, node.text, place)


def _replaced(node: Node, names: List[str], new: Node, place: Place) -> Node:
    """A node with another value at the end of a way through it; maps that aren't there are made."""
    if not names:
        return new
    if node.items is not None and names[0].isdecimal() and int(names[0]) < len(node.items):
        items = list(node.items)
        items[int(names[0])] = _replaced(items[int(names[0])], names[1:], new, place)
        return Node(items, node.place, key=node.key)
    # (a single value gives way to the map that is asked for)
    fields: Dict[str, Node] = dict(node.fields or {})
    name, rest = names[0], names[1:]
    if name in _BY_NAME and rest:
        rest = [".".join(rest)]
    inner = fields.get(name, Node(None, place, "", place))
    fields[name] = _replaced(inner, rest, new, place)
    return Node(fields, node.place, key=node.key)
