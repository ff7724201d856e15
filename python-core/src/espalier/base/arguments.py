"""The boundary of the Python API: arguments come in with their declared types, and errors go out with a class.

What the standard library's own types stand for is accepted too, and converted: a path for text, a number of NumPy's,
any collection for a list. Standard library: jobs load this file.
"""

import operator
import os
from collections import abc
from functools import wraps
from typing import Any, Callable, Dict, FrozenSet, Literal, Optional, Tuple, Type, TypeVar, Union, get_args, get_origin

from espalier.base.errors import EspalierError
from espalier.base.os_errors import os_error
from espalier.base.types import Data, Index, Text

# These take every value.
_ANYTHING = (Any, object, Data)
# Of NumPy, which a session need not have.
_LOGICAL = ("bool_", "bool")
_WORDS = {bool: "True or False", int: "a whole number", Index: "a whole number", float: "a number", str: "text"}
_SHOWN = 60
# Name of an argument -> its type, and the classes whose values fit as they are, without a look inside. Those that take
# every value are not among them.
Declared = Dict[str, Tuple[Any, FrozenSet[Any]]]
_Class = TypeVar("_Class", bound=type)
# Called a million times by one job, and sees to errors itself.
_LEFT_ALONE = ("log",)
# They end no training for what they are given, and see to it themselves.
_TAKE_ANYTHING = (
    "log_list", "log_row", "log_table", "log_image", "log_confusion_matrix", "log_accuracy_table", "log_predictions",
    "log_residuals", "log_part", "flush",
)  # fmt: skip


class _Misfit(Exception):
    """A value of another type than is declared: where it stands, what is wanted there, and what was given."""

    def __init__(self, where: str, wanted: str, given: object) -> None:
        super().__init__(where, wanted, given)
        self.where, self.wanted, self.given = where, wanted, given


def declared_types(function: Callable[..., Any]) -> Tuple[Tuple[str, ...], Declared]:
    """The names of the arguments that a function takes by position, and the types that it declares."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    hints = {name: function.__annotations__[name] for name in names if name in function.__annotations__}
    types = {name: _resolved(hint, function.__globals__) for name, hint in hints.items()}
    return names[: code.co_argcount], {
        name: (hint, _plain(hint)) for name, hint in types.items() if hint not in _ANYTHING
    }


def _plain(hint: Any) -> FrozenSet[Any]:
    """The classes whose values fit a type as they are."""
    if get_origin(hint) is Union:
        return frozenset().union(*map(_plain, get_args(hint)))
    return frozenset((hint,)) if isinstance(hint, type) else frozenset()


def checked_arguments(
    names: Tuple[str, ...], declared: Declared, given: Tuple[Any, ...], named: Dict[str, Any]
) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """What a function is called with, as the types it declares.

    Args:
        names, declared: See `declared_types`.
        given, named: Its arguments, by position and by name.

    Raises:
        EspalierError: `bad_argument`.
    """
    try:
        fitting = [_argument(declared.get(name), value, name) for name, value in zip(names, given)]
        named = {name: _argument(declared.get(name), value, name) for name, value in named.items()}
    except _Misfit as misfit:
        message = f"`{misfit.where}` must be {misfit.wanted}, not {_shown(misfit.given, misfit.wanted)}."
        raise EspalierError("bad_argument", message, argument=misfit.where) from None
    return (*fitting, *given[len(fitting) :]), named


def _shown(value: object, wanted: str) -> str:
    """A value in an error. Text, and what is given in its place, may be secret."""
    is_number = isinstance(value, (bool, int, float)) and "text" not in wanted
    return repr(value)[:_SHOWN] if value is None or is_number else _article(type(value).__name__)


def _argument(declared: Optional[Tuple[Any, FrozenSet[Any]]], value: Any, name: str) -> Any:
    """An argument's value as the type that is declared for it. Raises _Misfit."""
    if declared is None or type(value) in declared[1]:
        return value
    return _fitted(declared[0], value, name)


def _fitted(hint: Any, value: Any, where: str) -> Any:
    """A value as the type that is declared for it. Raises _Misfit."""
    if hint in _ANYTHING:
        return value
    origin, args = get_origin(hint), get_args(hint)
    if origin is Union:
        return _fitted_union(args, value, where, hint)
    if origin is Literal:
        fits = isinstance(value, str) and value in args
    elif origin in (list, abc.Sequence, abc.Iterable):
        return _fitted_list(args[0], value, where, hint)
    elif origin in (dict, abc.Mapping):
        return _fitted_mapping(args[1], value, where, hint)
    elif hint in _SCALARS:
        value, fits = _SCALARS[hint](value)
    else:
        fits = not isinstance(hint, type) or isinstance(value, hint)
    if not fits:
        raise _Misfit(where, _wanted(hint), value)
    return value


def _fitted_union(hints: Tuple[Any, ...], value: Any, where: str, union: Any) -> Any:
    if value is None and type(None) in hints:
        return None
    inner = None
    for hint in hints:
        try:
            return _fitted(hint, value, where)
        except _Misfit as misfit:
            inner = misfit if misfit.where != where else inner  # (it is of that type, and something in it is not)
    raise inner or _Misfit(where, _wanted(union), value)


def _fitted_list(hint: Any, value: Any, where: str, whole: Any) -> Any:
    if isinstance(value, (str, bytes, bytearray, abc.Mapping, os.PathLike)) or not isinstance(value, abc.Iterable):
        raise _Misfit(where, _wanted(whole), value)
    try:
        items = value if isinstance(value, (list, tuple)) else list(value)
    except TypeError:  # (an array of NumPy's without dimensions)
        raise _Misfit(where, _wanted(whole), value) from None
    fitting = [_fitted(hint, item, f"{where}[{at}]") for at, item in enumerate(items)]
    return items if all(map(operator.is_, items, fitting)) else fitting


def _fitted_mapping(hint: Any, value: Any, where: str, whole: Any) -> Any:
    if not isinstance(value, abc.Mapping):
        raise _Misfit(where, _wanted(whole), value)
    wrong = [name for name in value if not isinstance(name, str)]
    if wrong:
        raise _Misfit(f"names({where})", "text", wrong[0])
    fitting = {name: _fitted(hint, item, f"{where}[{ascii(name)[:_SHOWN]}]") for name, item in value.items()}
    return value if all(fitting[name] is item for name, item in value.items()) else fitting


def _logical(value: Any) -> Tuple[Any, bool]:
    fits = isinstance(value, bool) or type(value).__name__ in _LOGICAL
    return bool(value) if fits else value, fits


def _whole(value: Any) -> Tuple[Any, bool]:
    if isinstance(value, float):  # R's 42 is a double
        return (int(value), True) if value.is_integer() else (value, False)
    if _logical(value)[1] or not hasattr(type(value), "__index__"):
        return value, False
    return (value, True) if type(value) is int else _converted(operator.index, value)


def _number(value: Any) -> Tuple[Any, bool]:
    if isinstance(value, (int, float)):
        return value, not isinstance(value, bool)
    if _logical(value)[1] or not hasattr(type(value), "__float__"):
        return value, False
    return _converted(float, value)


def _converted(convert: Callable[[Any], Any], value: Any) -> Tuple[Any, bool]:
    try:
        return convert(value), True
    except Exception:  # (an array of more than one number)
        return value, False


def _string(value: Any) -> Tuple[Any, bool]:
    return (os.fsdecode(value), True) if isinstance(value, os.PathLike) else (value, isinstance(value, str))


def _text(value: Any) -> Tuple[Any, bool]:
    text, fits = _string(value)
    return text, fits or _logical(value)[1] or _number(value)[1]


_SCALARS: Dict[Any, Callable[[Any], Tuple[Any, bool]]] = {
    bool: _logical, int: _whole, Index: _whole, float: _number, str: _string, Text: _text,
}  # fmt: skip


def _wanted(hint: Any) -> str:
    """A declared type in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Union:
        return " or ".join(dict.fromkeys(_wanted(each) for each in args if each is not type(None)))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, args))
    if origin in (dict, abc.Mapping):
        return "named values (a dict)"
    if origin is not None:
        return "a list"
    return _WORDS.get(hint) or ("text or a number" if hint is Text else _article(getattr(hint, "__name__", str(hint))))


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'AEIOaeio' else 'a'} {noun}"


def _resolved(hint: Any, names: Dict[str, Any]) -> Any:
    """An annotation as a type, also where it is written as text."""
    return eval(hint, names, _Public()) if isinstance(hint, str) else hint


class _Public(Dict[str, Any]):
    """The public classes by name, each loaded when it is asked for: modules import them for type checkers only."""

    def __missing__(self, name: str) -> Any:
        import espalier

        if name not in espalier.__all__:
            raise KeyError(name)
        return getattr(espalier, name)


def classed(cls: _Class) -> _Class:
    """Let the constructor and each public member of a class check their arguments, and raise what the operating system
    refuses as an EspalierError."""
    members = {name: member for base in reversed(cls.__mro__[:-1]) for name, member in vars(base).items()}
    for name, member in members.items():
        if name == "__init__" or not (name.startswith("_") or name in _LEFT_ALONE):
            wrapped = _classed_member(member)
            if wrapped is not None:
                setattr(cls, name, wrapped)
    return cls


def _classed_member(member: Any) -> Any:
    if isinstance(member, (classmethod, staticmethod)):
        return type(member)(classed_function(member.__func__))
    if isinstance(member, property) and member.fget is not None:
        return property(classed_function(member.fget), member.fset, member.fdel, member.__doc__)
    return classed_function(member) if callable(member) and hasattr(member, "__code__") else None


def classed_function(function: Callable[..., Any]) -> Any:
    """One function, likewise."""
    types: Any = None if function.__name__ not in _TAKE_ANYTHING else ((), {})

    @wraps(function)
    def with_classed_errors(*args: Any, **kwargs: Any) -> Any:
        nonlocal types
        if types is None:
            types = declared_types(function)
        if types[1]:
            args, kwargs = checked_arguments(types[0], types[1], args, kwargs)
        try:
            return function(*args, **kwargs)
        except (OSError, MemoryError, RuntimeError) as error:
            found = os_error(error, _place_of(args[0]) if args else None)
            if found is None:
                raise
            raise found from error

    return with_classed_errors


def _place_of(owner: Any) -> Optional[str]:
    """The workspace that an object is in, by its identity."""
    if isinstance(owner, Type) or not hasattr(owner, "_identity"):  # type: ignore[arg-type]
        return None
    try:
        known = owner._identity()
    except Exception:
        return None
    place = known.get("workspace") or known.get("path")
    return place if isinstance(place, str) else None
