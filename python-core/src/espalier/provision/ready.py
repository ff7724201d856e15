"""What a run's environment is made ready by: the look-up chain of images, or a private environment."""

import dataclasses
from typing import Any, Dict

from espalier.base.cache_paths import CachePaths
from espalier.base.model.job import JobEnv, JobSpec, Programs
from espalier.base.paths import RunPaths
from espalier.environment.definition import Environment
from espalier.environment.stored_locks import read_lock
from espalier.vault.store import secret_reader


def make_ready(run: RunPaths, spec: JobSpec, env: JobEnv) -> Dict[str, Any]:
    """Find or build what a run needs. What is said meanwhile goes to the run's build log.

    Args:
        env: The run's `env.json`.

    Returns:
        The record of what is ready (protocol.md, `.job/environment.json`).

    Raises:
        EspalierError: what could not be had.
    """
    how, environment = spec.how, Environment.from_mapping(spec.definition)
    made = _image(run, environment) if how == "image" else _private(run, environment, env.session or Programs())
    return {"how": how, **made}


def _image(run: RunPaths, environment: Environment) -> Dict[str, Any]:
    from espalier.provision.docker.chain import ensure

    image = ensure(run.workspace, _cache(), environment, secret_reader(run.workspace), log=run.build_log)
    return {"image": image.id, "tag": image.tag, "key": image.key, "found": image.found}


def _private(run: RunPaths, environment: Environment, session: Programs) -> Dict[str, Any]:
    from espalier.provision.local.activation import Session
    from espalier.provision.local.ensure import ensure

    lock, secrets = read_lock(run.workspace, environment), secret_reader(run.workspace)
    made = ensure(_cache(), environment, lock, Session(**session._asdict()), run.build_log, secrets)
    record = dataclasses.asdict(made)
    return {**record, "found": "cache" if made.found else "built"}


def _cache() -> CachePaths:
    from espalier.adapters.homes import program_cache

    return CachePaths(program_cache())
