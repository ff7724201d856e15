"""Run configurations of Azure's first SDK (`.azureml/<name>.runconfig`) as files of ours."""

import os
import re
import shlex
from typing import Any, Dict, List, Optional, Sequence, Tuple

from espalier.base.model.codec import Wrong, shown
from espalier.environment.definition import Environment
from espalier.environment.python_sources import conda_environment
from espalier.jobfile.document import Document, Way, as_written
from espalier.jobfile.environments import definition_value

Translated = Tuple[Document, List[str]]
_MARKS = {
    "framework", "communicator", "node_count", "history", "data_references", "source_directory_data_store",
}  # fmt: skip
_FOLDERS = (".azureml", "aml_config")
_ASK_NOTHING = (None, "", "None", "null", "python")
_PYTHON = ("environment", "python")


def is_runconfig(document: Document) -> bool:
    """Whether a file's content is a run configuration."""
    names = document.values if isinstance(document.values, dict) else ()
    return document.path.endswith(".runconfig") or bool(_MARKS & set(map(_snake, names)))


def translated_runconfig(document: Document) -> Translated:
    """A run configuration as a file of ours, and what there is to tell. Raises EspalierError: `bad_job_file`."""
    places = {_renamed_way(way): spot for way, spot in document.places.items()}
    run = Document(document.path, _renamed(document.values), places)
    if isinstance(run.get("environment"), str):
        run.values["environment"] = {"python": {"conda_dependencies_file": run.get("environment")}}
    if not isinstance(run.get("docker"), dict):
        run.values.pop("docker", None)
    given, container, asked = run.part(), run.part("docker"), run.part("environment", "docker")
    names = ("script", "command", "arguments", "environment_variables")
    found = {name: given.pop(name) for name in names if given.get(name) not in (None, "", [], {})}
    if isinstance(found.get("arguments"), str):
        with run.at("arguments"):
            found["arguments"] = _split(found["arguments"])
    if "max_run_duration_seconds" in given:
        found["limits"] = {"run_seconds": given.pop("max_run_duration_seconds")}
    found["source_directory"] = project = _project(run.folder)
    is_container = "use_docker" in container and run.read(bool, "docker", "use_docker")
    is_container |= "enabled" in asked and run.read(bool, "environment", "docker", "enabled")
    if given.pop("environment", None):
        with run.at("environment"):
            environment = _environment(run, is_container, project)
        if environment is not None:
            found["environment"] = definition_value(environment, has_name=False)
        is_container &= environment is not None and environment.docker is not None
        variables = run.part("environment", "environment_variables")
        if variables:
            found["environment_variables"] = {**variables, **run.part("environment_variables")}
    if is_container:
        size = container.get("shm_size", asked.get("shm_size"))
        found["docker"] = True if size is None else {"shm_size": size}
    ignored = [name for name, item in given.items() if name != "docker" and _means_something(item)]
    if given.get("target") == "local":
        ignored.remove("target")
    moved = run.translated(found, {("limits", "run_seconds"): ("max_run_duration_seconds",)})
    return moved, note_on_ignored(document, ignored)


def note_on_ignored(document: Document, names: Sequence[str]) -> List[str]:
    """What to tell of fields that have no meaning here: one note for all of them."""
    if not names:
        return []
    listed = ", ".join(name if name.isascii() and name.isprintable() else ascii(name) for name in names)
    path = document.path if document.path.isprintable() else ascii(document.path)
    return [f"{os.path.basename(path)}: these fields have no meaning on this machine and were left out: {listed}."]


def _snake(name: Any) -> Any:
    """A name as `node_count`; files have `nodeCount`, too."""
    return re.sub("([A-Z])", r"_\1", name).lower() if isinstance(name, str) else name


def _renamed(value: Any, holder: str = "") -> Any:
    """A value with such names, but for those of variables."""
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, dict) or holder == "environment_variables":
        return value
    return {_snake(name): _renamed(item, _snake(name)) for name, item in value.items()}


def _renamed_way(way: Way) -> Way:
    names = tuple(map(_snake, way))
    last = names.index("environment_variables") + 1 if "environment_variables" in names else len(way)
    return (*names[:last], *way[last:])


def _means_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_means_something, value.values()))
    return bool(value) if isinstance(value, list) else value not in (None, "None", "false", "0", "1")


def _project(folder: str) -> str:
    """The folder whose jobs a run configuration describes."""
    return os.path.dirname(folder) if os.path.basename(folder) in _FOLDERS else folder


def _split(text: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Wrong(f"can't be split into words: {error}", hint="Write a list.") from None


def _environment(run: Document, is_container: bool, project: str) -> Optional[Environment]:
    """The environment that is described; None where the session's serves."""
    sides = {"r": _r_side(run), "python": _python_side(run, is_container, project)}
    sides["docker"] = _docker_side(run) if is_container else None
    environment = Environment.from_mapping({"name": "job", **{name: side for name, side in sides.items() if side}})
    asks = environment.r is not None or environment.python is not None or environment.docker is not None
    return environment if asks else None


def _docker_side(run: Document) -> Dict[str, Any]:
    given = run.part("environment", "docker")
    side: Dict[str, Any] = {
        name: as_written(given[name]) for name in ("base_image", "base_dockerfile") if name in given
    }
    address = run.get("environment", "docker", "base_image_registry", "address")
    return {**side, "registry": {"address": str(address)}} if address else side


def _r_side(run: Document) -> Dict[str, Any]:
    given: Dict[str, Any] = as_written(run.part("environment", "r"))
    names = {
        "r_version": "version", "rscript_path": "rscript_path", "snapshot_date": "snapshot_date",
        "custom_url_packages": "urls", "bio_conductor_packages": "bioconductor",
    }  # fmt: skip
    side = {names[name]: item for name, item in given.items() if name in names}
    for name, fields in (("cran", ("name", "version", "repository")), ("github", ("repository",))):
        rows = [row for row in given.get(f"{name}_packages") or () if isinstance(row, dict)]
        side[name] = [{field: row[field] for field in fields if field in row} for row in rows]
    return {name: value for name, value in side.items() if value}


def _python_side(run: Document, is_container: bool, project: str) -> Any:
    given = run.part(*_PYTHON)
    if "user_managed_dependencies" in given and run.read(bool, *_PYTHON, "user_managed_dependencies"):
        program = as_written(given.get("interpreter_path"))
        if program in _ASK_NOTHING or is_container:
            return None
        # (a relative path begins at the project)
        return {"interpreter_path": os.path.join(project, program) if os.sep in program else program}
    if "conda_dependencies_file" in given:
        path = os.path.join(project, run.read(str, *_PYTHON, "conda_dependencies_file"))
        return _side_of(Environment.from_conda_specification("job", path))
    if "conda_dependencies" in given:

        def refuse(where: str, name: str) -> Tuple[str, str]:
            raise Wrong(f"names the file {shown(name)}", hint="Name packages.")

        with run.at(*_PYTHON, "conda_dependencies"):
            values = as_written(run.get(*_PYTHON, "conda_dependencies"))
            return _side_of(conda_environment("job", values, "conda_dependencies", refuse))
    return None


def _side_of(environment: Environment) -> Any:
    record = environment.record()["python"]
    return {name: value for name, value in record.items() if value} if record else None
