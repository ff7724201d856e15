"""YAML as nodes that know where they stand: maps, lists and single values, nothing else, and never very many."""

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

import yaml

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown

LARGEST = 1 << 20
DEEPEST = 24
# Values and names, all together: a second to read.
MOST = 20_000
# A whole number of more digits is beyond any number that a job could be given.
_LONGEST_NUMBER = 400
_NULL = ("", "~", "null", "Null", "NULL")
_LOGICAL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
WHOLE = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z", re.ASCII)
_DECIMAL = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
NUMBER = re.compile(rf"(?:{_DECIMAL}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z", re.ASCII)

Value = Union[None, bool, int, float, str]


class Place(NamedTuple):
    """Where something stands: in a file, or in a setting that was given beside it."""

    path: str
    line: int = 0
    column: int = 0
    setting: str = ""

    @property
    def folder(self) -> str:
        """The folder that relative paths begin at."""
        return os.path.dirname(os.path.abspath(self.path))

    def __str__(self) -> str:
        path = self.path if self.path.isprintable() else ascii(self.path)
        if self.setting:
            return f"{path} with {shown(self.setting)} set"
        return f"{path}, line {self.line}, column {self.column}" if self.line else path


@dataclass(frozen=True)
class Node:
    """A value.

    Args:
        content: A map, a list, or the value that a single word is where nothing else is known of it (YAML 1.2).
        place: Where it stands.
        text: How a single value is written, without quotes; None for maps and lists.
        key: Where its name stands.
    """

    content: Union[Value, List["Node"], Dict[str, "Node"]]
    place: Place
    text: Optional[str] = None
    key: Optional[Place] = None

    @property
    def fields(self) -> Optional[Dict[str, "Node"]]:
        """What is in a map; None if it isn't one."""
        return self.content if isinstance(self.content, dict) else None

    @property
    def items(self) -> Optional[List["Node"]]:
        """What is in a list; None if it isn't one."""
        return self.content if isinstance(self.content, list) else None


def bad_job(place: Place, problem: str, hint: str = "", field: str = "") -> EspalierError:
    """The error about something in a job file.

    Args:
        place: Where.
        problem: What is wrong, a sentence.
        hint: What to do.
        field: The field, with dots.
    """
    known: Dict[str, Any] = {"path": place.path, "problem": problem}
    if place.line:
        known.update(line=place.line, column=place.column)
    if field:
        known["field"] = field
    return EspalierError("bad_job_file", f"Can't read {place}: {problem}", hint, **known)


def read_nodes(text: str, path: str) -> Node:
    """The one document of a YAML text.

    Args:
        text: The YAML.
        path: The file, for messages.

    Raises:
        EspalierError: `bad_job_file` when it is none, is too large, too deep or too long, or has anchors, tags or a
            name twice.
    """
    if len(text) > LARGEST:
        raise bad_job(Place(path), f"it is larger than {LARGEST >> 20} MB.")
    try:
        return _document(_events(text, path), path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it isn't YAML")
        place = _place(mark, path) if mark is not None else _place_in(text, getattr(error, "position", None), path)
        raise bad_job(place, (problem if problem.isprintable() else ascii(problem)) + ".") from None


def _events(text: str, path: str) -> Iterator[Any]:
    """The parser's events, each once it is known to be harmless: what could grow without end is refused before."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        place = _place(event.start_mark, path)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise bad_job(place, "it is nested too deep.", f"A job needs no more than {DEEPEST} levels.")
        if count > MOST:
            raise bad_job(place, f"it has more than {MOST} values.", "Put long lists into a file that the job reads.")
        if getattr(event, "anchor", None) is not None:
            raise bad_job(place, "anchors and aliases aren't allowed.", "Write the values out.")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise bad_job(place, f"the tag {shown(tag)} isn't allowed.", "Leave it out.")
        yield event


def _document(events: Iterator[Any], path: str) -> Node:
    found: Optional[Node] = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent) and found is not None:
            raise bad_job(_place(event.start_mark, path), "a second document begins.", "A file has one job.")
        if isinstance(event, yaml.NodeEvent):
            found = _node(event, events, path)
    return found if found is not None else Node(None, Place(path, 1, 1), "")


def _node(event: Any, events: Iterator[Any], path: str) -> Node:
    place = _place(event.start_mark, path)
    if isinstance(event, yaml.MappingStartEvent):
        return Node(_map(events, path), place)
    if isinstance(event, yaml.SequenceStartEvent):
        return Node([_node(item, events, path) for item in _until_end(events)], place)
    text = checked_text(event.value, place)
    return Node(plain_value(text, place) if event.implicit[0] else text, place, text)


def _until_end(events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event


def _map(events: Iterator[Any], path: str) -> Dict[str, Node]:
    found: Dict[str, Node] = {}
    for event in _until_end(events):
        place = _place(event.start_mark, path)
        if not isinstance(event, yaml.ScalarEvent):
            raise bad_job(place, "a name is a map or a list.", "Names are text.")
        name = checked_text(event.value, place)
        first = found.get(name)
        if first is not None and first.key is not None:
            raise bad_job(place, f"{shown(name)} is there twice, first in line {first.key.line}.", "Leave one out.")
        node = _node(next(events), events, path)
        found[name] = Node(node.content, node.place, node.text, place)
    return found


def checked_text(text: str, place: Place) -> str:
    """A text, once it is known to have no half of a character, which can be written as `"\\uD800"`."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise bad_job(place, f"the text {shown(text)} isn't Unicode.", "Leave the odd characters out.") from None
    return text


def plain_value(word: str, place: Place) -> Value:
    """What a word without quotes is, by the rules of YAML 1.2: editors and other programs read it so.

    Args:
        word: The word.
        place: Where it stands.

    Raises:
        EspalierError: `bad_job_file` for a number that no program could hold.
    """
    if word in _NULL:
        return None
    if word in _LOGICAL:
        return _LOGICAL[word]
    if not NUMBER.match(word) and not WHOLE.match(word):
        return word
    if len(word) > _LONGEST_NUMBER:
        raise bad_job(place, f"a number has {len(word)} characters.", "Quote it, to have it as text.")
    if WHOLE.match(word):
        return int(word, {"0o": 8, "0x": 16}.get(word[:2], 10))
    number = float(word.replace(".inf", "inf").replace(".nan", "nan")) if word[-1] in "fFnN" else float(word)
    if abs(number) == float("inf") and word[-1] not in "fF":
        raise bad_job(place, f"the number {word} is too large.", "Quote it, to have it as text.")
    return number


def node_of(value: Any, place: Place) -> Node:
    """The node of a plain value, as R and Python have them.

    Args:
        value: The value; maps and lists may hold others.
        place: Where it is said to stand.

    Raises:
        EspalierError: `bad_argument`.
    """
    if isinstance(value, dict):
        return Node({str(name): node_of(item, place) for name, item in value.items()}, place, key=place)
    if isinstance(value, (list, tuple)):
        return Node([node_of(item, place) for item in value], place, key=place)
    if value is None or isinstance(value, (bool, int, float, str)):
        return Node(value, place, checked_text(_text(value), place), place)
    message = f"{shown(place.setting)} can't be set to an object of type {type(value).__name__}."
    raise EspalierError("bad_argument", message, "Give text, a number, a logical, or a list of them.")


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # (R's 5 is a double)
        return str(int(value))
    return "" if value is None else str(value)


def _place(mark: Any, path: str) -> Place:
    return Place(path, mark.line + 1, mark.column + 1)


def _place_in(text: str, position: Optional[int], path: str) -> Place:
    """The place of a character, for errors of the reader, which have no mark."""
    if position is None:
        return Place(path)
    before: Tuple[str, str, str] = text[:position].rpartition("\n")
    return Place(path, text.count("\n", 0, position) + 1, len(before[2]) + 1)
