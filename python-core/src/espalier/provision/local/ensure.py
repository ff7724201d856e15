"""The private environment of a definition: found by its key, or built, once for all who need it."""

import contextlib
import os
import time
from typing import Optional

from espalier.adapters.file_locks import locked
from espalier.adapters.files import remove_tree
from espalier.adapters.machine import system_name
from espalier.base.cache_paths import CachePaths, PrivatePaths
from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT
from espalier.base.records import make_folders, make_private_folder, now_iso, read_record, replace_record
from espalier.environment.definition import Environment
from espalier.environment.key import private_key
from espalier.environment.lock import Lock
from espalier.provision.local.activation import PrivateEnvironment, Session, as_used, interpreters
from espalier.provision.local.build import Build
from espalier.provision.local.refuse import refuse_without_docker
from espalier.provision.packages.build_log import LogCopy, raise_failure, write_failure
from espalier.provision.packages.hidden import Hidden, HiddenOutput
from espalier.provision.packages.pyenv import own_version
from espalier.provision.packages.sources import Secrets, no_secrets
from espalier.store.stored_files import discard


def ensure(
    cache: CachePaths,
    environment: Environment,
    lock: Optional[Lock] = None,
    session: Session = Session(),  # noqa: B008 (it is frozen)
    log: Optional[str] = None,
    secrets: Secrets = no_secrets,
) -> PrivateEnvironment:
    """Find the private environment of a definition, or build it.

    Several processes that need one make one build: the others wait, and see the same log. It can be called off at any
    moment, by an exception or by killing it: what is not whole is never used, and removed by the next build.

    Args:
        lock: Its exact packages; None: they are resolved if it has to be built, and kept with it.
        session: What the session that asks for it runs with.
        log: A file to which what the build says is appended, live.

    Raises:
        EspalierError: `needs_docker`, `interpreter_missing`, `package_missing`, `lock_failed`, `secret_missing`,
            `build_failed`.
    """
    start = time.monotonic()
    own_r = environment.r is not None and not environment.r.is_managed
    refuse_without_docker(environment, None if own_r else session.r_version)
    interpreters(environment, session)  # (refused before anything is built)
    if not _has_something(environment):
        return as_used(environment, session, None, seconds=time.monotonic() - start)
    key = key_of(environment, lock, session)
    hex_key = key.partition(":")[2]
    paths = PrivatePaths(cache.private_environment(hex_key))
    found = is_whole(paths)
    if not found:
        hidden = Hidden(secrets)
        with hidden.in_errors():
            found = _build(cache, hex_key, Build(cache, paths, environment, lock, session, hidden), log)
    with contextlib.suppress(OSError):
        os.utime(paths.record)  # when it was last used
    return as_used(environment, session, paths, found=found, seconds=time.monotonic() - start, key=key)


def key_of(environment: Environment, lock: Optional[Lock], session: Session) -> str:
    """The key of a definition's private environment on this machine."""
    python = environment.python
    version = python.version if python else None
    if python is not None and python.is_managed and version is None and python.conda is None:
        version = (lock.python_version if lock else None) or own_version()
    return private_key(environment, lock, session.r_version, version, system_name())


def is_whole(paths: PrivatePaths) -> bool:
    """Whether there is a private environment that was built to its end."""
    try:
        return bool(read_record(paths.record)["key"])
    except (EspalierError, OSError, KeyError):
        return False


def _has_something(environment: Environment) -> bool:
    sides = (environment.r, environment.python)
    return any(side is not None and side.is_managed for side in sides)


def _build(cache: CachePaths, hex_key: str, build: Build, log: Optional[str]) -> bool:
    """Builds it, or waits until another process has; whether it was another."""
    asked = time.time()
    said = cache.build_log(hex_key)
    copy = LogCopy(said, log)
    with locked(cache.build_lock(hex_key), copy.wait) as held:
        if is_whole(build.paths):
            copy.more()
            return True
        if copy.waited:
            copy.more()
            raise_failure(cache, hex_key, asked)
        discard(cache.build_failure(hex_key))
        started = time.monotonic()
        try:
            if os.path.lexists(build.paths.root):  # what a killed build left
                remove_tree(build.paths.root)
            make_private_folder(os.path.dirname(build.paths.root))
            make_folders(build.paths.root, exist_ok=False)
            with open(said, "wb", buffering=0) as file, contextlib.closing(HiddenOutput(file, build.secrets)) as output:
                record = build.run(output, held, copy.more)
            record.update(format=FORMAT, key="sha256:" + hex_key, created_at=now_iso(time.time()))
            record["seconds"] = round(time.monotonic() - started, 3)
            replace_record(build.paths.record, record, build.paths.root, sync=True)
        except BaseException as error:
            copy.more()
            with contextlib.suppress(OSError):
                remove_tree(build.paths.root)
            if isinstance(error, OSError):
                error = _of_disk(error)
            if isinstance(error, EspalierError):
                error = build.secrets.error(error)
                write_failure(cache, hex_key, error)
                raise error from None
            raise
        copy.more()
        return False


def _of_disk(error: OSError) -> EspalierError:
    message = f"Can't build the private environment: {error}."
    return EspalierError("build_failed", message, "Free space on the disk or fix the cause, and try again.")
