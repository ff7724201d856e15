"""Records as typed values, and back: the one decoder of what lies in JSON files.

A class is a `Record` whose annotations are built of `str`, `int`, `float`, `bool`, `Optional`, `Tuple[X, ...]`,
`Mapping[str, X]`, `Any` and other such classes. One whose records aren't objects has the methods `read`, `record` and
`schema`. A field that is absent or null has its default. Fields that a class doesn't have are kept in its field `more`,
if it has one, else ignored: a newer espalier wrote them.
"""

from typing import Any, Callable, Dict, Mapping, Tuple, Type, TypeVar, Union

from espalier.base.errors import EspalierError
from espalier.base.model.record import Record
from espalier.base.records import read_record

_T = TypeVar("_T", bound=Record)
_Reader = Callable[[Any], Any]
_INFINITE = float("inf")
_LEAVES = frozenset((str, int, float, bool, type(None)))
# The field that holds what a newer espalier wrote.
MORE = "more"


class Wrong(Exception):
    """A value that isn't what its field has to hold.

    Args:
        what: What it has to be, `must be text`.
        value: What it is.
    """

    def __init__(self, what: str, value: Any) -> None:
        super().__init__(what)
        self.what, self.value, self.field = what, value, ""

    def below(self, name: str) -> "Wrong":
        """The same, seen from the record that the field stands in."""
        self.field = f"{name}.{self.field}" if self.field else name
        return self


_readers: Dict[type, Dict[str, _Reader]] = {}


def decode(cls: Type[_T], record: object) -> _T:
    """A value of a class from plain JSON.

    Raises:
        Wrong: a field is missing or of another type.
    """
    if not isinstance(record, dict):
        raise Wrong("must be an object", record)
    known = _readers.get(cls) or _readers_of(cls)
    values = {}
    for name, value in record.items():
        if value is not None and name in known:
            try:
                values[name] = known[name](value)
            except Wrong as error:
                if not cls._is_lenient:
                    raise error.below(name) from None
    for name in cls._needed:
        if name not in values:
            raise Wrong("is missing", None).below(name)
    if MORE in known and len(record) > len(values):
        values[MORE] = {name: value for name, value in record.items() if name not in known}
    return cls(**values)


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
    return value


def _encoded(value: Any) -> Dict[str, Any]:
    absent = value.absent() if hasattr(value, "absent") else ()
    pairs = value._asdict().items()
    leaves = _LEAVES
    record = {
        name: item if type(item) in leaves else encode(item)
        for name, item in pairs
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
        message = f"{path} cannot be read: its field `{error.field}` {error.what}."
        raise EspalierError("damaged", message, "Restore the file from a backup.", path=path) from error


def _readers_of(cls: Type[Record]) -> Dict[str, _Reader]:
    _readers[cls] = {name: _reader(cls.__annotations__[name]) for name in cls._fields}
    return _readers[cls]


def _reader(hint: Any) -> _Reader:
    """What reads values of a type, which is never null."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin = getattr(hint, "__origin__", None)
    args: Tuple[Any, ...] = getattr(hint, "__args__", ())
    if origin is Union:  # (Optional: null never comes here)
        return _reader(next(arg for arg in args if arg is not type(None)))
    if origin is tuple:
        return _list_reader(_reader(args[0]))
    if origin is not None:
        return _mapping_reader(_reader(args[1]))
    if hasattr(hint, "read"):
        return hint.read  # type: ignore[no-any-return]
    _readers_of(hint)
    return lambda value: decode(hint, value)


def _as_it_is(value: Any) -> Any:
    return value


def _plain_reader(types: Tuple[type, ...], what: str) -> _Reader:
    def read(value: Any) -> Any:
        if isinstance(value, types) and (bool in types or not isinstance(value, bool)):
            return value
        raise Wrong(f"must be {what}", value)

    return read


def _number(value: Any) -> Any:
    if type(value) in (int, float) and abs(value) < _INFINITE:  # (JSON as Python reads it may hold NaN)
        return value
    raise Wrong("must be a number", value)


_PLAIN: Dict[Any, _Reader] = {
    Any: _as_it_is,
    str: _plain_reader((str,), "text"),
    int: _plain_reader((int,), "a whole number"),
    float: _number,
    bool: _plain_reader((bool,), "true or false"),
}


def _list_reader(read: _Reader) -> _Reader:
    def read_list(value: Any) -> Any:
        if not isinstance(value, list):
            raise Wrong("must be a list", value)
        return tuple(map(read, value))

    return read_list


def _mapping_reader(read: _Reader) -> _Reader:
    def read_mapping(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Wrong("must be an object", value)
        return value if read is _as_it_is else {name: read(item) for name, item in value.items()}

    return read_mapping
