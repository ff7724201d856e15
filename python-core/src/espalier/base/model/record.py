"""A class whose values are records: its annotations are the fields, and what they are set to the defaults.

Typed as a frozen data class, and made as a plain one: `dataclasses` loads `inspect`, and to make a named tuple takes
five times as long as to make this (decision 17).
"""

from typing import TYPE_CHECKING, Any, ClassVar, Dict, FrozenSet, Mapping, Tuple, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    _R = TypeVar("_R", bound="Record")  # (a bound that is text is compiled, which takes a millisecond)
else:

    def dataclass_transform(**_: Any) -> Any:
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """A value that is never changed. Two of one class are equal where their fields are."""

    _fields: ClassVar[Tuple[str, ...]] = ()
    _field_defaults: ClassVar[Mapping[str, Any]] = {}
    _names: ClassVar[FrozenSet[str]] = frozenset()
    # The fields without a default.
    _needed: ClassVar[FrozenSet[str]] = frozenset()
    # Whether a field of a wrong type counts as absent, in place of making the record damaged: for what jobs can write.
    _is_lenient: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(name for name in cls.__annotations__ if not name.startswith("_"))
        cls._field_defaults = {name: getattr(cls, name) for name in cls._fields if hasattr(cls, name)}
        cls._names = frozenset(cls._fields)
        cls._needed = cls._names - cls._field_defaults.keys()

    def __init__(self, *values: Any, **named: Any) -> None:
        if values:
            named.update(zip(self._fields, values))
        if not self._needed <= named.keys() <= self._names or len(values) > len(self._fields):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self._fields)}, not {sorted(named)}")
        self.__dict__.update(named)  # (a default stands in the class)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} can't be set: use _replace()")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._asdict() == self._asdict()

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{type(self).__name__}({fields})"

    def _asdict(self) -> Dict[str, Any]:
        """All fields by name."""
        return {**self._field_defaults, **self.__dict__}

    def _replace(self: "_R", **changes: Any) -> "_R":
        """The same with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})


Shape = Tuple[Dict[str, Any], Dict[str, Any]]
_shapes: Dict[type, Shape] = {}


def shape(cls: Any) -> Shape:
    """The types of a class's fields, and the defaults of those that have one."""
    if cls not in _shapes:
        _shapes[cls] = _shape_of_record(cls) if issubclass(cls, Record) else _shape_of_data_class(cls)
    return _shapes[cls]


def _shape_of_record(cls: Any) -> Shape:
    return {name: cls.__annotations__[name] for name in cls._fields}, dict(cls._field_defaults)


def _shape_of_data_class(cls: Any) -> Shape:
    from dataclasses import MISSING, fields

    defaults = {item.name: item.default for item in fields(cls) if item.default is not MISSING}
    made = {item.name: item.default_factory() for item in fields(cls) if item.default_factory is not MISSING}
    return {item.name: item.type for item in fields(cls)}, {**defaults, **made}
