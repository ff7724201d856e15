"""What is asked of a job in a container at submit: its mounts, its engine, what it inherits. A
child that it asks for gets no more than its own container has."""

import os
import re
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional

from espalier.adapters.engine import SCHEMES, address, engine_variables, is_here, is_loopback
from espalier.adapters.engine_stream import EngineGone
from espalier.base.config import ScriptRunConfig
from espalier.base.docker_options import DockerOptions, checked_docker
from espalier.base.errors import EspalierError
from espalier.base.model.job import Container, JobSpec
from espalier.base.resources import bytes_of
from espalier.environment.definition import Environment
from espalier.executors.contract import TooWide
from espalier.executors.docker.mounts import refuse_dangerous, refuse_missing


def narrowed(asked: Mapping[str, Any], spec: JobSpec) -> Dict[str, Any]:
    """The fields of a child that is asked for, its container as its parent's is. See `Executor.narrowed`."""
    own, wanted = DockerOptions(**spec.container._asdict()), asked.get("docker")
    options = _narrowed(checked_docker(wanted) or own, own) if isinstance(wanted, Mapping) else own
    return {**asked, "docker": options}


def _narrowed(wanted: DockerOptions, own: DockerOptions) -> DockerOptions:
    if wanted.network not in (own.network, "none"):
        raise TooWide(f"the network {wanted.network}, and its own is {own.network}")
    if wanted.user not in (None, own.user):
        raise TooWide(f"the user {wanted.user}, and its own is {own.user or 'the one that submitted it'}")
    mounts = {}
    for here, there in wanted.places.items():
        original = next((path for path, place in own.places.items() if here in (path, place)), None)
        if original is None:
            raise TooWide(f"the mount {here}, which it doesn't have")
        mounts[original] = there
    return replace(wanted, mounts=mounts, user=own.user)


# Of the host's variables others would say nothing in a container, whose own count.
_INHERITED = re.compile(r"TZ|(?i:https?_proxy|ftp_proxy|no_proxy|all_proxy)")


def inherited(variables: Mapping[str, str]) -> Dict[str, str]:
    """Of the variables that jobs inherit those that a job in a container does."""
    return {name: value for name, value in variables.items() if _INHERITED.fullmatch(name)}


def container_of(config: ScriptRunConfig, environment: Optional[Environment]) -> Container:
    """How a run's container is set up."""
    options = config.container or DockerOptions()
    shm = options.shm_size
    if shm is None and environment is not None:
        shm = environment.shm_size
    size = None if shm is None else bytes_of(shm)
    return Container(size, options.network, options.places, options.init, options.user)


def refuse_dangerous_mounts(config: ScriptRunConfig) -> List[str]:
    """Refuse mounts and inputs by which a container would rule this machine, before they are read.

    Returns:
        Warnings about what is in them.

    Raises:
        EspalierError: `bad_argument`.
    """
    mounts = list(config.container.places) if config.container is not None else []
    refuse_missing(mounts)
    paths = (path for path in config.inputs.values() if isinstance(path, str))
    inputs = [os.path.abspath(os.path.expanduser(path)) for path in paths]
    return refuse_dangerous([*mounts, *inputs], config.session.variables)


def refuse_engine(config: ScriptRunConfig) -> None:
    """Refuse an engine that runs cannot use: no server is asked, but a name server.

    Raises:
        EspalierError: `not_supported`: it is on another machine, where a run's folder is not, or not to be reached this
            way; `docker_unavailable`: its host is unknown.
    """
    place = address(engine_variables(config.session.variables))
    hint = "Set DOCKER_HOST to the socket of an engine of this machine, unix:///path, or unset it."
    if place.partition("://")[0] not in SCHEMES:
        message = f"Can't reach the engine at DOCKER_HOST = {place}: runs use unix:// and tcp:// only."
        raise EspalierError("not_supported", message, hint, address=place)
    try:
        here = is_here(place)
    except EngineGone as error:
        raise EspalierError("docker_unavailable", f"Can't find a Docker engine: {error}.", hint) from error
    if not here:
        message = f"Can't use the Docker engine at {place}: on another machine containers don't have the run's folder."
        raise EspalierError("not_supported", message, hint, address=place)
    _refuse_open_engine(config, place)


def _refuse_open_engine(config: ScriptRunConfig, place: str) -> None:
    """Refuse a network by which the job could command the engine: it listens on a port, to all who reach that."""
    network = config.container.network if config.container is not None else "none"
    if place.startswith("unix://") or network == "none" or config.session.variables.get("DOCKER_TLS_VERIFY"):
        return
    if network == "host" or not is_loopback(place):
        why = f"by it the job could command the Docker engine at {place}, which asks for no key"
        message = f"Can't give the job's container the network {network!r}: {why}."
        hint = 'Use the network "none", an engine that listens at a socket, or one with DOCKER_TLS_VERIFY.'
        raise EspalierError("bad_argument", message, hint, address=place)
