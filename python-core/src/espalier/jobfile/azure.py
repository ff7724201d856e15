"""Azure's job files as espalier's: which they are, and command jobs of `az ml job`; `runconfig.py` has those of v1.

They become values of our own fields, each with the place where Azure's stands. No value that a file holds becomes part
of a shell line: commands name variables, which have the values.
"""

import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

from espalier.base.model.codec import Wrong, refuse_unknown
from espalier.base.paths import OUTPUTS
from espalier.base.scripts import input_variable
from espalier.environment.definition import Environment
from espalier.jobfile.document import Document, Way
from espalier.jobfile.environments import definition_value
from espalier.jobfile.runconfig import Translated, is_runconfig, note_on_ignored, translated_runconfig

_MARKS = {"type", "code", "compute", "experiment_name", "distribution", "services", "identity"}
_SAME = ("display_name", "tags", "environment_variables")
_IGNORED = {
    "name", "description", "properties", "services", "identity", "queue_settings", "distribution", "parent_job_name",
    "priority", "id", "version",
}  # fmt: skip
_KNOWN = {
    "$schema", "type", "code", "compute", "command", "environment", "experiment_name", "inputs", "outputs", "limits",
    "resources", *_SAME, *_IGNORED,
}  # fmt: skip
_REFERENCE = re.compile(
    r"(?:azureml://registries/[^/]+/environments?/|azureml:)?([^/:@]+)"
    r"(?:(?:/versions/|:)([^/:@]+)|(?:/labels/|@)latest)?"
)
# What the names of Azure's own environments begin with.
_CURATED = "azureml"
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:.*", re.DOTALL)
_BINDING = re.compile(r"\$\{\{\s*(inputs|outputs)\.([A-Za-z0-9_]+)\s*\}\}")
# Where quotes mean something else: comments, here-documents, commands within commands.
_UNCERTAIN = re.compile(r"<<|`|\$\(|\$'|(?:^|[\s;&|])#", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Where our fields come from that have another name.
_ORIGINS: Dict[Way, Way] = {
    ("experiment",): ("experiment_name",), ("source_directory",): ("code",), ("docker",): ("resources",),
    ("docker", "shm_size"): ("resources", "shm_size"), ("limits", "run_seconds"): ("limits", "timeout"),
}  # fmt: skip
# How Azure names the variables of inputs; and where a job's outputs lie, which the runner sets.
_VALUE = "AZURE_ML_INPUT_"
_OUTPUTS = "AZUREML_OUTPUT_DIRECTORY"


def is_azure(document: Document) -> bool:
    """Whether a file's content is one of Azure's."""
    fields = document.values if isinstance(document.values, dict) else {}
    schema, environment = fields.get("$schema"), fields.get("environment")
    if isinstance(schema, str) and schema:
        return "azuremlschemas" in schema
    names_azure = isinstance(environment, str) and environment.startswith("azureml:")
    return is_runconfig(document) or ("script" not in fields and (names_azure or bool(_MARKS & set(fields))))


def translated(document: Document) -> Translated:
    """One of Azure's files as a file of ours, and what there is to tell. Raises EspalierError: `bad_job_file`."""
    return translated_runconfig(document) if is_runconfig(document) else _command_job(document)


def _command_job(job: Document) -> Translated:
    given, limits, resources = job.part(), job.part("limits"), job.part("resources")
    with job.at("type"):
        if given.get("type", "command") != "command":
            raise Wrong("must be command", given["type"])
    with job.at():
        refuse_unknown(given, sorted(_KNOWN))
    found = {name: given[name] for name in _SAME if name in given}
    if "experiment_name" in given:
        found["experiment"] = given["experiment_name"]
    if "code" in given:
        found["source_directory"] = _local(job, "code")
    if "timeout" in limits:
        found["limits"] = {"run_seconds": limits["timeout"]}
    if "shm_size" in resources:
        found["docker"] = {"shm_size": resources["shm_size"]}
    if "environment" in given:
        with job.at("environment"):
            environment = _environment(job)
        if environment is not None:
            found["environment"] = environment
            if environment.get("docker"):
                found.setdefault("docker", True)
    origins = dict(_ORIGINS)
    outputs = _outputs(job)
    if outputs:
        found["outputs"] = {name: f"{OUTPUTS}/{name}" for name in outputs}
    words = {
        "inputs": _inputs(job, found, origins),
        "outputs": {name: f"${{{_OUTPUTS}}}/{name}" for name in outputs},
    }
    # (Azure makes folders before the job starts)
    folders = [words["outputs"][name] for name, item in outputs.items() if item.get("type") != "uri_file"]
    if "command" in given:
        with job.at("command"):
            command = _shell(job.read(str, "command"), words)
            found["command"] = "".join(f'mkdir -p "{folder}" && ' for folder in folders) + command
    return job.translated(found, origins), note_on_ignored(job, _ignored(job, outputs))


def _ignored(job: Document, outputs: Mapping[str, Mapping[str, Any]]) -> List[str]:
    """The fields that have no meaning here."""
    given = job.part()
    names = [name for name in given if name in _IGNORED]
    names += ["environment"] if "environment" in given and _environment(job) is None else []
    if "compute" in given and job.read(str, "compute") not in ("local", "azureml:local"):
        names.append("compute")
    names += [f"limits.{name}" for name in job.part("limits") if name != "timeout"]
    for name, item in job.part("resources").items():
        if name != "shm_size" and (name, item) != ("instance_count", "1"):
            names.append(f"resources.{name}")
    for name, fields in outputs.items():
        names += [f"outputs.{name}.{inner}" for inner in fields if inner not in ("type", "mode")]
    return names


def _local(job: Document, *way: str) -> str:
    """A path, which isn't an address."""
    path: str = job.read(str, *way)
    with job.at(*way):
        if _REMOTE.fullmatch(path):
            hint = "Download what it names, and give its path. A file on the web: {url: ..., sha256: ...}."
            raise Wrong("isn't a path on this machine: it is", path, hint=hint)
    return path


def _inputs(job: Document, found: Dict[str, Any], origins: Dict[Way, Way]) -> Dict[str, str]:
    """Puts files among inputs, and values among variables; the word of the shell for each."""
    words, files, variables = {}, {}, {}
    if job.get("environment_variables") is not None:
        variables = job.read(Mapping[str, str], "environment_variables")
    for name, item in job.part("inputs").items():
        _check_name(job, "inputs", name)
        if isinstance(item, dict):
            files[name] = _local(job, "inputs", name, "path") if "path" in item else item
            origins[("inputs", name)] = ("inputs", name, "path") if "path" in item else ("inputs", name)
            words[name] = f"${{{input_variable(name)}}}"
        else:
            variables[_VALUE + name] = job.read(str, "inputs", name)
            origins[("environment_variables", _VALUE + name)] = ("inputs", name)
            words[name] = f"${{{_VALUE}{name}}}"
    found.update({name: part for name, part in (("inputs", files), ("environment_variables", variables)) if part})
    return words


def _outputs(job: Document) -> Dict[str, Dict[str, Any]]:
    """The fields of each output."""
    given = job.read(Mapping[str, Any], "outputs") if job.get("outputs") is not None else {}
    for name in given:
        _check_name(job, "outputs", name)
    return {name: item if isinstance(item, dict) else {} for name, item in given.items()}


def _check_name(job: Document, where: str, name: str) -> None:
    with job.at(where):
        if not _NAME.fullmatch(name):
            raise Wrong("can't be the name of one", hint="It has letters, digits and `_`.").named(name)


def _shell(command: str, words: Mapping[str, Mapping[str, str]]) -> str:
    """A command as a line of the shell, where variables stand for inputs and outputs."""
    if _BINDING.search(command) and _UNCERTAIN.search(command):
        hint = "Put these lines into a script, and give it the inputs as arguments."
        raise Wrong("names inputs beside a comment, a here-document, or a command within a command", hint=hint)
    pieces, at = [], 0
    for binding, quote in _bindings(command):
        kind, name = binding.groups()
        if name not in words[kind]:
            raise Wrong(f"names {binding[0]}, which isn't among the {kind}")
        around = {"": ('"', '"'), '"': ("", ""), "'": ("'\"", "\"'")}[quote]
        pieces += [command[at : binding.start()], around[0], words[kind][name], around[1]]
        at = binding.end()
    line = "".join([*pieces, command[at:]])
    if "${{" in line:
        raise Wrong("has a `${{...}}` that isn't an input or output")
    return line


def _bindings(command: str) -> List[Tuple["re.Match[str]", str]]:
    """Where a command names inputs and outputs, each with the quote that it stands in."""
    found, at, quote = [], 0, ""
    while at < len(command):
        binding = _BINDING.match(command, at)
        if binding is not None:
            found.append((binding, quote))
            at = binding.end()
            continue
        sign = command[at]
        if sign == "\\" and quote != "'":
            at += 1
        elif sign in "'\"" and quote in ("", sign):
            quote = "" if quote else sign
        at += 1
    return found


def _environment(job: Document) -> Optional[Dict[str, Any]]:
    """The environment; None for one of those that Azure keeps, which a job here does without."""
    if isinstance(job.get("environment"), str):
        reference = _REFERENCE.fullmatch(job.read(str, "environment"))
        if reference is None:
            raise Wrong("must be the name of an environment", job.get("environment"))
        name, version = reference.groups()
        if name.lower().startswith(_CURATED):
            return None
        return {"name": name, "version": version} if version else {"name": name}
    return definition_value(_definition(job), has_name=False)


def _definition(job: Document) -> Environment:
    given = job.part("environment")
    conda = job.file("environment", "conda_file") if "conda_file" in given else None
    if "build" in given:
        dockerfile = job.part("environment", "build").get("dockerfile_path", "Dockerfile")
        _local(job, "environment", "build", "path")
        folder = job.file("environment", "build", "path")
        return Environment.from_docker_build_context("job", folder, str(dockerfile), conda)
    if "image" in given:
        image = job.read(str, "environment", "image")
        return Environment.from_docker_image("job", image, conda_specification=conda)
    if conda is not None:
        return Environment.from_conda_specification("job", conda)
    raise Wrong("must be a name, or have image, build or conda_file")
