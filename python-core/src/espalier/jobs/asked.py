"""Requests of jobs as values: each field is of the type it has to be, or refused."""

import os
from typing import Any, Dict, List, Mapping

from espalier.base.config import ScriptRunConfig, Session
from espalier.base.errors import EspalierError
from espalier.base.model.codec import given_fields
from espalier.base.paths import JOB_R, RunPaths
from espalier.base.values import NA, from_json

# How many children one request may make.
_MANY = 1000
_TEXTS = ("source_directory", "entry_script", "compute_target", "display_name")
_MAPPINGS = ("script_params", "environment_variables", "environment")
_PROGRAMS = ("rscript", "r_version", "python")


def plain_request(record: Mapping[str, Any]) -> Dict[str, Any]:
    """A request with the values that its JSON stands for (protocol.md, "Encoding"); an NA is None.

    Raises:
        EspalierError: `bad_argument`.
    """
    try:
        return {key: _plain(item) for key, item in record.items()}
    except (ValueError, RecursionError) as error:
        raise EspalierError("bad_argument", f"The request cannot be read: {error}.") from error


def _plain(value: Any) -> Any:
    """JSON as the values it stands for (protocol.md, "Encoding"); an NA is None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None:
        return None
    plain = from_json(value)
    return None if plain is NA else plain


def text_of(record: Mapping[str, Any], name: str, needed: bool = False) -> str:
    """A field that is text; empty where it is absent.

    Raises:
        EspalierError: `bad_argument`.
    """
    value = record.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise _bad(name, "text")
    return value


def texts_of(record: Mapping[str, Any], name: str) -> Dict[str, str]:
    """A field that is an object of texts; empty where it is absent. Raises EspalierError `bad_argument`."""
    value = record.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _bad(name, "an object of texts")
    return value


def object_of(record: Mapping[str, Any], name: str) -> Dict[str, Any]:
    """A field that is an object. Raises EspalierError `bad_argument`."""
    value = record.get(name)
    if not isinstance(value, dict):
        raise _bad(name, "an object")
    return value


def items_of(record: Mapping[str, Any], name: str) -> List[Dict[str, Any]]:
    """A field that is a list of objects, up to 1,000. Raises EspalierError `bad_argument`."""
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or not 1 <= len(value) <= _MANY:
        raise _bad(name, f"a list of 1 to {_MANY} objects")
    return value


def config_of(record: Mapping[str, Any], env: Mapping[str, Any], run: RunPaths) -> ScriptRunConfig:
    """The job that a request describes.

    Args:
        env: The `env.json` of the run that asks: the child inherits of it what it may.
        run: The run that asks.

    Raises:
        EspalierError: `bad_argument`.
    """
    values = dict(object_of(record, "config"))
    if not isinstance(values.get("arguments", []), (list, type(None))):
        raise _bad("arguments", "a list")
    for name in _TEXTS:
        text_of(values, name)
    for name in _MAPPINGS:
        if not isinstance(values.get(name, {}), (dict, type(None))):
            raise _bad(name, "an object")
    given = {} if values.get("inputs") is None else values["inputs"]
    if not isinstance(given, dict) or not all(map(_is_input, given.values())):
        raise EspalierError("bad_argument", "The inputs of the request must be absolute paths, or outputs of runs.")
    source = values.get("source_directory")
    if source is not None and not os.path.isabs(source):
        raise _bad("source_directory", "an absolute path")
    values["session"] = _session(values.pop("session", None) or {}, env, run)
    return ScriptRunConfig(**given_fields(ScriptRunConfig, values))


def _is_input(given: Any) -> bool:
    if isinstance(given, dict):
        return all(isinstance(text, str) for text in given.values())
    return isinstance(given, str) and os.path.isabs(given)


def _session(asked: Any, env: Mapping[str, Any], run: RunPaths) -> Session:
    """What the child finds again: what its parent had, but for the parent's own links, which go with it."""
    if not isinstance(asked, dict):
        raise _bad("session", "an object")
    libraries = asked.get("library_paths") or []
    if not isinstance(libraries, list) or not all(isinstance(path, str) for path in libraries):
        raise _bad("library_paths", "a list of texts")
    links = os.path.realpath(run.job)
    lasting = [path for path in libraries if not os.path.realpath(path).startswith(links)]
    programs = {name: text_of(asked, name) or None for name in _PROGRAMS}
    variables = {**env.get("preparing", {}), **env["variables"]}
    if env.get("how") == "image":  # those of the container, which are not here
        programs, lasting = {name: env["session"].get(name) for name in _PROGRAMS}, []
        # (processes outside of the container get them, and a parent of the parent's may have been such a job)
        variables = dict(env["preparing"])
    return Session(
        client=text_of(asked, "client"),
        environment=variables,
        library_paths=lasting,
        r_package=env["links"].get(JOB_R + "/espalier"),
        core_python=env.get("core_python"),
        modules=env.get("modules"),
        **programs,
    )


def _bad(name: str, what: str) -> EspalierError:
    return EspalierError("bad_argument", f"`{name}` of the request must be {what}.")
