"""Locks as records of a workspace: written once resolved, by the digest of what the definition asks for."""

import time
from typing import Optional

from espalier.base.errors import EspalierError
from espalier.base.os_errors import cannot_write
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.records import make_folders, now_iso, read_record, replace_record
from espalier.environment.definition import Environment
from espalier.environment.key import definition_digest
from espalier.environment.lock import Lock, lock_digest_of, lock_of, lock_record


def lock_path(paths: WorkspacePaths, environment: Environment) -> str:
    """Where the lock of an environment lies, if it has one."""
    return paths.lock_record(definition_digest(environment)[7:])


def read_lock(paths: WorkspacePaths, environment: Environment) -> Optional[Lock]:
    """The lock of what an environment asks for.

    Returns:
        The lock, or None if it was never locked.

    Raises:
        EspalierError: `environment_damaged` when it is not what was written, or what no lock says; `newer_format`.
    """
    path = lock_path(paths, environment)
    try:
        record = read_record(path, follow=True)
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
        raise _damaged(path, f"{path} isn't a lock: {error}.") from error


def write_lock(paths: WorkspacePaths, environment: Environment, lock: Lock) -> str:
    """Keeps the lock of what an environment asks for, in place of one that there may be.

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
        make_folders(paths.locks, top=paths.root)
        replace_record(path, record, paths.locks, sync=True)
    except OSError as error:
        raise cannot_write(paths.root, error) from error
    return str(record["digest"])


def _damaged(path: str, message: str) -> EspalierError:
    return EspalierError(
        "environment_damaged", f"Can't use a stored lock. {message}",
        f"Delete {path}, and lock the environment again with lock_environment().", path=path,
    )  # fmt: skip
