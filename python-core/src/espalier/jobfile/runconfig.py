"""Run configurations of Azure's first SDK (`.azureml/<name>.runconfig`) as files of ours."""

import os
import re
import shlex
from typing import Any, Dict, List, Optional, Sequence, Tuple

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.environment.definition import Environment
from espalier.environment.python_sources import conda_environment
from espalier.jobfile.environments import definition_value
from espalier.jobfile.kinds import all_text_of, flag_of, map_of, text_of
from espalier.jobfile.reader import Node, Place, bad_job, node_of

Translated = Tuple[Node, List[str]]
_MARKS = {
    "framework", "communicator", "node_count", "history", "data_references", "source_directory_data_store",
}  # fmt: skip
_FOLDERS = (".azureml", "aml_config")
_ASK_NOTHING = ("", "None", "null", "python")


def is_runconfig(node: Node) -> bool:
    """Whether a file's content is a run configuration."""
    return node.place.path.endswith(".runconfig") or bool(_MARKS & set(_snake(node)))


def translated_runconfig(node: Node) -> Translated:
    """A run configuration as a file of ours, and what there is to tell.

    Raises:
        EspalierError: `bad_job_file`.
    """
    given = _snake(node)
    found: Dict[str, Node] = {}
    for name in ("arguments", "command", "environment_variables"):
        if name in given and given[name].content not in ([], {}, ""):
            found[name] = given.pop(name)
    if given.get("script", node).text:
        found["script"] = given.pop("script")
    if "arguments" in found and found["arguments"].text is not None:
        found["arguments"] = _split(found["arguments"])
    if "max_run_duration_seconds" in given:
        found["limits"] = Node({"run_seconds": given.pop("max_run_duration_seconds")}, node.place)
    project = _project(node.place)
    found["source_directory"] = node_of(project, node.place)
    container = _snake(given.pop("docker", Node(None, node.place)))
    asked = given.pop("environment", Node(None, node.place))
    is_container = "use_docker" in container and flag_of(container["use_docker"], "docker.useDocker")
    if asked.text is not None and asked.content is not None:
        asked = Node({"python": Node({"condaDependenciesFile": asked}, asked.place)}, asked.place)
    if asked.fields is not None:
        inner = _snake(asked)
        docker = _snake(inner.get("docker", asked))
        is_container |= "enabled" in docker and flag_of(docker["enabled"], "environment.docker.enabled")
        environment = _environment(inner, is_container, project, asked)
        if environment is not None:
            found["environment"] = node_of(definition_value(environment, has_name=False), asked.place)
        is_container &= environment is not None and environment.docker is not None
        variables = inner.get("environment_variables")
        if variables is not None and variables.fields:
            own = found.get("environment_variables", variables)
            found["environment_variables"] = Node({**variables.fields, **(own.fields or {})}, own.place)
        container = {**docker, **container}
    if is_container:
        options = {name: container[name] for name in ("shm_size",) if name in container}
        found["docker"] = Node(options, node.place) if options else node_of(True, node.place)
    if given.get("target", node).text == "local":
        given.pop("target")
    return Node(found, node.place), note_on_ignored(node, [name for name in given if _means_something(given[name])])


def note_on_ignored(node: Node, names: Sequence[str]) -> List[str]:
    """What to tell of fields that have no meaning here: one note for all of them."""
    if not names:
        return []
    listed = ", ".join(name if name.isascii() and name.isprintable() else ascii(name) for name in names)
    path = node.place.path if node.place.path.isprintable() else ascii(node.place.path)
    return [f"{os.path.basename(path)}: these fields have no meaning on this machine and were left out: {listed}."]


def _snake(node: Node) -> Dict[str, Node]:
    """The fields that say something, by names as `node_count`; files have them as `nodeCount`, too."""
    fields = (node.fields or {}).items()
    return {re.sub("([A-Z])", r"_\1", name).lower(): item for name, item in fields if item.content is not None}


def _means_something(node: Node) -> bool:
    if node.fields is not None:
        return any(map(_means_something, node.fields.values()))
    return bool(node.items) if node.items is not None else node.text not in ("None", "false", "0", "1")


def _project(place: Place) -> str:
    """The folder whose jobs a run configuration describes."""
    folder = place.folder
    return os.path.dirname(folder) if os.path.basename(folder) in _FOLDERS else folder


def _split(node: Node) -> Node:
    try:
        return node_of(shlex.split(text_of(node, "arguments")), node.place)
    except ValueError as error:
        raise bad_job(node.place, f"`arguments` can't be split into words: {error}.", "Write a list.") from None


def _environment(given: Dict[str, Node], is_container: bool, project: str, node: Node) -> Optional[Environment]:
    """The environment that is described; None where the session's serves."""
    docker = _docker_side(_snake(given["docker"])) if "docker" in given and is_container else None
    values = {"name": "job", "r": _r_side(_snake(given["r"])) if "r" in given else None, "docker": docker}
    try:
        values["python"] = _python_side(_snake(given["python"]), is_container, project) if "python" in given else None
        environment = Environment.from_mapping({name: value for name, value in values.items() if value})
    except EspalierError as error:
        if error.code == "bad_job_file":
            raise
        raise bad_job(node.place, f"environment: {error.message}", error.hint, "environment") from None
    asks = environment.r is not None or environment.python is not None or environment.docker is not None
    return environment if asks else None


def _docker_side(given: Dict[str, Node]) -> Dict[str, Any]:
    names: Sequence[str] = ("base_image", "base_dockerfile")
    side: Dict[str, Any] = {name: text_of(given[name], name) for name in names if name in given}
    address = _snake(given["base_image_registry"]).get("address") if "base_image_registry" in given else None
    if address is not None and address.text:
        side["registry"] = {"address": address.text}
    return side


def _r_side(given: Dict[str, Node]) -> Dict[str, Any]:
    names = {
        "r_version": "version", "rscript_path": "rscript_path", "snapshot_date": "snapshot_date",
        "custom_url_packages": "urls", "bio_conductor_packages": "bioconductor",
    }  # fmt: skip
    side = {names[name]: all_text_of(item) for name, item in given.items() if name in names}
    for name, fields in (("cran", ("name", "version", "repository")), ("github", ("repository",))):
        packages = given.get(f"{name}_packages")
        if packages is not None:
            rows = [_snake(item) for item in packages.items or []]
            side[name] = [{field: row[field].text for field in fields if field in row} for row in rows]
    return {name: value for name, value in side.items() if value}


def _python_side(given: Dict[str, Node], is_container: bool, project: str) -> Any:
    managed = given.get("user_managed_dependencies")
    if managed is not None and flag_of(managed, "environment.python.userManagedDependencies"):
        program = given.get("interpreter_path")
        is_named = program is not None and program.text not in _ASK_NOTHING and not is_container
        return {"interpreter_path": program.text} if is_named and program is not None else None
    file, inline = given.get("conda_dependencies_file"), given.get("conda_dependencies")
    if file is not None:
        path = os.path.join(project, text_of(file, "environment.python.condaDependenciesFile"))
        return _side_of(Environment.from_conda_specification("job", path))
    if inline is not None:
        map_of(inline, "environment.python.condaDependencies")

        def refuse(where: str, name: str) -> Tuple[str, str]:
            raise bad_job(inline.place, f"condaDependencies name the file {shown(name)}.", "Name packages.")

        return _side_of(conda_environment("job", all_text_of(inline), "condaDependencies", refuse))
    return None


def _side_of(environment: Environment) -> Any:
    record = environment.record()["python"]
    return {name: value for name, value in record.items() if value} if record else None
