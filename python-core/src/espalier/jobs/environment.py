"""The environment that a job asks for: read, looked up, checked against where the job is to run."""

import json
import os
from dataclasses import replace
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from espalier.adapters.engine import SCHEMES, EngineGone, address, engine_variables, is_here, is_loopback
from espalier.adapters.engine_sockets import CONFIG_VARIABLE, NAMED_BY
from espalier.base.config import ScriptRunConfig
from espalier.base.docker_options import DockerOptions
from espalier.base.errors import EspalierError
from espalier.base.model.job import Container
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.resources import bytes_of
from espalier.environment.definition import Environment
from espalier.environment.key import definition_digest
from espalier.lifecycle.mounts import refuse_dangerous, refuse_missing

# How a run comes to its environment: what the session has; what the definition says is there; what is made for it.
SESSION, USER_MANAGED, PRIVATE, IMAGE = "session", "user-managed", "private", "image"


class Chosen(NamedTuple):
    """An environment, how a run comes to it, whether the user gave it a name, and what to tell of it."""

    environment: Environment
    how: str
    is_named: bool = True
    notes: Sequence[str] = ()

    def interpreter(self, language: str) -> Optional[str]:
        """The interpreter that the definition names for `r` or `python` scripts, if it names one."""
        r, python = self.environment.r, self.environment.python
        if language == "r":
            return r.rscript_path if r is not None else None
        return python.interpreter_path if python is not None and language == "python" else None

    def record(self) -> Dict[str, Any]:
        """Its part of the run's `environment`. Of secrets it has the names only."""
        whole = self.environment.record()
        return {
            "how": self.how,
            "name": self.environment.name,
            "version": self.environment.version,
            "definition_digest": definition_digest(self.environment),
            "definition": whole,
        }


def choose_environment(paths: WorkspacePaths, config: ScriptRunConfig, experiment: str) -> Optional[Chosen]:
    """The environment that a job asks for; None where it has what the session has.

    Args:
        experiment: Name of its experiment, which is that of a definition that has none.

    Raises:
        EspalierError: `environment_missing`, `environment_invalid`, `needs_docker`.
    """
    if config.environment is None:
        return None
    environment = read_environment(paths, config.environment, experiment)
    is_named = bool({"name", "definition"} & set(config.environment))
    if config.container is not None:
        return Chosen(environment, IMAGE, is_named)
    how = PRIVATE if _asks_for_packages(environment) else USER_MANAGED
    from espalier.provision.local.refuse import refuse_without_docker

    own_r = environment.r is not None and not environment.r.is_managed
    refuse_without_docker(environment, None if own_r else config.session.r_version)
    return Chosen(environment, how, is_named)


def with_gpu(config: ScriptRunConfig, chosen: Optional[Chosen]) -> ScriptRunConfig:
    """A job whose environment is for graphics processors takes one, unless it says how many."""
    if chosen is None or not chosen.environment.use_gpu or config.gpus:
        return config
    return replace(config, gpus=1)


def read_environment(paths: WorkspacePaths, given: Mapping[str, Any], experiment: str) -> Environment:
    """The environment that a job's field `environment` stands for. See `choose_environment`."""
    if "definition" in given:
        try:
            return Environment.from_mapping(json.loads(str(given["definition"])))
        except ValueError as error:
            raise EspalierError("environment_invalid", f"The environment's record is no JSON: {error}.") from error
    if given and set(given) <= {"name", "version"}:
        from espalier.environment.registered import registered

        return registered(paths, str(given.get("name")), given.get("version"))
    return Environment.from_mapping({"name": experiment, **given})


def _asks_for_packages(environment: Environment) -> bool:
    r, python = environment.r, environment.python
    return any(side is not None and side.is_managed for side in (r, python))


def with_version(paths: WorkspacePaths, chosen: Chosen) -> Chosen:
    """The same, with the version under which the workspace keeps it: an equal definition keeps the one it has.

    Args:
        paths: The workspace, whose objects are held.
        chosen: An environment.

    Raises:
        EspalierError: `bad_name`, `environment_invalid`, `workspace_read_only`, or what is wrong with a build context.
    """
    from espalier.environment.context import freeze_context
    from espalier.environment.curated import curated
    from espalier.environment.registered import newest_version, register

    environment = chosen.environment
    ready = curated(environment.name)
    if ready is not None and replace(environment, version=ready.version) == ready:
        return chosen._replace(environment=ready)
    before = newest_version(paths, environment.name)
    kept = register(paths, freeze_context(paths, environment))
    note = (
        f'The packages of this job are now version {kept.version} of the environment "{kept.name}", which has the '
        "experiment's name. To keep them apart, give environment = r_environment(), which has a name of its own."
    )
    is_worth_a_note = not chosen.is_named and 0 < before < int(kept.version or 0)
    return chosen._replace(environment=kept, notes=[note] if is_worth_a_note else [])


def known_image(paths: WorkspacePaths, environment: Environment) -> Optional[Dict[str, Any]]:
    """What the workspace knows of an environment's image; None where it knows none. Nobody is asked, and nothing that
    takes long is loaded: the runner looks whether it is still there."""
    from espalier.environment.recipe import base_image
    from espalier.provision.docker.record import mark_used, read_image
    from espalier.provision.docker.wanted import known_wanted

    want = None if base_image(environment) is None else known_wanted(paths, environment)
    if want is None:
        return None
    key = want.key
    record = read_image(paths, key)
    if record is None or not record.get("image"):
        return None
    mark_used(paths, key)
    found = {"image": record["image"], "tag": record.get("tag"), "key": key, "found": "local", "seconds": 0.0}
    return {"format": FORMAT, "how": IMAGE, **found}


def container_of(options: Optional[DockerOptions], chosen: Optional[Chosen]) -> Optional[Container]:
    """How a run's container is set up; None for one that runs in no container."""
    if options is None:
        return None
    shm = options.shm_size
    if shm is None and chosen is not None:
        shm = chosen.environment.shm_size
    size = None if shm is None else bytes_of(shm)
    return Container(size, options.network, options.places, options.init, options.user)


def refuse_dangerous_mounts(config: ScriptRunConfig) -> List[str]:
    """Refuse mounts and inputs by which a container would rule this machine, before they are read.

    Returns:
        Warnings about what is in them.

    Raises:
        EspalierError: `bad_argument`.
    """
    if config.container is None:
        return []
    mounts = list(config.container.places)
    refuse_missing(mounts)
    paths = (path for path in config.inputs.values() if isinstance(path, str))
    inputs = [os.path.abspath(os.path.expanduser(path)) for path in paths]
    return refuse_dangerous([*mounts, *inputs], _session_variables(config))


def refuse_engine(config: ScriptRunConfig) -> None:
    """Refuse an engine that runs cannot use: nobody is asked, but a name server.

    Raises:
        EspalierError: `not_supported`: it is on another machine, where a run's folder is not, or not to be reached this
            way; `docker_unavailable`: its host is unknown.
    """
    place = address(engine_variables(_session_variables(config)))
    hint = "Set DOCKER_HOST to the socket of an engine of this machine, unix:///path, or unset it for the usual one."
    if place.partition("://")[0] not in SCHEMES:
        message = f"DOCKER_HOST is {place}; runs reach a Docker engine by unix:// and tcp:// only."
        raise EspalierError("not_supported", message, hint, address=place)
    try:
        here = is_here(place)
    except EngineGone as error:
        raise EspalierError("docker_unavailable", f"There is no Docker engine to be found: {error}.", hint) from error
    if not here:
        message = f"The Docker engine at {place} is on another machine, where a container cannot see the run's folder."
        raise EspalierError("not_supported", message, hint, address=place)
    _refuse_open_engine(config, place)


def _refuse_open_engine(config: ScriptRunConfig, place: str) -> None:
    """Refuse a network by which the job could command the engine: it listens on a port, to all who reach that."""
    network = config.container.network if config.container is not None else "none"
    if place.startswith("unix://") or network == "none" or _session_variables(config).get("DOCKER_TLS_VERIFY"):
        return
    if network == "host" or not is_loopback(place):
        why = f"by it the job could command the Docker engine at {place}, which asks for no key"
        message = f"Can't give the job's container the network {network!r}: {why}."
        hint = 'Use the network "none", an engine that listens at a socket, or one with DOCKER_TLS_VERIFY.'
        raise EspalierError("bad_argument", message, hint, address=place)


def preparing(
    paths: WorkspacePaths, chosen: Chosen, config: ScriptRunConfig, inherited: Mapping[str, str]
) -> Dict[str, Any]:
    """What `env.json` holds for the process that makes the environment ready, beside what starts it.

    Args:
        inherited: Those of the session's variables that a job may inherit.
    """
    known = known_image(paths, chosen.environment) if chosen.how == IMAGE else None
    session = _session_variables(config)
    engine = engine_variables(session)
    # (and the registries that the user is logged in to, and the engines that a container must not reach)
    wanted = (CONFIG_VARIABLE, *NAMED_BY)
    ours = {name: value for name, value in session.items() if name.startswith("ESPALIER_") or name in wanted}
    programs = {name: getattr(config.session, name) for name in ("rscript", "r_version", "python")}
    variables = {**inherited, **engine, **ours}
    # (R's own folders in it may hold another Python's library than that of the interpreter that is started)
    variables.pop("LD_LIBRARY_PATH", None)
    return {"engine": engine, "preparing": variables, "session": programs, "prepared": known, "how": chosen.how}


def _session_variables(config: ScriptRunConfig) -> Mapping[str, str]:
    return os.environ if config.session.environment is None else config.session.environment
