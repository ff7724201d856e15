"""Azure's job files as espalier's: which they are, and command jobs of `az ml job`; `runconfig.py` has those of v1.

They become nodes of our own fields, at the places where Azure's stand. No value that a file holds becomes part of a
shell line: commands name variables, which have the values.
"""

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.base.paths import OUTPUTS
from espalier.base.scripts import input_variable
from espalier.environment.definition import Environment
from espalier.jobfile.environments import definition_value
from espalier.jobfile.kinds import map_of, misfit, path_of, text_of
from espalier.jobfile.near import unknown_name
from espalier.jobfile.reader import Node, bad_job, node_of
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
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:.*", re.DOTALL)
_BINDING = re.compile(r"\$\{\{\s*(inputs|outputs)\.([A-Za-z0-9_]+)\s*\}\}")
# Where quotes mean something else: comments, here-documents, commands within commands.
_UNCERTAIN = re.compile(r"<<|`|\$\(|\$'|(?:^|[\s;&|])#", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# How Azure names the variables of inputs; and where a job's outputs lie, which the runner sets.
_VALUE = "AZURE_ML_INPUT_"
_OUTPUTS = "AZUREML_OUTPUT_DIRECTORY"


def is_azure(node: Node) -> bool:
    """Whether a file's content is one of Azure's."""
    fields = node.fields or {}
    schema = fields.get("$schema")
    if schema is not None and schema.text:
        return "azuremlschemas" in schema.text
    environment = fields.get("environment")
    names_azure = environment is not None and (environment.text or "").startswith("azureml:")
    return is_runconfig(node) or ("script" not in fields and (names_azure or bool(_MARKS & set(fields))))


def translated(node: Node) -> Translated:
    """One of Azure's files as a file of ours, and what there is to tell.

    Raises:
        EspalierError: `bad_job_file`.
    """
    return translated_runconfig(node) if is_runconfig(node) else _command_job(node)


def _command_job(node: Node) -> Translated:
    given = {name: item for name, item in map_of(node, "a job").items() if item.content is not None}
    kind = given.get("type")
    if kind is not None and kind.text != "command":
        hint = "espalier reads jobs whose type is command."
        raise bad_job(kind.place, f"jobs of the type {shown(kind.text)} can't be read.", hint, "type")
    unknown = next((name for name in given if name not in _KNOWN), None)
    if unknown is not None:
        raise unknown_name(given[unknown], "", unknown, _KNOWN)
    ignored = [name for name in given if name in _IGNORED]
    found = {name: given[name] for name in _SAME if name in given}
    if "experiment_name" in given:
        found["experiment"] = given["experiment_name"]
    if "code" in given:
        found["source_directory"] = _local(given["code"], "code")
    if "compute" in given and text_of(given["compute"], "compute") not in ("local", "azureml:local"):
        ignored.append("compute")
    for name, item in _inner(given, "limits").items():
        if name == "timeout":
            found["limits"] = Node({"run_seconds": item}, given["limits"].place)
        else:
            ignored.append(f"limits.{name}")
    docker: Dict[str, Node] = {}
    for name, item in _inner(given, "resources").items():
        if name == "shm_size":
            docker[name] = item
        elif not (name == "instance_count" and item.content == 1):
            ignored.append(f"resources.{name}")
    needs_container = False
    if "environment" in given:
        found["environment"], needs_container = _environment(given["environment"])
    if needs_container or docker:
        place = given.get("resources", node).place
        found["docker"] = Node(docker, place, key=place) if docker else node_of(True, place)
    values = _inputs(given, found)
    outputs = _outputs(given, found, ignored)
    if "command" in given:
        found["command"] = _command(given["command"], values, outputs)
    return Node(found, node.place), note_on_ignored(node, ignored)


def _inner(given: Mapping[str, Node], name: str) -> Dict[str, Node]:
    """The fields of a part that have a value."""
    fields = map_of(given[name], name) if name in given else {}
    return {inner: item for inner, item in fields.items() if item.content is not None}


def _local(node: Node, where: str) -> Node:
    """A path, which isn't an address."""
    if _REMOTE.fullmatch(text_of(node, where)):
        hint = "Download what it names, and give its path. A file on the web: {url: ..., sha256: ...}."
        raise bad_job(node.place, f"`{where}` is {shown(node.text)}, which isn't a path on this machine.", hint, where)
    return node


def _inputs(given: Mapping[str, Node], found: Dict[str, Node]) -> Dict[str, str]:
    """Puts inputs where they belong: files among inputs, values among variables. The variable of each."""
    files: Dict[str, Node] = {}
    variables = dict(found["environment_variables"].fields or {}) if "environment_variables" in found else {}
    names = {}
    for name, item in _inner(given, "inputs").items():
        _check_name(item, "inputs", name)
        where = f"inputs.{name}"
        if item.fields is None:
            if item.items is not None:
                raise misfit(item, where, "a value, or have a path")
            names[name] = _VALUE + name
            variables[_VALUE + name] = Node(item.text, item.place, item.text, item.key)
        else:
            names[name] = input_variable(name)
            files[name] = _local(item.fields["path"], f"{where}.path") if "path" in item.fields else item
    if files:
        found["inputs"] = Node(files, given["inputs"].place)
    if names and variables:
        found["environment_variables"] = Node(variables, found.get("environment_variables", given["inputs"]).place)
    return names


def _outputs(given: Mapping[str, Node], found: Dict[str, Node], ignored: List[str]) -> Dict[str, bool]:
    """The names of the outputs, and whether each is a folder, which Azure makes before the job starts."""
    names: Dict[str, bool] = {}
    paths: Dict[str, Node] = {}
    for name, item in (map_of(given["outputs"], "outputs") if "outputs" in given else {}).items():
        _check_name(item, "outputs", name)
        fields = item.fields or {}
        kind = fields.get("type")
        names[name] = kind is None or kind.text != "uri_file"
        ignored += [f"outputs.{name}.{inner}" for inner in fields if inner not in ("type", "mode")]
        paths[name] = node_of(f"{OUTPUTS}/{name}", item.key or item.place)
    if paths:
        found["outputs"] = Node(paths, given["outputs"].place)
    return names


def _check_name(node: Node, where: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        hint = "It has letters, digits and `_`."
        raise bad_job(node.key or node.place, f"{shown(name)} can't be the name of one of {where}.", hint, where)


def _command(node: Node, inputs: Mapping[str, str], outputs: Mapping[str, bool]) -> Node:
    """The command as a line of the shell, where variables stand for inputs and outputs."""
    command = text_of(node, "command")
    if _BINDING.search(command) and _UNCERTAIN.search(command):
        message = "the command names inputs beside a comment, a here-document, or a command within a command."
        hint = "Put these lines into a script, and give it the inputs as arguments."
        raise bad_job(node.place, message, hint, "command")
    pieces, at = [f'mkdir -p "${{{_OUTPUTS}}}/{name}" && ' for name, is_folder in outputs.items() if is_folder], 0
    for binding, quote in _bindings(command):
        kind, name = binding.groups()
        if name not in (inputs if kind == "inputs" else outputs):
            raise bad_job(node.place, f"the command names {binding[0]}, which isn't among the {kind}.", "", "command")
        variable = f"${{{inputs[name]}}}" if kind == "inputs" else f"${{{_OUTPUTS}}}/{name}"
        around = {"": ('"', '"'), '"': ("", ""), "'": ("'\"", "\"'")}[quote]
        pieces += [command[at : binding.start()], around[0], variable, around[1]]
        at = binding.end()
    pieces.append(command[at:])
    if "${{" in "".join(pieces):
        raise bad_job(node.place, "the command has a `${{...}}` that isn't an input or output.", "", "command")
    text = "".join(pieces)
    return Node(text, node.place, text, node.key)


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


class _Base(NamedTuple):
    """What an environment of Azure begins with."""

    image: Optional[Node]
    build: Optional[Node]
    conda: Optional[Node]


def _environment(node: Node) -> Tuple[Node, bool]:
    """An environment, and whether it is one of a container."""
    if node.fields is None:
        reference = _REFERENCE.fullmatch(text_of(node, "environment"))
        if reference is None:
            raise misfit(node, "environment", "the name of an environment")
        name, version = reference.groups()
        return node_of({"name": name, "version": version} if version else {"name": name}, node.place), False
    fields = {name: item for name, item in node.fields.items() if item.content is not None}
    base = _Base(fields.get("image"), fields.get("build"), fields.get("conda_file"))
    try:
        environment = _definition(base, node)
    except EspalierError as error:
        if error.code == "bad_job_file":
            raise
        raise bad_job(node.place, f"environment: {error.message}", error.hint, "environment") from None
    return node_of(definition_value(environment, has_name=False), node.place), environment.docker is not None


def _definition(base: _Base, node: Node) -> Environment:
    conda = path_of(base.conda, "environment.conda_file") if base.conda is not None else None
    if base.build is not None:
        fields = map_of(base.build, "environment.build")
        if "path" not in fields:
            raise bad_job(base.build.place, "`environment.build.path` is missing.")
        folder = path_of(_local(fields["path"], "environment.build.path"), "environment.build.path")
        dockerfile = fields.get("dockerfile_path")
        name = text_of(dockerfile, "environment.build.dockerfile_path") if dockerfile is not None else "Dockerfile"
        return Environment.from_docker_build_context("job", folder, name, conda)
    if base.image is not None:
        return Environment.from_docker_image("job", text_of(base.image, "environment.image"), conda_specification=conda)
    if conda is not None:
        return Environment.from_conda_specification("job", conda)
    raise misfit(node, "environment", "a name, or have image, build or conda_file")
