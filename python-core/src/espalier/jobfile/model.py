"""Jobs of files: the `ScriptRunConfig` that a file's fields describe, and the fields of one."""

import datetime
import os
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Dict, Iterator, List, Mapping, Optional

from espalier.base.config import ScriptRunConfig
from espalier.base.docker_options import DockerOptions
from espalier.base.errors import EspalierError
from espalier.base.model.codec import Wrong, short
from espalier.base.names import check_name
from espalier.base.retry import checked_retry
from espalier.base.values import native
from espalier.jobfile.document import WORDS, Document, bad_job
from espalier.jobfile.environments import environment_of, environment_value
from espalier.jobfile.fields import FORMAT, NAMES, SCHEMA_ID, WAYS, Job
from espalier.jobs.commit import checked_tags
from espalier.jobs.inputs import declared_outputs
from espalier.jobs.program import script_words

# What other tools, and the functions of R, call fields.
_ALSO_KNOWN = {
    "parameters": "params", "compute": "target", "code": "source_directory", "args": "arguments",
    "env": "environment_variables", "variables": "environment_variables", "experiment_name": "experiment",
    "name": "display_name", "timeout": "limits.run_seconds", **{name: ".".join(way) for name, way in WAYS.items()},
}  # fmt: skip
_REFERENCES = ({"run", "output"}, {"url", "sha256"})


@dataclass(frozen=True)
class JobFile:
    """What a job file holds.

    Args:
        values: The fields of a `ScriptRunConfig` that it sets.
        experiment: The name of the experiment that the job is of.
        tags: Text to find its run by.
        notes: What to tell the user: what has no meaning here.
    """

    values: Mapping[str, Any]
    experiment: Optional[str] = None
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    @property
    def config(self) -> ScriptRunConfig:
        """The job."""
        return ScriptRunConfig.from_mapping(self.values)


def job_of(document: Document, notes: List[str]) -> JobFile:
    """The job that a file describes.

    Args:
        notes: What there is to tell already.

    Raises:
        EspalierError: `bad_job_file`; `newer_format`.
    """
    if not isinstance(document.values, dict) or not document.values:
        hint = "A job has a field a line, `script: train.R` among them."
        raise bad_job(document.spot(())[1].value, "it holds no job.", hint)
    _check_format(document)
    with document.at():
        given = _fields(document.values)
    values = {name: value for name, way in WAYS.items() if (value := _at(given, way)) is not None}
    _resolve(values, document)
    if "python" in given:
        is_path = os.sep in given["python"] or given["python"].startswith("~")
        values["session"] = {"python": document.file("python") if is_path else given["python"]}
    _check(values, document)
    with document.at("experiment"):
        experiment = check_name("experiment", given["experiment"]) if "experiment" in given else None
    with document.at("tags"):
        tags = checked_tags(given.get("tags", {}))
    return JobFile(values, experiment, tags, notes)


def _fields(values: Mapping[str, Any]) -> Dict[str, Any]:
    try:
        known = {name: value for name, value in values.items() if name != "$schema"}
        return short(WORDS.reader(Job)(known))  # type: ignore[no-any-return]
    except Wrong as error:
        error.near = _ALSO_KNOWN.get(error.field, error.near) if error.is_name else ""
        raise


def _at(given: Any, way: Any) -> Any:
    for name in way:
        given = (given or {}).get(name)
    return given


def _check_format(document: Document) -> None:
    given = FORMAT if document.get("format") is None else document.read(int, "format")
    if given > FORMAT:
        place = document.spot(("format",))[1].value
        message = f"Can't read {place}: it has format {given}, and this espalier reads up to {FORMAT}."
        raise EspalierError("newer_format", message, "Install a newer espalier.", path=document.path)
    with document.at("format"):
        if given < 1:
            raise Wrong(f"must be a whole number from 1 to {FORMAT}", given)


def _resolve(values: Dict[str, Any], document: Document) -> None:
    """Replaces what a file may say in several ways, or relative to its folder."""
    if "source_directory" in values:
        values["source_directory"] = document.file("source_directory")
    elif "entry_script" in values:
        values["source_directory"] = document.folder
    if "environment" in values:
        with document.at("environment"):
            values["environment"] = environment_of(values["environment"], document)
    for name, value in values.get("inputs", {}).items():
        with document.at("inputs", name):
            if not isinstance(value, str) and set(value) not in _REFERENCES:
                raise Wrong("must be a path, or have run and output, or url and sha256", value)
        values["inputs"][name] = document.file("inputs", name) if isinstance(value, str) else value
    mounts = _at(values, ("docker", "mounts")) if isinstance(values.get("docker"), dict) else None
    if isinstance(mounts, list):
        values["docker"]["mounts"] = {path: path for path in mounts}


def _check(values: Mapping[str, Any], document: Document) -> None:
    """Refuses what no job can have, with the place of the field that is wrong."""
    for name, value in values.get("script_params", {}).items():
        with _located(document, "params", name):
            script_words({name: value}, values.get("entry_script"))
    for name, value in values.get("outputs", {}).items():
        with _located(document, "outputs", name):
            declared_outputs({name: value})
    with _located(document):
        try:
            ScriptRunConfig.from_mapping(values)
        except EspalierError:
            for name in (name for name in WAYS if name in values):
                others = {} if name in ("command", "entry_script") else {"command": "true", "environment": {}}
                with _located(document, *WAYS[name]):
                    ScriptRunConfig.from_mapping({**others, name: values[name]})
            raise


@contextmanager
def _located(document: Document, *way: str) -> Iterator[None]:
    """Give errors about a config the place of what is wrong, and the names that fields have in files."""
    with document.at(*way):
        try:
            yield
        except EspalierError as error:
            if error.code == "bad_job_file":
                raise
            texts = [error.message, error.hint]
            for name, place in WAYS.items():
                texts = [text if name == place[-1] else text.replace(name, ".".join(place)) for text in texts]
            raise EspalierError(error.code, *texts) from None


def fields_of(
    config: ScriptRunConfig, experiment: Optional[str], tags: Mapping[str, str], folder: str
) -> Dict[str, Any]:
    """What a file holds for a job: the fields that aren't as by default, in their order. Raises EspalierError:
    `bad_argument` when the job has what no file can hold."""
    if config.entry_script is not None and config.source_directory is None:
        raise EspalierError(
            "bad_argument",
            "Can't find the script's folder: `source_directory` is missing.",
            "Give the folder that holds the script.",
        )
    given = {name: getattr(config, name) for name in WAYS if _is_said(config, name)}
    source = os.path.abspath(os.path.expanduser(config.source_directory or folder))
    # (a file that lies in its job's source directory goes with it to other places)
    top = source if _is_below(folder, source) else folder
    if config.source_directory is not None:
        given["source_directory"] = _relative(source, folder, top)
    if "inputs" in given:
        given["inputs"] = {
            name: _relative(one, folder, top) if isinstance(one, str) else one for name, one in config.inputs.items()
        }
    if "environment" in given:
        given["environment"] = environment_value(config.environment or {})
    if "docker" in given:
        given["docker"] = short(config.container or DockerOptions()) or True
    if isinstance(config.retry, Mapping) and "attempts" in config.retry:  # (R's 3 is a double)
        given["retry"] = {**config.retry, "attempts": checked_retry(config.retry).attempts}
    python = config.session.python
    python = os.path.join(".", _relative(python, folder, top)) if python and os.sep in python else python
    found: Dict[str, Any] = {"$schema": SCHEMA_ID, "format": FORMAT, "experiment": experiment, "python": python}
    found["tags"] = tags or None
    for name, value in given.items():
        way = WAYS[name]
        (found.setdefault(way[0], {}) if len(way) > 1 else found)[way[-1]] = _plain(value)
    return {name: found[name] for name in NAMES if found.get(name) is not None}


def _is_said(config: ScriptRunConfig, name: str) -> bool:
    """Whether a field isn't as by default."""
    item = next(one for one in fields(ScriptRunConfig) if one.name == name)
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    if name == "prepare_timeout_seconds":  # (the default depends on the environment)
        default = ScriptRunConfig(command="true", environment=config.environment).prepare_timeout_seconds
    given = getattr(config, name)
    return bool((tuple(given) if isinstance(given, (list, tuple)) else given) != default)


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(os.path.join(top, ""))


def _relative(path: str, folder: str, top: str) -> str:
    """A path as a file in a folder has it: relative if it lies below the top, so that both can be moved together."""
    full = os.path.abspath(os.path.expanduser(path))
    relative = os.path.relpath(full, folder) if _is_below(full, top) else full
    return os.path.join(".", relative) if relative.startswith("~") else relative


def _plain(value: Any) -> Any:
    """A value as YAML can hold it."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    value = value.isoformat() if isinstance(value, datetime.date) else native(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    message = f"Can't write an object of type {type(value).__name__} to a job file."
    raise EspalierError("bad_argument", message, "A parameter is a string, number, logical, or a list of them.")
