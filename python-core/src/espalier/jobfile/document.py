"""What a job file holds: plain values, and the place of each, which an error about it names."""

import os
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Tuple, Union

from espalier.base.errors import EspalierError
from espalier.base.model.codec import WRITTEN, Form, Wrong, shown

# The names and indices that lead to a value.
Way = Tuple[Union[str, int], ...]


class Place(NamedTuple):
    """Where something stands: in a file, or in a setting that was given beside it."""

    path: str
    line: int = 0
    column: int = 0
    setting: str = ""

    def __str__(self) -> str:
        path = self.path if self.path.isprintable() else ascii(self.path)
        if self.setting:
            return f"{path} with {shown(self.setting)} set"
        return f"{path}, line {self.line}, column {self.column}" if self.line else path


class Spot(NamedTuple):
    """Where the name of a value stands, and where the value."""

    name: Place
    value: Place


Places = Dict[Way, Spot]


class Word(str):
    """A word without quotes that can be a number or a logical. Its field decides whether it is that, or text."""

    meaning: Union[bool, int, float]

    def __new__(cls, text: str, meaning: Union[bool, int, float]) -> "Word":
        word = super().__new__(cls, text)
        word.meaning = meaning
        return word


def meaning(value: Any) -> Any:
    """A value with what is in it, words as YAML has them."""
    return _converted(value, lambda word: word.meaning)


def as_written(value: Any) -> Any:
    """A value with what is in it, words as they are written: what definitions of environments are read from."""
    return _converted(value, str)


def _converted(value: Any, convert: Callable[[Word], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _converted(item, convert) for name, item in value.items()}
    if isinstance(value, list):
        return [_converted(item, convert) for item in value]
    return convert(value) if isinstance(value, Word) else value


def _flag(value: Any) -> Any:
    if isinstance(meaning(value), bool):
        return meaning(value)
    raise Wrong("must be true or false", value)


WORDS = Form(
    {
        Any: meaning,
        str: lambda value: as_written(WRITTEN.plain[str](value)),
        int: lambda value: WRITTEN.plain[int](meaning(value)),
        float: lambda value: WRITTEN.plain[float](meaning(value)),
        bool: _flag,
    },
    is_closed=True, objects=dict, lists=list,
)  # fmt: skip


def bad_job(place: Place, problem: str, hint: str = "", field: str = "") -> EspalierError:
    """The error about something in a job file.

    Args:
        place: Where.
    """
    known: Dict[str, Any] = {"path": place.path, "problem": problem}
    if place.line:
        known.update(line=place.line, column=place.column)
    if field:
        known["field"] = field
    return EspalierError("bad_job_file", f"Can't read {place}: {problem}", hint, **known)


class Document:
    """What a file holds.

    Args:
        values: Its maps, lists, texts, words and nulls.
        places: Where they stand.
    """

    def __init__(self, path: str, values: Any, places: Places) -> None:
        self.path, self.values, self.places = path, values, places

    @property
    def folder(self) -> str:
        """The folder that relative paths begin at."""
        return os.path.dirname(os.path.abspath(self.path))

    def spot(self, way: Way) -> Tuple[Way, Spot]:
        """The innermost known place on a way, and the way there."""
        while way and way not in self.places:
            way = way[:-1]
        start = Place(self.path, 1, 1)
        return way, self.places.get(way, Spot(start, start))

    @contextmanager
    def at(self, *way: Union[str, int]) -> Iterator[None]:
        """Give errors about the value at the end of a way, or about what is in it, their place."""
        try:
            yield
        except Wrong as error:
            inner = (*way, *error.way)
            for name in reversed(way):
                error.below(name)
            found, (_, spot) = error.as_error("bad_job_file", "The job"), self.spot(inner)
            place = spot.name if error.is_name else spot.value
            raise bad_job(place, found.message, found.hint, error.field) from None
        except EspalierError as error:
            if error.code in ("bad_job_file", "newer_format"):
                raise
            inner, spot = self.spot((*way, *str(error.fields.get("field", "")).split(".")))
            place = spot.name if len(inner) > len(way) else spot.value
            raise bad_job(place, error.message, error.hint, ".".join(map(str, inner))) from None

    def get(self, *way: Union[str, int]) -> Any:
        """The value at the end of a way through maps; None where there is none."""
        value = self.values
        for name in way:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def read(self, hint: Any, *way: Union[str, int]) -> Any:
        """The value at the end of a way as one of a type. Raises EspalierError `bad_job_file`."""
        with self.at(*way):
            return WORDS.reader(hint)(self.get(*way))

    def part(self, *way: str) -> Dict[str, Any]:
        """The fields of a map that have a value; none where there is no map. Raises EspalierError `bad_job_file`."""
        fields = self.get(*way) or {}
        with self.at(*way):
            if not isinstance(fields, dict):
                raise Wrong("must be an object (named values)", fields)
        return {name: item for name, item in fields.items() if item is not None}

    def file(self, *way: str) -> str:
        """A path; a relative one begins at the file's folder. Raises EspalierError `bad_job_file`."""
        path = os.path.expanduser(self.read(str, *way))
        with self.at(*way):
            if not path or "\0" in path:
                raise Wrong("must be a path", path)
        return os.path.normpath(os.path.join(self.folder, path))

    def translated(self, values: Any, origins: Mapping[Way, Way]) -> "Document":
        """The same in other words.

        Args:
            origins: From where those come that aren't where they were.
        """
        moved = {new: self.places[old] for new, old in origins.items() if old in self.places}
        return Document(self.path, values, {**self.places, **moved})
