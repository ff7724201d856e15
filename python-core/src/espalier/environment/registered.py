"""Environments registered in a workspace: each version a file that never changes.

Two processes that register at once get two versions, or the same one for equal definitions; none is lost, for a
version's file is made by a link that the first of them wins.
"""

import os
import time
from dataclasses import replace
from typing import Any, Dict, List, NamedTuple, Optional

from espalier.base.errors import EspalierError
from espalier.base.os_errors import cannot_write
from espalier.base.paths import FORMAT, WorkspacePaths, version_of_record
from espalier.base.records import create_file, dump_record, make_folders, now_iso, read_record, seconds_of
from espalier.base.types import Frame
from espalier.environment.curated import curated, curated_names
from espalier.environment.definition import Environment
from espalier.environment.spelling import environment_name

_LISTED = {
    "name": "string", "version": "string", "versions": "integer", "kind": "string", "description": "string",
    "registered_at": "time", "curated": "logical",
}  # fmt: skip
_VERSIONS = {"version": "string", "kind": "string", "description": "string", "registered_at": "time"}


def register(paths: WorkspacePaths, environment: Environment) -> Environment:
    """Registers an environment, unless its newest version is equal to it.

    Args:
        paths: The workspace.
        environment: A definition, its build context frozen (`context.py`). A version that it has counts only where the
            registered one of that number is equal to it; so none can be left out, and none be the last.

    Returns:
        The environment with its version.

    Raises:
        EspalierError: `bad_name` when espalier brings one of that name; `workspace_read_only`.
    """
    name = environment_name(environment.name, curated_names())
    folder = os.path.join(paths.environments, name)
    while True:
        numbers = _numbers(paths, name)
        equal = _equal(paths, environment, numbers)
        if equal is not None:
            return equal
        number = max(numbers, default=0) + 1
        new = replace(environment, version=str(number))
        record = {"format": FORMAT, "registered_at": now_iso(time.time()), "definition": new.record()}
        try:
            make_folders(folder, top=paths.root)
            if create_file(paths.environment_version(name, number), dump_record(record), folder):
                return new
        except OSError as error:
            raise cannot_write(paths.root, error) from error


def registered(paths: WorkspacePaths, name: str, version: Optional[str] = None) -> Environment:
    """A registered environment, or the curated one of that name.

    Args:
        paths: The workspace.
        name: Its name.
        version: Its version; by default the newest.

    Raises:
        EspalierError: `environment_missing`, `bad_name`; `environment_damaged`, `newer_format`.
    """
    numbers = _numbers(paths, environment_name(name))
    ready = curated(name)
    if ready is not None and not numbers:
        if version not in (None, "latest", ready.version):
            raise _missing(f"{name} comes with espalier, and has version {ready.version} alone, not {version!r}.")
        return ready
    if not numbers:
        raise _missing(f"There is no environment {name!r} in {paths.root}.")
    if version in (None, "latest"):
        return _read(paths, name, numbers[-1]).environment
    if str(version) not in map(str, numbers):
        known = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
        raise _missing(f"The environment {name!r} has no version {version!r}, but {known}.")
    return _read(paths, name, int(str(version))).environment


def list_registered(paths: WorkspacePaths) -> Frame:
    """The newest version of each environment by name, and the curated ones.

    Of one whose record cannot be read, `description` says why.
    """
    rows: List[Dict[str, Any]] = []
    names = sorted(os.listdir(paths.environments)) if os.path.isdir(paths.environments) else []
    for name in names:
        numbers = _numbers(paths, name)
        if numbers:
            rows.append({**_row(paths, name, numbers[-1]), "name": name, "versions": len(numbers), "curated": False})
    for name in curated_names():
        ready = curated(name)
        if ready is not None and name not in names:
            rows.append({
                "name": name, "version": ready.version, "versions": 1, "kind": kind_of(ready),
                "description": ready.description, "registered_at": None, "curated": True,
            })  # fmt: skip
    return Frame({column: [row[column] for row in rows] for column in _LISTED}, _LISTED)


def list_versions(paths: WorkspacePaths, name: str) -> Frame:
    """The versions of an environment, newest first. See `list_registered`.

    Raises:
        EspalierError: `environment_missing`, `bad_name`.
    """
    rows = [_row(paths, environment_name(name), number) for number in reversed(_numbers(paths, name))]
    ready = curated(name)
    if not rows and ready is not None:
        rows = [{
            "version": ready.version, "kind": kind_of(ready), "description": ready.description, "registered_at": None,
        }]  # fmt: skip
    if not rows:
        raise _missing(f"There is no environment {name!r} in {paths.root}.")
    return Frame({column: [row[column] for row in rows] for column in _VERSIONS}, _VERSIONS)


def kind_of(environment: Environment) -> str:
    """What an environment is about, in a word or two."""
    sides = [word for word, side in (("R", environment.r), ("Python", environment.python)) if side is not None]
    return " and ".join(sides) or ("image" if environment.docker else "none")


def _row(paths: WorkspacePaths, name: str, number: int) -> Dict[str, Any]:
    try:
        found = _read(paths, name, number)
    except EspalierError as error:
        return {
            "version": str(number), "kind": "damaged" if error.code != "newer_format" else "newer",
            "description": error.message, "registered_at": None,
        }  # fmt: skip
    return {
        "version": str(number), "kind": kind_of(found.environment), "description": found.environment.description,
        "registered_at": seconds_of(found.registered_at),
    }  # fmt: skip


class _Version(NamedTuple):
    environment: Environment
    registered_at: Optional[str]


def _read(paths: WorkspacePaths, name: str, number: int) -> _Version:
    path = paths.environment_version(name, number)
    try:
        record = read_record(path, follow=True)
        environment = Environment.from_mapping(record["definition"])
        if (environment.name, environment.version) != (name, str(number)):
            raise ValueError(f"it is version {environment.version} of {environment.name}")
        return _Version(environment, record.get("registered_at"))
    except EspalierError as error:
        if error.code == "newer_format":
            raise
        raise _damaged(path, error.message) from error
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise _damaged(path, f"{path} is no version of an environment: {error}.") from error


def _equal(paths: WorkspacePaths, environment: Environment, numbers: List[int]) -> Optional[Environment]:
    """The version that is equal to a definition: the one that it says it is, or the newest."""
    for number in {int(environment.version or 0), *numbers[-1:]} & set(numbers):
        try:
            there = _read(paths, environment.name, number).environment
        except EspalierError:
            continue
        if replace(environment, version=there.version) == there:
            return there
    return None


def newest_version(paths: WorkspacePaths, name: str) -> int:
    """The newest version of an environment that a workspace has; 0 where it has none.

    Args:
        paths: The workspace.
        name: The environment's name.
    """
    return max(_numbers(paths, name), default=0)


def _numbers(paths: WorkspacePaths, name: str) -> List[int]:
    folder = os.path.join(paths.environments, name)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(filter(None, map(version_of_record, names)))


def _missing(message: str) -> EspalierError:
    return EspalierError("environment_missing", message, "See list_environments(), or register_environment().")


def _damaged(path: str, message: str) -> EspalierError:
    return EspalierError(
        "environment_damaged", f"A registered environment cannot be read. {message}",
        "Restore the file from a backup, or register the environment again.", path=path,
    )  # fmt: skip
