"""Definitions from files of others, and of our own; the part of this room that reads them."""

import codecs
import json
import os
import re
from dataclasses import replace
from typing import Any, List, Mapping, Optional

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.base.os_errors import disk_full, is_full
from espalier.base.records import make_folders, replace_file
from espalier.environment.definition import BuildContext, DockerSide, Environment, PythonSide, Registry
from espalier.environment.python_sources import Reader, Requirements, conda_environment, conda_side, read_requirements
from espalier.environment.r_sources import r_side, renv_sides
from espalier.environment.spelling import invalid
from espalier.environment.text import environment_as_text, environment_from_text, read_yaml, stages_as_text

LARGEST = 4 << 20
# What `save_to_directory` writes.
DEFINITION = "espalier-environment.yml"
DOCKERFILE = "Dockerfile"


def read_text(path: str) -> str:
    """A file of text. Raises EspalierError: `environment_invalid` when there is none, it is too large, or no text."""
    where = os.path.expanduser(path)
    try:
        fd = os.open(where, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # (a pipe would wait for ever)
        with open(fd, "rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name is invalid"
        raise invalid(_shown_path(path), f"can't be read: {reason}.") from None
    if len(data) > LARGEST:
        raise invalid(_shown_path(path), f"is larger than {LARGEST >> 20} MB.")
    try:
        # (PowerShell's `pip freeze > requirements.txt` writes UTF-16)
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError:
        raise invalid(_shown_path(path), "isn't text in UTF-8 or UTF-16.", "Save it as UTF-8.") from None


def from_yaml(path: str) -> Environment:
    """A definition from a file of its YAML."""
    return environment_from_text(read_text(path), _shown_path(path))


def to_yaml(environment: Environment, path: str) -> None:
    """Writes a definition as YAML. Raises EspalierError: `bad_argument` when the file cannot be written."""
    write_text(path, environment_as_text(environment))


def from_conda_specification(name: str, path: str) -> Environment:
    """A definition from a conda specification, `environment.yml`, with its pip part."""
    return conda_environment(name, read_yaml(read_text(path), _shown_path(path)), path, _reader(path))


def from_pip_requirements(name: str, path: str) -> Environment:
    """A definition from a requirements file, with those it names by `-r`, its indexes and hashes."""
    return Environment(name, python=_requirements(path).side())


def from_docker_image(
    name: str, image: str, registry: Optional[Registry] = None, conda_specification: Optional[str] = None,
    pip_requirements: Optional[str] = None,
) -> Environment:  # fmt: skip
    """A definition from an image; without conda and pip files what is in it is used."""
    docker = DockerSide(base_image=image, registry=registry)
    return Environment(name, python=_python(name, conda_specification, pip_requirements), docker=docker)


def from_dockerfile(
    name: str, dockerfile: str, conda_specification: Optional[str] = None, pip_requirements: Optional[str] = None
) -> Environment:
    """A definition from a Dockerfile: its text, or the file."""
    is_text = "\n" in dockerfile or re.match(r"\s*(?:FROM|ARG)\s", dockerfile, re.IGNORECASE) is not None
    text = dockerfile if is_text else read_text(dockerfile)
    python = _python(name, conda_specification, pip_requirements)
    return Environment(name, python=python, docker=DockerSide(base_dockerfile=text))


def from_docker_build_context(
    name: str, folder: str, dockerfile: str = "Dockerfile", conda_specification: Optional[str] = None,
    pip_requirements: Optional[str] = None,
) -> Environment:  # fmt: skip
    """A definition from a folder with a Dockerfile. The folder is frozen when the environment is used."""
    where = os.path.abspath(os.path.expanduser(folder))
    context = BuildContext(where, dockerfile=dockerfile)
    if not os.path.isfile(os.path.join(where, dockerfile)):
        raise invalid("docker.build_context", f"has no file {shown(dockerfile)} in {_shown_path(where)}.")
    python = _python(name, conda_specification, pip_requirements)
    return Environment(name, python=python, docker=DockerSide(build_context=context))


def from_renv_lockfile(name: str, path: str) -> Environment:
    """A definition from a renv.lock: R's version, the repositories, and each package as it is locked."""
    try:
        lock = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise invalid(_shown_path(path), f"isn't a renv.lock: {_reason(error)}.") from None
    r, python = renv_sides(lock, _shown_path(path))
    return Environment(name, r=r, python=python)


def from_session(
    name: str, packages: List[Mapping[str, Any]], r_version: str, repositories: Mapping[str, str]
) -> Environment:
    """A definition from packages with the fields of their DESCRIPTION, as a session has them."""
    return Environment(name, r=r_side(packages, r_version, dict(repositories), "The session"))


def from_existing_conda_environment(name: str, environment: str) -> Environment:
    """A definition from an installed environment of conda: its folder, or its name."""
    prefix = _prefix(environment)
    meta = os.path.join(prefix, "conda-meta")
    try:
        files = sorted(file for file in os.listdir(meta) if file.endswith(".json"))
    except OSError:
        raise invalid(_shown_path(environment), "isn't a conda environment: it has no conda-meta.") from None
    records = []
    for file in files:
        try:
            records.append(json.loads(read_text(os.path.join(meta, file))))
        except ValueError:
            raise invalid(_shown_path(os.path.join(meta, file)), "can't be read.") from None
    return replace(conda_side(records, _by_pip(prefix), _shown_path(prefix)), name=name)


def save_to_directory(environment: Environment, path: str, overwrite: bool = False) -> List[str]:
    """Writes a definition into a folder: its YAML, which `load_from_directory` reads, and a Dockerfile to look at.
    Raises EspalierError: `file_exists`; `bad_argument` when they cannot be written."""
    folder = os.path.abspath(os.path.expanduser(path))
    files = {DEFINITION: environment_as_text(environment), DOCKERFILE: stages_as_text(environment)}
    there = [name for name in files if os.path.lexists(os.path.join(folder, name))]
    if there and not overwrite:
        raise EspalierError(
            "file_exists",
            f"Can't write {os.path.join(folder, there[0])}: it exists already.",
            "Set `overwrite` to replace it.",
            path=folder,
        )
    try:
        make_folders(folder)
    except OSError as error:
        if is_full(error):
            raise disk_full(folder, error) from None
        raise EspalierError("bad_argument", f"Can't create {folder}: {error.strerror}.") from error
    for name, text in files.items():
        write_text(os.path.join(folder, name), text)
    return [os.path.join(folder, name) for name in files]


def load_from_directory(path: str) -> Environment:
    """The definition that `save_to_directory` wrote into a folder."""
    return from_yaml(os.path.join(path, DEFINITION))


def _python(name: str, conda_specification: Optional[str], pip_requirements: Optional[str]) -> Optional[PythonSide]:
    """The Python side of a conda specification, a requirements file, or both."""
    if conda_specification is None:
        return None if pip_requirements is None else _requirements(pip_requirements).side()
    side = from_conda_specification(name, conda_specification).python
    if pip_requirements is not None:
        if side is not None and (side.pip or side.index_url):
            raise invalid("python.pip", "is in the conda specification and in the requirements file.", "Give one.")
        return _requirements(pip_requirements).side(conda=side.conda if side else None)
    return side


def _requirements(path: str) -> Requirements:
    return read_requirements(read_text(path).splitlines(), _shown_path(path), _reader(path))


def _reader(top: str) -> Reader:
    """Reads files that requirements files name: beside the first of them, or below; nothing else of this machine."""
    root = os.path.realpath(os.path.dirname(os.path.abspath(os.path.expanduser(top))))

    def read(where: str, name: str) -> "tuple[str, str]":
        if "://" in name:
            raise invalid(_shown_path(where), "names a requirements file by a URL.", "Download it, and name the file.")
        path = os.path.realpath(os.path.join(os.path.dirname(os.path.expanduser(where)), name))
        if not path.startswith(os.path.join(root, "")):
            raise invalid(
                _shown_path(where), f"names {shown(name)}, which lies outside of {_shown_path(root)}.",
                "A requirements file may name others beside it or below.",
            )  # fmt: skip
        return path, read_text(path)

    return read


def _prefix(environment: str) -> str:
    """The folder of an environment of conda, which may be given by its name."""
    if os.sep in environment or os.path.isdir(environment):
        return os.path.abspath(os.path.expanduser(environment))
    known: List[str] = []
    try:
        known = read_text("~/.conda/environments.txt").splitlines()
    except EspalierError:
        known = []
    found = [path for path in known if os.path.basename(path) == environment]
    if not found:
        raise invalid(shown(environment), "isn't the name of a conda environment on this machine.", "Give its folder.")
    return found[0]


def _by_pip(prefix: str) -> List[str]:
    """What pip installed into a prefix, `name==version`."""
    found = []
    library = os.path.join(prefix, "lib")
    for python in sorted(os.listdir(library)) if os.path.isdir(library) else []:
        packages = os.path.join(library, python, "site-packages")
        if not python.startswith("python") or not os.path.isdir(packages):
            continue
        for entry in sorted(os.listdir(packages)):
            name = re.fullmatch(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)\.dist-info", entry)
            installer = os.path.join(packages, entry, "INSTALLER")
            if name and os.path.isfile(installer) and read_text(installer).strip() == "pip":
                found.append(f"{name.group(1)}=={name.group(2)}")
    return found


def write_text(path: str, text: str) -> None:
    """Replaces a file by a text. Raises EspalierError: `bad_argument` when it cannot be written."""
    where = os.path.abspath(os.path.expanduser(path))
    try:
        replace_file(where, text.encode("utf-8"), os.path.dirname(where))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and is_full(error):
            raise disk_full(where, error) from None
        reason = error.strerror if isinstance(error, OSError) else "the name is invalid"
        raise EspalierError("bad_argument", f"Can't write {_shown_path(path)}: {reason}.", path=where) from None


def _shown_path(path: str) -> str:
    return path if path.isprintable() else ascii(path)


def _reason(error: BaseException) -> str:
    text = str(error)
    return text if text.isprintable() else ascii(text)
