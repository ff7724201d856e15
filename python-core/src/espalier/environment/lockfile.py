"""Locks as records of a workspace: written once resolved, by the digest of what the definition asks for."""

import os
import time
from dataclasses import asdict
from typing import Any, Dict, List, Mapping, Optional

from espalier.canonical import digest
from espalier.environment.definition import Environment, Secret
from espalier.environment.key import definition_digest
from espalier.environment.lock import Lock, RSource
from espalier.errors import EspalierError
from espalier.paths import FORMAT, WorkspacePaths
from espalier.records import now_iso, read_record, replace_record

_TEXTS = ("name", "version", "origin", "url")
_ORIGINS = ("cran", "github", "url", "bioconductor")


def lock_path(paths: WorkspacePaths, environment: Environment) -> str:
    """Where the lock of an environment lies, if it has one."""
    return paths.lock_record(definition_digest(environment)[7:])


def read_lock(paths: WorkspacePaths, environment: Environment) -> Optional[Lock]:
    """The lock of what an environment asks for.

    Args:
        paths: The workspace.
        environment: A definition.

    Returns:
        The lock, or None if it was never locked.

    Raises:
        EspalierError: `environment_damaged` when it is not what was written; `newer_format`.
    """
    path = lock_path(paths, environment)
    try:
        record = read_record(path)
        if record.get("digest") != lock_digest_of(record["lock"]):
            raise ValueError("its digest is another's")
        return lock_of(record["lock"])
    except FileNotFoundError:
        return None
    except EspalierError as error:
        if error.code != "damaged":
            raise
        raise _damaged(path, error.message) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"{path} is no lock: {error}.") from error


def write_lock(paths: WorkspacePaths, environment: Environment, lock: Lock) -> str:
    """Keeps the lock of what an environment asks for, in place of one that there may be.

    Args:
        paths: The workspace.
        environment: A definition.
        lock: Its packages, exactly.

    Returns:
        The digest of the lock, `sha256:...`.

    Raises:
        EspalierError: `workspace_read_only`.
    """
    content = lock_record(lock)
    record = {
        "format": FORMAT,
        "definition": definition_digest(environment),
        "digest": lock_digest_of(content),
        "locked_at": now_iso(time.time()),
        "lock": content,
    }
    path = lock_path(paths, environment)
    try:
        os.makedirs(paths.locks, exist_ok=True)
        replace_record(path, record, paths.locks, sync=True)
    except OSError as error:
        raise EspalierError(
            "workspace_read_only", f"The lock cannot be written to {path}: {error.strerror}.",
            "Make the workspace writable, or use one of your own.", path=path,
        ) from error  # fmt: skip
    return str(record["digest"])


def lock_record(lock: Lock) -> Dict[str, Any]:
    """A lock as JSON; `lock_of` reads it back."""
    return {
        "r": [{**asdict(one), "needs": list(one.needs)} for one in lock.r],
        "python": list(lock.python),
        "conda": list(lock.conda),
        "python_version": lock.python_version,
        "r_version": lock.r_version,
    }


def lock_digest_of(record: Mapping[str, Any]) -> str:
    """The digest of a lock's JSON, `sha256:...`."""
    return digest(record)


def lock_of(record: Mapping[str, Any]) -> Lock:
    """A lock from its JSON.

    Raises:
        LookupError, TypeError, ValueError: it is none.
    """
    return Lock(
        tuple(_source(one) for one in record["r"]),
        tuple(_lines(record, "python")),
        tuple(_lines(record, "conda")),
        _optional(record, "python_version"),
        _optional(record, "r_version"),
    )


def _source(one: Mapping[str, Any]) -> RSource:
    for name in _TEXTS:
        if not isinstance(one[name], str):
            raise TypeError(f"{name} of a package is no text")
    if one["origin"] not in _ORIGINS:
        raise ValueError(f"a package comes from {one['origin']!r}")
    token = one["auth_token"]
    return RSource(
        one["name"], one["version"], one["origin"], one["url"], _optional(one, "digest"), tuple(_lines(one, "needs")),
        None if token is None else Secret(token["secret"]), _optional(one, "unless_r_has"),
    )  # fmt: skip


def _lines(record: Mapping[str, Any], name: str) -> List[str]:
    lines = record[name]
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise TypeError(f"{name} is no list of text")
    return lines


def _optional(record: Mapping[str, Any], name: str) -> Optional[str]:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _damaged(path: str, message: str) -> EspalierError:
    return EspalierError(
        "environment_damaged", f"A stored lock does not match what it should be. {message}",
        f"Delete {path}, and lock the environment again with lock_environment().", path=path,
    )  # fmt: skip
