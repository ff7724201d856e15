"""Definitions from plain values, and back: what YAML, R and JSON records hold."""

import difflib
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Dict, Mapping, Type

from espalier.base.errors import EspalierError
from espalier.environment.definition import FORMAT, Environment, Registry, Secret
from espalier.environment.spelling import KEEP_SECRETS, invalid, shown


def environment_of(values: Mapping[str, Any]) -> Environment:
    """A definition from its fields. See `Environment.from_mapping`."""
    if not isinstance(values, Mapping):
        raise invalid("The definition", f"must be named fields, not {shown(values)}.")
    _check_format(values.get("format", FORMAT))
    found: Environment = _of_class(Environment, {key: value for key, value in values.items() if key != "format"}, "")
    return found


def registry_of(values: Mapping[str, Any]) -> Registry:
    """A registry from its fields."""
    found: Registry = _of_class(Registry, values, "docker.registry")
    return found


def record_of(environment: Environment) -> Dict[str, Any]:
    """All fields of a definition as JSON."""
    return {"format": FORMAT, **_plain(environment)}


def short_record(environment: Environment) -> Dict[str, Any]:
    """The fields of a definition that say something, for people."""
    return {"format": FORMAT, **_plain(environment, with_defaults=False)}


def _check_format(given: object) -> None:
    text = str(given)
    if isinstance(given, bool) or not text.isdecimal() or int(text) < 1:
        raise invalid("format", f"must be {FORMAT}, not {shown(given)}.")
    if int(text) > FORMAT:
        raise EspalierError(
            "newer_format", f"The environment has format {text}, this espalier reads up to {FORMAT}.",
            "Install a newer espalier to use it.",
        )  # fmt: skip


def _of_class(cls: Type[Any], values: object, where: str) -> Any:
    """An object of one of the definition's classes from its fields."""
    if not isinstance(values, Mapping):
        raise invalid(where, f"must be named fields, not {shown(values)}.", f"It has {', '.join(_types(cls))}.")
    types = _types(cls)
    unknown = next((name for name in values if name not in types), None)
    if unknown is not None:
        near = difflib.get_close_matches(str(unknown), types, 1)
        raise invalid(
            _join(where, _name(unknown)), "is no field of an environment.",
            f"Did you mean {_join(where, near[0])}?" if near else f"There is {', '.join(types)}.",
        )  # fmt: skip
    needed = {item.name for item in fields(cls) if item.default is MISSING and item.default_factory is MISSING}
    missing = next((name for name in types if name in needed and values.get(name) is None), None)
    if missing:
        raise invalid(_join(where, missing), "is missing.")
    given = {name: value for name, value in values.items() if value is not None}
    return cls(**{name: _of_type(types[name], value, _join(where, name)) for name, value in given.items()})


def _of_type(hint: Any, value: Any, where: str) -> Any:
    """A value of a field's declared type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        return _of_type(next(arg for arg in args if arg is not type(None)), value, where)
    if hint is str:
        return _text(value, where)
    if hint is bool:
        return _flag(value, where)
    if is_dataclass(hint) and isinstance(hint, type):
        if hint is Secret and isinstance(value, str):  # never shown: it may be the secret itself
            raise invalid(where, "holds text where only the name of a secret may stand.", KEEP_SECRETS)
        return _of_class(hint, value, where)
    if args and args[0] is str and len(args) == 2:
        if not isinstance(value, Mapping):
            raise invalid(where, f"must be named values, not {shown(value)}.")
        return {_text(name, where): _text(text, _join(where, _name(name))) for name, text in value.items()}
    if not isinstance(value, (list, tuple)):
        raise invalid(where, f"must be a list, not {shown(value)}.")
    return tuple(_of_type(args[0], item, where) for item in value)


def _text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        hint = "Quote it: as numbers, 4.10 and 4.1 are the same."
        raise invalid(where, f"must be text, not the number {value!r}.", hint)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise invalid(where, f"must be text, not {shown(value) if value is not None else 'null'}.")


_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _flag(value: Any, where: str) -> bool:
    flag = value if isinstance(value, bool) else _FLAGS.get(str(value).lower() if isinstance(value, str) else "")
    if flag is None:
        raise invalid(where, f"must be true or false, not {shown(value)}.")
    return flag


_known_types: Dict[Type[Any], Dict[str, Any]] = {}


def _types(cls: Type[Any]) -> Dict[str, Any]:
    """The declared type of each field; asking for them takes a moment."""
    if cls not in _known_types:
        hints = typing.get_type_hints(cls)
        _known_types[cls] = {item.name: hints[item.name] for item in fields(cls)}
    return _known_types[cls]


def _plain(value: Any, with_defaults: bool = True) -> Any:
    if is_dataclass(value):
        given = ((item, getattr(value, item.name)) for item in fields(value))
        kept = ((item.name, one) for item, one in given if with_defaults or not _is_default(item, one))
        return {name: _plain(one, with_defaults) for name, one in kept}
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(item, with_defaults) for item in value] if isinstance(value, tuple) else value


def _is_default(item: Any, value: Any) -> bool:
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    return bool(value == default)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _name(name: object) -> str:
    return name if isinstance(name, str) and name.isascii() and name.isprintable() and len(name) <= 60 else shown(name)
