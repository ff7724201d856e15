"""Environments registered in a workspace (`store/versions.py`), and those that come with espalier."""

from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.records import seconds_of
from espalier.base.types import Frame
from espalier.environment.definition import CranPackage, Environment, PythonSide, RSide
from espalier.environment.spelling import environment_name
from espalier.store.versions import LATEST, Kind, Versions

_KIND = Kind(
    "environment", "environment_missing", "environment_damaged", "See list_environments(), or register_environment().",
    lambda definition: Environment.from_mapping(definition).record(),
)  # fmt: skip
_LISTED = {
    "name": "string", "version": "string", "versions": "integer", "kind": "string", "description": "string",
    "registered_at": "time", "curated": "logical",
}  # fmt: skip
_VERSIONS = {"version": "string", "kind": "string", "description": "string", "registered_at": "time"}


def register(paths: WorkspacePaths, environment: Environment) -> Environment:
    """Registers an environment, unless its newest version is equal to it.

    Args:
        environment: A definition, its build context frozen (`context.py`). A version that it has counts only where the
            registered one of that number is equal to it; so none can be left out, and none be the last.

    Returns:
        The environment with its version.

    Raises:
        EspalierError: `bad_name` when espalier brings one of that name; `workspace_read_only`.
    """
    name = environment_name(environment.name, curated_names())
    kept = _versions(paths).register(name, environment.record(), candidate=int(environment.version or 0))
    return replace(environment, version=str(kept.number))


def registered(paths: WorkspacePaths, name: str, version: Optional[str] = None) -> Environment:
    """A registered environment, or the curated one of that name.

    Args:
        version: Its version; by default the newest.

    Raises:
        EspalierError: `environment_missing`, `bad_name`; `environment_damaged`, `newer_format`.
    """
    versions, ready = _versions(paths), curated(environment_name(name))
    if ready is None or versions.numbers(name):
        return Environment.from_mapping(versions.find(name, version if version is None else str(version)).definition)
    if version not in (None, LATEST, ready.version):
        message = f"Can't find version {version!r} of {name}: it comes with espalier, in version {ready.version}."
        raise EspalierError("environment_missing", message, _KIND.remedy)
    return ready


def list_registered(paths: WorkspacePaths) -> Frame:
    """The newest version of each environment by name, and the curated ones.

    Of one whose record cannot be read, `description` says why.
    """
    rows: List[Dict[str, Any]] = []
    versions = _versions(paths)
    names = versions.names()
    for name in names:
        numbers = versions.numbers(name)
        rows.append({**_row(versions, name, numbers[-1]), "name": name, "versions": len(numbers), "curated": False})
    for name in curated_names():
        ready = curated(name)
        if ready is not None and name not in names:
            rows.append({
                "name": name, "version": ready.version, "versions": 1, "kind": kind_of(ready),
                "description": ready.description, "registered_at": None, "curated": True,
            })  # fmt: skip
    return Frame({column: [row[column] for row in rows] for column in _LISTED}, _LISTED)


def list_versions(paths: WorkspacePaths, name: str) -> Frame:
    """The versions of an environment, newest first. See `list_registered`. Raises EspalierError: `environment_missing`,
    `bad_name`."""
    versions, ready = _versions(paths), curated(environment_name(name))
    rows = [_row(versions, name, number) for number in reversed(versions.numbers(name))]
    if not rows and ready is not None:
        rows = [{
            "version": ready.version, "kind": kind_of(ready), "description": ready.description, "registered_at": None,
        }]  # fmt: skip
    if not rows:
        raise versions.missing(f"Can't find the environment {name!r} in {paths.root}.")
    return Frame({column: [row[column] for row in rows] for column in _VERSIONS}, _VERSIONS)


def kind_of(environment: Environment) -> str:
    """What an environment is about, in a word or two."""
    sides = [word for word, side in (("R", environment.r), ("Python", environment.python)) if side is not None]
    return " and ".join(sides) or ("image" if environment.docker else "none")


def newest_version(paths: WorkspacePaths, name: str) -> int:
    """The newest version of an environment that a workspace has; 0 where it has none."""
    return max(_versions(paths).numbers(name), default=0)


def _versions(paths: WorkspacePaths) -> Versions:
    return Versions(paths, paths.environments, _KIND)


def _row(versions: Versions, name: str, number: int) -> Dict[str, Any]:
    try:
        found = versions.read(name, number)
        environment = Environment.from_mapping(found.definition)
    except EspalierError as error:
        return {
            "version": str(number), "kind": "damaged" if error.code != "newer_format" else "newer",
            "description": error.message, "registered_at": None,
        }  # fmt: skip
    return {
        "version": str(number), "kind": kind_of(environment), "description": environment.description,
        "registered_at": seconds_of(found.registered_at),
    }  # fmt: skip


# Their packages are those of a day, so that the same version of espalier gives the same images.
_DATE = "2024-10-31"
_R = "4.4"
_PYTHON = "3.12"


def curated(name: str) -> Optional[Environment]:
    """The curated environment of that name, or None."""
    return _ALL.get(name)


def curated_names() -> Sequence[str]:
    """The names of the curated environments."""
    return sorted(_ALL)


def _r(name: str, description: str, *packages: str) -> Environment:
    side = RSide(version=_R, snapshot_date=_DATE, cran=[CranPackage(package) for package in packages])
    return Environment(name, version="1", description=description, r=side)


def _python(name: str, description: str, *lines: str) -> Environment:
    return Environment(name, version="1", description=description, python=PythonSide(version=_PYTHON, pip=lines))


_ALL: Dict[str, Environment] = {
    environment.name: environment
    for environment in (
        _r("minimal-r", "R and nothing else."),
        _r(
            "tidymodels-r", "R with tidymodels, glmnet and ranger, for models of tables.",
            "dplyr", "glmnet", "ggplot2", "ranger", "readr", "tidymodels", "tidyr",
        ),
        _python("minimal-python", "Python and nothing else."),
        _python(
            "sklearn-python", "Python with scikit-learn and pandas, for models of tables.",
            "joblib==1.4.2", "numpy==2.1.2", "pandas==2.2.3", "scikit-learn==1.5.2", "scipy==1.14.1",
        ),
    )
}  # fmt: skip
