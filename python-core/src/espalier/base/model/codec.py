"""Records as typed values, and back: the one decoder, of what lies in JSON files and of what people write.

A class is a `Record`, or a data class, whose annotations are built of `str`, `int`, `float`, `bool`, `Optional`,
`Tuple[X, ...]`, `Sequence[X]`, `Mapping[str, X]`, `Any` and other such classes. One whose records aren't objects has
the methods `read`, `record` and `schema`. A field that is absent or null has its default.

A stored record (`decode`) may have been written by a newer espalier: fields that a class doesn't have are kept in its
field `more`, if it has one, else ignored. In what a person wrote (`checked`) that field is a mistake. A number may
stand there for text, and `yes` for true.
"""

import json
from collections import abc
from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence, Tuple, Type, TypeVar, Union

from espalier.base.errors import EspalierError
from espalier.base.model.record import Record, shape
from espalier.base.records import read_record

_T = TypeVar("_T")
_Reader = Callable[[Any], Any]
_INFINITE = float("inf")
_LEAVES = frozenset((str, int, float, bool, type(None)))
_OBJECT = "must be an object (named values)"
# The field that holds what a newer espalier wrote.
MORE = "more"


class Wrong(Exception):
    """A value that isn't what its field has to hold.

    Args:
        what: What is wrong, the end of a sentence that begins with the field: `must be text`.
        given: The value, if the sentence shows it.
        hint: What to do.
        near: The field that may be meant.
    """

    def __init__(self, what: str, *given: Any, hint: str = "", near: str = "") -> None:
        super().__init__(what)
        self.what, self.given, self.hint, self.near, self.field = what, given, hint, near, ""
        # The names and indices that lead to the value, and whether the last name is what is wrong, not its value.
        self.way: Tuple[Any, ...] = ()
        self.is_name = False

    def __str__(self) -> str:
        return f"{self.field} {self.what}".strip()

    def below(self, name: object) -> "Wrong":
        """The same, seen from the record that the field stands in."""
        place = _plain_name(name)
        self.field = f"{place}.{self.field}" if self.field else place
        self.near = self.near and f"{place}.{self.near}"
        self.way = (name, *self.way)
        return self

    def named(self, name: object) -> "Wrong":
        """The same about the name of a field."""
        self.is_name = True
        return self.below(name)

    def as_error(self, code: str, whole: str = "") -> EspalierError:
        """The same as an error about what a person wrote.

        Args:
            whole: What was written, for messages about all of it.
        """
        given = f", not {shown(self.given[0])}" if self.given else ""
        hint = f"Did you mean {self.near}?" if self.near else self.hint
        return EspalierError(code, f"{self.field or whole} {self.what}{given}.", hint, field=self.field or whole)


def shown(value: object) -> str:
    """A value for a message: one line, not long, nothing but ASCII."""
    if value is None or isinstance(value, (bool, float)):
        return json.dumps(value)
    noun = "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
    text = ascii(value) if isinstance(value, (str, int)) else noun
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def _plain_name(name: object) -> str:
    return name if isinstance(name, str) and name.isascii() and name.isprintable() and len(name) <= 60 else shown(name)


def decode(cls: Type[_T], record: object) -> _T:
    """A value of a class from a stored record.

    Raises:
        Wrong: a field is missing or of another type.
    """
    return _decode(cls, record, _STORED)


def decode_written(cls: Type[_T], values: object) -> _T:
    """A value of a class from what a person wrote.

    Raises:
        Wrong: a field is missing, unknown or of another type.
    """
    return _decode(cls, values, WRITTEN)


def checked(cls: Type[_T], values: object, code: str, *, where: str = "", whole: str = "") -> _T:
    """A value of a class from what a person wrote.

    Args:
        code: Of the error.
        where: The field that it stands in.
        whole: See `Wrong.as_error`.

    Raises:
        EspalierError: a field is missing, unknown or of another type.
    """
    try:
        return decode_written(cls, values)
    except Wrong as error:
        raise (error.below(where) if where else error).as_error(code, whole) from None


def given_fields(cls: type, values: object, *, where: str = "") -> Dict[str, Any]:
    """The fields of a class that a person gave values, which its constructor checks.

    Args:
        where: See `checked`.

    Raises:
        EspalierError: `bad_argument`: the class doesn't have that field.
    """
    try:
        if not isinstance(values, abc.Mapping):
            raise Wrong(_OBJECT, values)
        refuse_unknown(values, shape(cls)[0])
    except Wrong as error:
        raise (error.below(where) if where else error).as_error("bad_argument", "The argument") from None
    return {name: value for name, value in values.items() if value is not None}


def _decode(cls: Type[_T], record: Any, form: "Form") -> _T:
    if not isinstance(record, form.objects):
        raise Wrong(_OBJECT, record)
    known, needed = form.known.get(cls) or form.readers_of(cls)
    if form.is_closed:
        refuse_unknown(record, known)
    values = {}
    for name, value in record.items():
        if value is not None and name in known:
            try:
                values[name] = known[name](value)
            except Wrong as error:
                if not getattr(cls, "_is_lenient", False):
                    raise error.below(name) from None
    for name in needed:
        if name not in values:
            raise Wrong("is missing").below(name)
    if MORE in known and len(record) > len(values):
        values[MORE] = {name: value for name, value in record.items() if name not in known}
    return cls(**values)


def refuse_unknown(given: Mapping[Any, Any], known: Iterable[str]) -> None:
    """Refuses fields other than those that are known.

    Raises:
        Wrong: There is one.
    """
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        import difflib

        error = Wrong("isn't a known field", hint=f"The fields are {', '.join(known)}.").named(unknown)
        error.near = next(iter(difflib.get_close_matches(str(unknown)[:60], known, 1)), "")
        raise error


def encode(value: Any) -> Any:
    """Plain JSON of a value. What it keeps for a newer espalier is written as it was; a field that its class names in
    `absent()` isn't written where it is None. A class whose record differs from its fields has a method `record`."""
    if type(value) in _LEAVES:  # (most are, and what follows takes ten times as long)
        return value
    if isinstance(value, Record):
        return value.record() if hasattr(value, "record") else _encoded(value)
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, dict):  # (of `Mapping` that would take twenty times as long to ask, of each text and number)
        return {name: encode(item) for name, item in value.items()}
    return _encoded(value) if hasattr(value, "__dataclass_fields__") else value


def _encoded(value: Any) -> Dict[str, Any]:
    absent = value.absent() if hasattr(value, "absent") else ()
    is_record = isinstance(value, Record)
    pairs = value._asdict() if is_record else {name: getattr(value, name) for name in shape(type(value))[0]}
    leaves = _LEAVES
    record = {
        name: item if type(item) in leaves else encode(item)
        for name, item in pairs.items()
        if not (item is None and name in absent)
    }
    record.update(record.pop(MORE, {}))
    return record


def sparse(value: Record, *always: str) -> Dict[str, Any]:
    """The record of a value without the fields that are as by default.

    Args:
        always: Fields that are written all the same, before the others.
    """
    defaults, fields = value._field_defaults, value._asdict()
    changed = (name for name, field in fields.items() if name not in defaults or field != defaults[name])
    record = {name: encode(fields[name]) for name in (*always, *changed)}
    record.update(record.pop(MORE, {}))
    return record


def short(value: Any) -> Any:
    """Plain JSON of a value for people: without the fields, at any depth, that are as by default."""
    if isinstance(value, tuple):
        return [short(item) for item in value]
    if not isinstance(value, Record) and not hasattr(value, "__dataclass_fields__"):
        return encode(value)
    types, defaults = shape(type(value))
    given = {name: getattr(value, name) for name in types}
    return {name: short(item) for name, item in given.items() if name not in defaults or item != defaults[name]}


def read_as(cls: Type[_T], path: str) -> _T:
    """Read a record.

    Raises:
        FileNotFoundError: it does not exist.
        EspalierError: `damaged`, `newer_format`.
    """
    return decoded(cls, path, read_record(path))


def decoded(cls: Type[_T], path: str, record: Mapping[str, Any]) -> _T:
    """A record that was read.

    Args:
        path: Where.
        record: Its content.

    Raises:
        EspalierError: `damaged`.
    """
    try:
        return decode(cls, record)
    except Wrong as error:
        message = f"Can't read {path}: its field `{error.field}` {error.what}."
        raise EspalierError("damaged", message, "Restore the file from a backup.", path=path) from error


class Form:
    """How values are written.

    Args:
        plain: What reads those of plain types.
        is_closed: Whether a field that a class doesn't have is a mistake.
        objects, lists: The classes of objects and lists.
    """

    def __init__(self, plain: Dict[Any, _Reader], *, is_closed: bool, objects: Any, lists: Any) -> None:
        self.plain, self.is_closed, self.objects, self.lists = plain, is_closed, objects, lists
        self.known: Dict[type, Tuple[Dict[str, _Reader], Tuple[str, ...]]] = {}

    def readers_of(self, cls: type) -> Tuple[Dict[str, _Reader], Tuple[str, ...]]:
        """What reads each field of a class, and which of them are needed."""
        types, defaults = shape(cls)
        needed = tuple(name for name in types if name not in defaults)
        self.known[cls] = {name: self.reader(hint) for name, hint in types.items()}, needed
        return self.known[cls]

    def reader(self, hint: Any) -> _Reader:
        """What reads values of a type, which is never null."""
        if hint in self.plain:
            return self.plain[hint]
        origin = getattr(hint, "__origin__", None)
        args: Tuple[Any, ...] = getattr(hint, "__args__", ())
        if origin is Union:  # (null never comes here)
            return self.union_reader([self.reader(arg) for arg in args if arg is not type(None)])
        if origin in (tuple, abc.Sequence):
            return self.list_reader(self.reader(args[0]))
        if origin is not None:
            return self.mapping_reader(self.reader(args[1]))
        if hasattr(hint, "read"):
            return hint.read  # type: ignore[no-any-return]
        return lambda value: _decode(hint, value, self)

    @staticmethod
    def union_reader(readers: Sequence[_Reader]) -> _Reader:
        """What reads a value of one of several types: the first that takes it, else the error from furthest inside."""

        def read_first(value: Any) -> Any:
            errors = []
            for read in readers:
                try:
                    return read(value)
                except Wrong as error:
                    errors.append(error)
            raise max(errors, key=lambda error: len(error.way))

        return read_first if len(readers) > 1 else readers[0]

    def list_reader(self, read: _Reader) -> _Reader:
        def read_list(value: Any) -> Any:
            if not isinstance(value, self.lists):
                raise Wrong("must be a list", value)
            found: List[Any] = []
            try:
                for item in value:
                    found.append(read(item))
            except Wrong as error:
                error.way = (len(found), *error.way)
                raise
            return tuple(found)

        return read_list

    def mapping_reader(self, read: _Reader) -> _Reader:
        def read_mapping(value: Any) -> Any:
            if not isinstance(value, self.objects):
                raise Wrong(_OBJECT, value)
            if read is _as_it_is:
                return value
            return {self.name(name): self.item(name, read, item) for name, item in value.items()}

        return read_mapping

    def name(self, name: Any) -> Any:
        return name if type(name) is str else self.plain[str](name)

    @staticmethod
    def item(name: Any, read: _Reader, value: Any) -> Any:
        try:
            return read(value)
        except Wrong as error:
            raise error.below(name) from None


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    raise Wrong("must be text", value)


def _written_text(value: Any) -> Any:
    if type(value) is int:
        return str(value)
    if isinstance(value, float):
        raise Wrong("must be text", value, hint="Quote it: as numbers, 4.10 and 4.1 are the same.")
    return value.isoformat() if hasattr(value, "isoformat") else _text(value)


def _whole(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Wrong("must be a whole number", value)


def _written_whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else _whole(value)  # (R's 42 is a double)


def _number(value: Any) -> Any:
    if type(value) in (int, float) and abs(value) < _INFINITE:  # (JSON as Python reads it may hold NaN)
        return value
    raise Wrong("must be a number", value)


def _flag(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    raise Wrong("must be true or false", value)


_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _written_flag(value: Any) -> Any:
    return _flag(_FLAGS.get(value.lower(), value) if isinstance(value, str) else value)


_STORED = Form(
    {Any: _as_it_is, str: _text, int: _whole, float: _number, bool: _flag}, is_closed=False, objects=dict, lists=list
)
WRITTEN = Form(
    {Any: _as_it_is, str: _written_text, int: _written_whole, float: _number, bool: _written_flag},
    is_closed=True, objects=abc.Mapping, lists=(list, tuple),
)  # fmt: skip
