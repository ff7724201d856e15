"""The fields of a job file: what each holds, which field of a `ScriptRunConfig` it is, and back."""

import contextlib
import datetime
import os
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from espalier.base.config import OUTSIDE_LINKS, ScriptRunConfig
from espalier.base.docker_options import DockerOptions
from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.base.names import check_name
from espalier.base.retry import checked_retry
from espalier.base.values import native
from espalier.jobfile import kinds
from espalier.jobfile.environments import environment_of, environment_value
from espalier.jobfile.kinds import (
    FLAG,
    NUMBER,
    PATH,
    SIZE,
    TEXT,
    TEXTS,
    WHOLE,
    Kind,
    choice,
    either,
    map_of,
    named,
    record,
    texts_of,
)
from espalier.jobfile.near import unknown_name
from espalier.jobfile.reader import Node, bad_job
from espalier.jobs.commit import checked_tags
from espalier.jobs.inputs import declared_outputs
from espalier.jobs.program import script_words

FORMAT = 1
# What editors find the schema by: its `$id`.
SCHEMA_ID = "urn:espalier:job:1"


class Field(NamedTuple):
    """A field.

    Args:
        kind: What it holds.
        about: What it is, for the schema.
        config: The field of `ScriptRunConfig`; empty for what isn't part of that.
    """

    kind: Kind
    about: str
    config: str = ""


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


_REFERENCES = (("run", "output"), ("url", "sha256"))


def _reference(node: Node, where: str) -> Dict[str, str]:
    found = kinds.record_of(node, where, {name: TEXT for names in _REFERENCES for name in names})
    if set(found) not in map(set, _REFERENCES):
        raise kinds.misfit(node, where, "a path, or have run and output, or url and sha256")
    return found


_SAME_PATHS = Kind(lambda node, where: {path: path for path in texts_of(node, where)}, TEXTS.schema)
_MOUNTS = either(_SAME_PATHS, named(TEXT), lambda node: node.items is not None)
_DOCKER = record({"shm_size": SIZE, "network": TEXT, "mounts": _MOUNTS, "init": FLAG, "user": TEXT})
_CAUSES = either(TEXT, TEXTS)
_RETRY = record(
    {"attempts": WHOLE, "on": _CAUSES, "wait_seconds": NUMBER, "factor": NUMBER, "max_wait_seconds": NUMBER}
)
_REFERENCE = Kind(_reference, record({name: TEXT for names in _REFERENCES for name in names}).schema)
_ENVIRONMENT = Kind(environment_of, {"type": ["string", "object"]})

# Fields that belong together, as the functions resources(), limits() and source_options() of R have them.
GROUPS: Dict[str, Dict[str, Field]] = {
    "resources": {
        "cpus": Field(WHOLE, "Processors; more runs wait in the queue.", "cpus"),
        "gpus": Field(WHOLE, "Graphics processors.", "gpus"),
        "memory": Field(SIZE, "Memory, `4 GB` or bytes.", "memory"),
    },
    "limits": {
        "run_seconds": Field(NUMBER, "Stop the job after that many seconds.", "max_run_duration_seconds"),
        "queue_seconds": Field(NUMBER, "Cancel a run that waits longer; 0 for no limit.", "queue_timeout_seconds"),
        "prepare_seconds": Field(
            NUMBER, "Fail a run that takes longer to prepare; 0 for no limit.", "prepare_timeout_seconds"
        ),
    },
    "source": {
        "record_diff": Field(FLAG, "Record what isn't committed to git.", "record_diff"),
        "outside_links": Field(
            choice(*OUTSIDE_LINKS), "What becomes of links that lead out of the folder.", "outside_links"
        ),
        "keep_workdir": Field(FLAG, "Keep the working copy after the run.", "keep_workdir"),
    },
}


def _group(name: str) -> Kind:
    """Fields that belong together as one field."""
    members = GROUPS[name].items()
    return record({name: Kind(one.kind.read, {"description": one.about, **one.kind.schema}) for name, one in members})


FIELDS: Dict[str, Field] = {
    "$schema": Field(TEXT, "The schema of this file, for editors."),
    "format": Field(WHOLE, "1."),
    "experiment": Field(TEXT, "Name of the experiment that the run belongs to."),
    "display_name": Field(TEXT, "A title for people.", "display_name"),
    "tags": Field(named(TEXT), "Text to find the run by, by name."),
    "source_directory": Field(
        PATH, "Folder that is frozen for the run. By default the file's, where there is a script.", "source_directory"
    ),
    "script": Field(TEXT, "Script inside the source directory. Either this or `command`.", "entry_script"),
    "command": Field(either(TEXT, TEXTS), "Program and arguments as a list, or one line for /bin/sh.", "command"),
    "arguments": Field(TEXTS, "What follows the script, as text.", "arguments"),
    "params": Field(kinds.PARAMS, "Parameters, appended as `--name value`; null makes a flag.", "script_params"),
    "target": Field(TEXT, "`local`, `docker`, or the name of another executor.", "compute_target"),
    "python": Field(kinds.PROGRAM, "The Python that Python scripts run on."),
    "environment": Field(
        _ENVIRONMENT, "A registered environment, `name` or `name:version`; `{file: path}`; or a definition.",
        "environment",
    ),
    "docker": Field(either(FLAG, _DOCKER), "Whether the job runs in a container, or how that is set up.", "docker"),
    "environment_variables": Field(named(TEXT), "Variables that are set for the job.", "environment_variables"),
    "secrets": Field(TEXTS, "Names of secrets in the keyvault that the job may read.", "secrets"),
    "inputs": Field(
        named(either(PATH, _REFERENCE)),
        "Files and folders outside of the source directory: a path, `{run, output}`, or `{url, sha256}`.", "inputs",
    ),
    "outputs": Field(named(TEXT), "What the job has to make, such as outputs/model.rds.", "outputs"),
    "resources": Field(_group("resources"), "What the job takes of its host."),
    "limits": Field(_group("limits"), "How long the run may take."),
    "source": Field(_group("source"), "How the folder is copied, and what becomes of the copy."),
    "priority": Field(WHOLE, "1 to 9; the highest is started first.", "priority"),
    "retry": Field(either(WHOLE, _RETRY), "How often to execute the job at most, or a policy.", "retry"),
    "depends_on": Field(TEXTS, "Ids of runs that have to complete before.", "depends_on"),
    "seed": Field(WHOLE, "Random seed.", "seed"),
    "children": Field(choice("wait", "detach"), "What becomes of child runs when the script has ended.", "children"),
}  # fmt: skip


def job_of(node: Node, notes: List[str]) -> JobFile:
    """The job that a file's fields describe.

    Args:
        node: The file's content.
        notes: What there is to tell already.

    Raises:
        EspalierError: `bad_job_file`; `newer_format`.
    """
    if not node.fields:
        raise bad_job(node.place, "it holds no job.", "A job has a field a line, `script: train.R` among them.")
    known = dict(node.fields)
    unknown = next((name for name in known if name not in FIELDS), None)
    if unknown is not None:
        raise unknown_name(known[unknown], "", unknown, FIELDS)
    _check_format(known.pop("format", None))
    known = {name: item for name, item in known.items() if item.content is not None}
    found = {name: FIELDS[name].kind.read(item, name) for name, item in known.items()}
    values = {FIELDS[name].config: value for name, value in found.items() if FIELDS[name].config}
    for group, members in GROUPS.items():
        values.update((members[name].config, value) for name, value in found.get(group, {}).items())
    if "python" in found:
        values["session"] = {"python": found["python"]}
    if "entry_script" in values:
        values.setdefault("source_directory", node.place.folder)
    _check(values, known, node)
    with _located(known.get("experiment", node), "experiment"):
        experiment = check_name("experiment", found["experiment"]) if "experiment" in found else None
    with _located(known.get("tags", node), "tags"):
        tags = checked_tags(found.get("tags", {}))
    return JobFile(values, experiment, tags, notes)


def _check_format(node: Optional[Node]) -> None:
    if node is None or node.content is None:
        return
    given = kinds.whole_of(node, "format")
    if given < 1:
        raise kinds.misfit(node, "format", f"a whole number from 1 to {FORMAT}")
    if given > FORMAT:
        message = f"{node.place} has format {given}, and this espalier reads up to {FORMAT}."
        raise EspalierError("newer_format", message, "Install a newer espalier.", path=node.place.path)


def _check(values: Mapping[str, Any], known: Mapping[str, Node], top: Node) -> None:
    """Refuses what no job can have, with the place of the field that is wrong."""
    for name, value in values.get("script_params", {}).items():
        with _located(map_of(known["params"], "params")[name], f"params.{name}"):
            script_words({name: value}, values.get("entry_script"))
    for name, value in values.get("outputs", {}).items():
        with _located(map_of(known["outputs"], "outputs")[name], f"outputs.{name}"):
            declared_outputs({name: value})
    try:
        ScriptRunConfig.from_mapping(values)
    except EspalierError as error:
        for name, item in _in_config(known):
            others = {} if name in ("command", "entry_script") else {"command": "true", "environment": {}}
            with _located(item, ""):
                ScriptRunConfig.from_mapping({**others, name: values[name]})
        message = _in_words_of_files(error.message)
        raise bad_job(top.place, message, _in_words_of_files(error.hint)) from None


def _in_config(known: Mapping[str, Node]) -> Iterator[Tuple[str, Node]]:
    """Each field of the config that a file sets, with its node."""
    for name, item in known.items():
        inner = map_of(item, name).items() if name in GROUPS else ()
        yield from ((GROUPS[name][part].config, node) for part, node in inner if node.content is not None)
        if FIELDS[name].config:
            yield FIELDS[name].config, item


@contextlib.contextmanager
def _located(node: Node, where: str) -> Iterator[None]:
    try:
        yield
    except EspalierError as error:
        if error.code == "bad_job_file":
            raise
        message = _in_words_of_files(error.message)
        raise bad_job(node.place, message, _in_words_of_files(error.hint), where) from None


def _in_words_of_files(text: str) -> str:
    """A message about a config with the names that the fields have in files."""
    for name, item in FIELDS.items():
        if item.config and item.config != name:
            text = text.replace(item.config, name)
        for part, member in GROUPS.get(name, {}).items():
            text = text if member.config == part else text.replace(member.config, f"{name}.{part}")
    return text


def fields_of(
    config: ScriptRunConfig, experiment: Optional[str], tags: Mapping[str, str], folder: str
) -> Dict[str, Any]:
    """What a file holds for a job: the fields that aren't as by default, in their order.

    Args:
        config: The job.
        experiment: The name of its experiment.
        tags: Its tags.
        folder: The folder of the file.

    Raises:
        EspalierError: `bad_argument` when the job has what no file can hold.
    """
    if config.entry_script is not None and config.source_directory is None:
        raise EspalierError("bad_argument", "source_directory is missing.", "Give the folder that holds the script.")
    found = {name: getattr(config, item.config) for name, item in FIELDS.items() if _is_said(config, item.config)}
    found.update({"$schema": SCHEMA_ID, "format": FORMAT, "experiment": experiment, "tags": dict(tags) or None})
    source = os.path.abspath(os.path.expanduser(config.source_directory or folder))
    # (a file that lies in its job's source directory goes with it to other places)
    top = source if _is_below(folder, source) else folder
    if config.source_directory is not None:
        found["source_directory"] = _relative(source, folder, top)
    for group, members in GROUPS.items():
        said = {name: getattr(config, one.config) for name, one in members.items() if _is_said(config, one.config)}
        found[group] = said or None
    python = config.session.python
    found["python"] = os.path.join(".", _relative(python, folder, top)) if python and os.sep in python else python
    inputs = config.inputs.items()
    found["inputs"] = {name: _input(given, folder, top) for name, given in inputs} or None
    if "environment" in found:
        found["environment"] = environment_value(config.environment or {})
    if "docker" in found:
        found["docker"] = _docker_value(config.container or DockerOptions())
    if isinstance(config.retry, Mapping) and "attempts" in config.retry:  # (R's 3 is a double)
        found["retry"] = {**config.retry, "attempts": checked_retry(config.retry).attempts}
    if "params" in found:
        found["params"] = {name: _param_value(name, value) for name, value in config.script_params.items()}
    return {name: _plain(found[name]) for name in FIELDS if found.get(name) is not None}


def _is_said(config: ScriptRunConfig, name: str) -> bool:
    """Whether a field isn't as by default."""
    if not name:
        return False
    item = next(one for one in fields(ScriptRunConfig) if one.name == name)
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    if name == "prepare_timeout_seconds":  # (the default depends on the environment)
        default = ScriptRunConfig(command="true", environment=config.environment).prepare_timeout_seconds
    given = getattr(config, name)
    if isinstance(given, (list, tuple)):
        given = tuple(given)
    return bool(given != default)


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(os.path.join(top, ""))


def _relative(path: str, folder: str, top: str) -> str:
    """A path as a file in a folder has it: relative if it lies below the top, so that both can be moved together."""
    full = os.path.abspath(os.path.expanduser(path))
    relative = os.path.relpath(full, folder) if _is_below(full, top) else full
    return os.path.join(".", relative) if relative.startswith("~") else relative


def _input(given: Any, folder: str, top: str) -> Any:
    return _relative(given, folder, top) if isinstance(given, str) else dict(given)


def _docker_value(options: DockerOptions) -> Any:
    default = DockerOptions()
    given = {item.name: getattr(options, item.name) for item in fields(DockerOptions)}
    return {name: value for name, value in given.items() if value != getattr(default, name)} or True


def _param_value(name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_param_value(name, item) for item in value]
    value = value.isoformat() if isinstance(value, datetime.date) else native(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    message = f"script_params: {shown(name)} is of type {type(value).__name__}, which no file can hold."
    raise EspalierError("bad_argument", message, "A parameter is a string, number, logical, or a list of them.")


def _plain(value: Any) -> Any:
    """Lists and dicts in place of other collections."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
