"""The boundary of the Python API: arguments come in with their declared types, and errors go out with a class.

Standard library: jobs load this file.
"""

from functools import wraps
from typing import Any, Callable, Optional, Type, TypeVar

from espalier.base.arguments import checked_arguments, declared_types
from espalier.base.os_errors import os_error

_Class = TypeVar("_Class", bound=type)
# Called a million times by one job, and sees to errors itself.
_LEFT_ALONE = ("log",)
# They end no training for what they are given, and see to it themselves.
_TAKE_ANYTHING = ("log_list", "log_row", "log_table", "log_image", "log_part", "flush")


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
