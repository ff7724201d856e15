"""YAML as plain values, and where each stands: maps, lists and single values, nothing else, and never very many."""

import re
from typing import Any, Dict, Iterator, Optional, Union

import yaml

from espalier.base.model.codec import shown
from espalier.jobfile.document import Document, Place, Places, Spot, Way, Word, bad_job

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


def read_document(text: str, path: str) -> Document:
    """The one document of a YAML text.

    Raises:
        EspalierError: `bad_job_file` when it is none, is too large, too deep or too long, or has anchors, tags or a
            name twice.
    """
    if len(text) > LARGEST:
        raise bad_job(Place(path), f"it is larger than {LARGEST >> 20} MB.")
    try:
        return _Reader(text, path).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it isn't YAML")
        place = _place(mark, path) if mark is not None else _place_in(text, getattr(error, "position", None), path)
        raise bad_job(place, (problem if problem.isprintable() else ascii(problem)) + ".") from None


class _Reader:
    """Makes a document of the parser's events."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.events = self.harmless(text)
        self.places: Places = {}

    def harmless(self, text: str) -> Iterator[Any]:
        """The events, each once it is known to be harmless: what could grow without end is refused before."""
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            place = _place(event.start_mark, self.path)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise bad_job(place, "it is nested too deep.", f"A job needs no more than {DEEPEST} levels.")
            if count > MOST:
                hint = "Put long lists into a file that the job reads."
                raise bad_job(place, f"it has more than {MOST} values.", hint)
            if getattr(event, "anchor", None) is not None:
                raise bad_job(place, "anchors and aliases aren't allowed.", "Write the values out.")
            tag = getattr(event, "tag", None)
            if tag is not None:
                raise bad_job(place, f"the tag {shown(tag)} isn't allowed.", "Leave it out.")
            yield event

    def document(self) -> Document:
        values = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent) and self.places:
                raise bad_job(_place(event.start_mark, self.path), "a second document begins.", "A file has one job.")
            if isinstance(event, yaml.NodeEvent):
                values = self.value(event, ())
        return Document(self.path, values, self.places)

    def value(self, event: Any, way: Way, name: Optional[Place] = None) -> Any:
        place = _place(event.start_mark, self.path)
        self.places[way] = Spot(name or place, place)
        if isinstance(event, yaml.MappingStartEvent):
            return self.fields(way)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self.value(item, (*way, at)) for at, item in enumerate(self.until_end())]
        text = checked_text(event.value, place)
        return plain_value(text, place) if event.implicit[0] else text

    def fields(self, way: Way) -> Dict[str, Any]:
        found: Dict[str, Any] = {}
        for event in self.until_end():
            place = _place(event.start_mark, self.path)
            if not isinstance(event, yaml.ScalarEvent):
                raise bad_job(place, "a name is a map or a list.", "Names are text.")
            name = checked_text(event.value, place)
            inner = (*way, name)
            if name in found:
                line = self.places[inner].name.line
                raise bad_job(place, f"{shown(name)} stands twice, first in line {line}.", "Leave one out.")
            found[name] = self.value(next(self.events), inner, place)
        return found

    def until_end(self) -> Iterator[Any]:
        for event in self.events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield event


def checked_text(text: str, place: Place) -> str:
    """A text, once it is known to have no half of a character, which can be written as `"\\uD800"`."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise bad_job(place, f"the text {shown(text)} isn't Unicode.", "Leave the odd characters out.") from None
    return text


def plain_value(word: str, place: Place) -> Union[str, Word, None]:
    """What a word without quotes is, by the rules of YAML 1.2: editors and other programs read it so.

    Args:
        place: Where it stands.

    Raises:
        EspalierError: `bad_job_file` for a number that no program could hold.
    """
    if word in _NULL:
        return None
    if word in _LOGICAL:
        return Word(word, _LOGICAL[word])
    if not NUMBER.match(word) and not WHOLE.match(word):
        return word
    if len(word) > _LONGEST_NUMBER:
        raise bad_job(place, f"a number has {len(word)} characters.", "Quote it, to have it as text.")
    if WHOLE.match(word):
        return Word(word, int(word, {"0o": 8, "0x": 16}.get(word[:2], 10)))
    number = float(word.replace(".inf", "inf").replace(".nan", "nan")) if word[-1] in "fFnN" else float(word)
    if abs(number) == float("inf") and word[-1] not in "fF":
        raise bad_job(place, f"the number {word} is too large.", "Quote it, to have it as text.")
    return Word(word, number)


def _place(mark: Any, path: str) -> Place:
    return Place(path, mark.line + 1, mark.column + 1)


def _place_in(text: str, position: Optional[int], path: str) -> Place:
    """The place of a character, for errors of the reader, which have no mark."""
    if position is None:
        return Place(path)
    return Place(path, text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))
