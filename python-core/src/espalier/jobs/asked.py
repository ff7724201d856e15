"""Requests of jobs as values (protocol.md, "Children")."""

import os
from typing import Any, Dict, Mapping, Optional, Tuple, Type, TypeVar

from espalier.base.config import ScriptRunConfig, Session
from espalier.base.errors import EspalierError
from espalier.base.model.codec import Wrong, decode, given_fields, shown
from espalier.base.model.job import JobEnv, Programs
from espalier.base.model.record import Record
from espalier.base.paths import FORMAT, JOB_R, RunPaths
from espalier.base.values import NA, from_json

_T = TypeVar("_T", bound=Record)
# How many children one request may make.
_MANY = 1000


class Wanted(Record):
    """A child that is to be recorded by hand."""

    name: Optional[str] = None
    run_id: Optional[str] = None
    collect_from: Optional[str] = None
    tags: Mapping[str, str] = {}


class Identity(Record):
    """The run that an operation is called of."""

    id: Optional[str] = None


class Request(Record):
    """What a job asks for. `class_` is the field `class`; `args` are as they were sent, for the dispatcher."""

    op: str
    parent: Optional[str] = None
    run: Optional[str] = None
    message: Optional[str] = None
    client: str = ""
    config: Mapping[str, Any] = {}
    wanted: Tuple[Wanted, ...] = ()
    tags: Mapping[str, str] = {}
    class_: str = ""
    member: str = ""
    identity: Identity = Identity()
    args: Any = None
    format: int = FORMAT


class _SessionOf(Record):
    """The session in the fields of a job."""

    client: str = ""
    library_paths: Tuple[str, ...] = ()
    rscript: Optional[str] = None
    r_version: Optional[str] = None
    python: Optional[str] = None


def request_of(record: Mapping[str, Any]) -> Request:
    """A request from its JSON. Raises EspalierError: `bad_argument`."""
    fields = plain_request(record)
    fields.update(class_=fields.pop("class", None), args=record.get("args"))
    # (R writes nothing at all as an empty list)
    found = _read(Request, {name: value for name, value in fields.items() if value != []})
    if found.op == "create" and not 1 <= len(found.wanted) <= _MANY:
        raise EspalierError(
            "bad_argument", f"Can't create {len(found.wanted):,} children by one request: 1 to {_MANY:,} are possible."
        )
    return found


def _read(cls: Type[_T], record: Any) -> _T:
    try:
        return decode(cls, record)
    except Wrong as error:
        raise error.as_error("bad_argument", "The request") from None


def plain_request(record: Mapping[str, Any]) -> Dict[str, Any]:
    """A request with the values that its JSON stands for (protocol.md, "Encoding"); an NA is None. Raises
    EspalierError: `bad_argument`."""
    try:
        return {key: _plain(item) for key, item in record.items()}
    except (ValueError, RecursionError) as error:
        raise EspalierError("bad_argument", f"Can't read the request: {error}.") from error


def _plain(value: Any) -> Any:
    """JSON as the values it stands for (protocol.md, "Encoding"); an NA is None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None:
        return None
    plain = from_json(value)
    if isinstance(plain, str) and "\0" in plain:
        raise ValueError("it holds a NUL character")
    return None if plain is NA else plain


def config_of(asked: Mapping[str, Any], env: JobEnv, run: RunPaths) -> ScriptRunConfig:
    """The job that a request describes.

    Args:
        env: The `env.json` of the run that asks: the child inherits of it what it may.

    Raises:
        EspalierError: `bad_argument`.
    """
    values = dict(asked)
    inputs = values.get("inputs") or {}
    if not isinstance(inputs, dict) or not all(map(_is_input, inputs.values())):
        raise EspalierError("bad_argument", "The inputs of the request must be absolute paths, or outputs of runs.")
    source = values.get("source_directory")
    if isinstance(source, str) and not os.path.isabs(source):
        raise EspalierError("bad_argument", f"source_directory must be an absolute path, not {shown(source)}.")
    session = values.pop("session", None) or {}
    if isinstance(session, dict):  # (R writes what it doesn't have as an empty object)
        session = {name: value for name, value in session.items() if value}
    values["session"] = _session(_read(_SessionOf, session), env, run)
    return ScriptRunConfig(**given_fields(ScriptRunConfig, values))


def _is_input(given: Any) -> bool:
    if isinstance(given, dict):
        return all(isinstance(text, str) for text in given.values())
    return isinstance(given, str) and os.path.isabs(given)


def _session(asked: _SessionOf, env: JobEnv, run: RunPaths) -> Session:
    """What the child finds again: what its parent had, but for the parent's own links, which go with it."""
    links = os.path.realpath(run.job)
    lasting = [path for path in asked.library_paths if not os.path.realpath(path).startswith(links)]
    programs = Programs(asked.rscript or None, asked.r_version or None, asked.python or None)
    variables = {**env.preparing, **env.variables}
    if env.how == "image":  # those of the container, which are not here
        programs, lasting = env.session or Programs(), []
        # (processes outside of the container get them, and a parent of the parent's may have been such a job)
        variables = dict(env.preparing)
    return Session(
        client=asked.client,
        environment=variables,
        library_paths=lasting,
        r_package=env.links.get(JOB_R + "/espalier"),
        core_python=env.core_python,
        modules=env.modules,
        **programs._asdict(),
    )
