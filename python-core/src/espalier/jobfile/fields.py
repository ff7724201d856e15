"""The fields of a job file, declared once: what each holds, its JSON Schema, and which of `ScriptRunConfig` it is."""

from collections import abc
from dataclasses import dataclass, field, fields
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple, Union

from espalier.base.config import OUTSIDE_LINKS, ScriptRunConfig
from espalier.base.model.codec import MORE
from espalier.base.model.record import Record, shape
from espalier.jobfile.document import as_written

FORMAT = 1
# What editors find the schema by: its `$id`.
SCHEMA_ID = "urn:espalier:job:1"
_Size = Union[int, str]
_PLAIN: Dict[Any, Any] = {str: "string", int: "integer", float: "number", bool: "boolean"}
# In what people write, a number or a logical may stand for text.
_WRITTEN = {**_PLAIN, str: ["string", "number", "boolean"]}


def _field(about: str, config: str = "", **schema: Any) -> Any:
    """A field that may be absent.

    Args:
        about: What it is, for editors.
        config: Its name in a `ScriptRunConfig`, if that is another.
        schema: What else its JSON Schema has.
    """
    return field(default=None, metadata={"config": config, "schema": {"description": about, **schema}})


class Docker(Record):
    """How a container is set up."""

    shm_size: Optional[_Size] = None
    network: Optional[str] = None
    mounts: Union[Sequence[str], Mapping[str, str], None] = None
    init: Optional[bool] = None
    user: Optional[str] = None


class Retry(Record):
    """When a job is executed again."""

    attempts: Optional[int] = None
    on: Union[str, Sequence[str], None] = None
    wait_seconds: Optional[float] = None
    factor: Optional[float] = None
    max_wait_seconds: Optional[float] = None


class EnvironmentField:
    """An environment, which `environments.py` reads: words as they are written."""

    read = staticmethod(as_written)

    @staticmethod
    def schema() -> Dict[str, Any]:
        """Its JSON Schema."""
        return {"type": ["string", "object"]}


@dataclass(frozen=True)
class Resources:
    """Processors and memory that the job takes."""

    cpus: Optional[int] = _field("Processors; more runs wait in the queue.")
    gpus: Optional[int] = _field("Graphics processors.")
    memory: Optional[_Size] = _field("Memory, `4 GB` or bytes.")


@dataclass(frozen=True)
class Limits:
    """How long the run may take."""

    run_seconds: Optional[float] = _field("Stop the job after that many seconds.", "max_run_duration_seconds")
    queue_seconds: Optional[float] = _field(
        "Cancel a run that waits longer; 0 for no limit.", "queue_timeout_seconds"
    )  # fmt: skip
    prepare_seconds: Optional[float] = _field(
        "Fail a run that takes longer to prepare; 0 for no limit.", "prepare_timeout_seconds"
    )


@dataclass(frozen=True)
class Source:
    """How the folder is copied, and whether the copy is kept."""

    record_diff: Optional[bool] = _field("Record what isn't committed to git.")
    outside_links: Optional[str] = _field(
        "How to treat links that lead out of the folder.", type=["string", "null"], enum=[*OUTSIDE_LINKS, None]
    )
    keep_workdir: Optional[bool] = _field("Keep the working copy after the run.")


@dataclass(frozen=True)
class Job:
    """The fields of a job file."""

    format: Optional[int] = _field(f"{FORMAT}.")
    experiment: Optional[str] = _field("Name of the experiment that the run belongs to.")
    display_name: Optional[str] = _field("A title for people.")
    tags: Optional[Mapping[str, str]] = _field("Text to find the run by.")
    source_directory: Optional[str] = _field(
        "Folder that is copied for the run. Default with a script: the file's folder."
    )
    script: Optional[str] = _field("Script inside the source directory. Either this or `command`.", "entry_script")
    command: Union[str, Sequence[str], None] = _field("Program and arguments as a list, or one line for /bin/sh.")
    arguments: Optional[Sequence[str]] = _field("What follows the script, as text.")
    params: Optional[Mapping[str, Any]] = _field(
        "Parameters, appended as `--name value`; null makes a flag.", "script_params"
    )
    target: Optional[str] = _field("`local`, `docker`, or the name of another executor.", "compute_target")
    python: Optional[str] = _field("The Python that Python scripts run on.")
    environment: Optional[EnvironmentField] = _field(
        "A registered environment, `name` or `name:version`; `{file: path}`; or a definition."
    )
    docker: Union[bool, Docker, None] = _field("Whether the job runs in a container, or how that is set up.")
    environment_variables: Optional[Mapping[str, str]] = _field("Variables that are set for the job.")
    secrets: Optional[Sequence[str]] = _field("Names of secrets in the keyvault that the job may read.")
    inputs: Optional[Mapping[str, Union[str, Mapping[str, str]]]] = _field(
        "Files and folders outside the source directory: a path, `{run, output}`, or `{url, sha256}`."
    )
    outputs: Optional[Mapping[str, str]] = _field("Files that the job must write, such as outputs/model.rds.")
    resources: Optional[Resources] = _field("Processors and memory that the job takes.")
    limits: Optional[Limits] = _field("How long the run may take.")
    source: Optional[Source] = _field("How the folder is copied, and whether the copy is kept.")
    priority: Optional[int] = _field("1 to 9; the highest is started first.")
    retry: Union[int, Retry, None] = _field("How often to execute the job at most, or a policy.")
    depends_on: Optional[Sequence[str]] = _field("Ids of runs that have to complete before.")
    seed: Optional[int] = _field("Random seed.")
    children: Optional[str] = _field(
        "Whether the run waits for child runs when the script has ended.",
        type=["string", "null"],
        enum=["wait", "detach", None],
    )


def _ways() -> Iterator[Tuple[str, Tuple[str, ...]]]:
    known = {item.name for item in fields(ScriptRunConfig)}
    groups: Dict[str, Any] = {"resources": Resources, "limits": Limits, "source": Source}
    for top in fields(Job):
        for item in fields(groups[top.name]) if top.name in groups else (top,):
            name = item.metadata["config"] or item.name
            if name in known:
                yield name, (top.name,) if item is top else (top.name, item.name)


# Where the fields of a `ScriptRunConfig` stand in a file, those of groups last.
WAYS = dict(sorted(_ways(), key=lambda pair: len(pair[1])))
NAMES = ("$schema", *(item.name for item in fields(Job)))


def schema_of_job_files() -> Dict[str, Any]:
    """The JSON Schema (draft 2020-12) of job files, which docs/job.schema.json has."""
    schema = schema_of(Job, is_written=True)
    about = {"description": "The schema of this file, for editors.", "type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": f"A job of espalier, format {FORMAT}",
        **schema,
        "properties": {"$schema": about, **schema["properties"]},
        "oneOf": [{"required": ["script"]}, {"required": ["command"]}],
    }


def schema_of(cls: Any, *, is_written: bool = False) -> Dict[str, Any]:
    """The schema of a record.

    Args:
        cls: A class of `model/`, or a data class. A field of one may have more of its schema in its metadata, `schema`.
        is_written: Whether people write it: fields that the class doesn't have are mistakes.
    """
    types, defaults = shape(cls)
    names = [name for name in types if name != MORE]
    fields = {name: _type(types[name], is_written) for name in names}
    optional = {name: _or_null(fields[name]) for name in names if name in defaults}
    needed = [name for name in names if name not in defaults]
    schema: Dict[str, Any] = {"type": "object", "properties": {**fields, **optional}}
    for name, item in getattr(cls, "__dataclass_fields__", {}).items():
        schema["properties"][name].update(item.metadata.get("schema", {}))
    closed = {"additionalProperties": False} if is_written else {}
    return {**schema, **closed, "required": needed} if needed else {**schema, **closed}


def _or_null(schema: Dict[str, Any]) -> Dict[str, Any]:
    """Null counts as absent, which a field that has a default may be."""
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    types = schema.get("type", [])
    return {**schema, "type": [*([types] if isinstance(types, str) else types), "null"]} if schema else {}


def _type(hint: Any, is_written: bool) -> Dict[str, Any]:
    origin = getattr(hint, "__origin__", None)
    args: Tuple[Any, ...] = getattr(hint, "__args__", ())
    if hint is Any:
        return {}
    if origin is Union:
        schemas = [_type(arg, is_written) for arg in args if arg is not type(None)]
        return {"anyOf": schemas} if len(schemas) > 1 else schemas[0]
    if origin is not None:
        if origin in (tuple, abc.Sequence):
            return {"type": "array", "items": _type(args[0], is_written)}
        return {"type": "object", "additionalProperties": _type(args[1], is_written)}
    if hasattr(hint, "schema"):
        return hint.schema()  # type: ignore[no-any-return]
    plain = _WRITTEN if is_written else _PLAIN
    return {"type": plain[hint]} if hint in plain else schema_of(hint, is_written=is_written)
