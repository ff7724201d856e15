"""The environment that a job asks for: read, looked up, checked against where the job is to run."""

import json
import sys
from dataclasses import replace
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

from espalier.adapters.engine import engine_variables
from espalier.adapters.engine_sockets import CONFIG_VARIABLE, NAMED_BY
from espalier.base.config import ScriptRunConfig, Session
from espalier.base.errors import EspalierError
from espalier.base.extras import folders_of, require
from espalier.base.model.job import Programs
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.environment.definition import Environment
from espalier.environment.key import definition_digest
from espalier.environment.recipe import base_image
from espalier.executors.contract import Capabilities
from espalier.provision.docker.record import mark_used, read_image
from espalier.provision.local.refuse import refuse_without_docker
from espalier.queue.spawn import interpreter

# What the core loads beside itself, as far as it is there.
_MODULES = ("cryptography", "docker", "yaml", "pathspec", "uv", "rattler", "espalier_native")


def full_core(session: Session) -> Dict[str, Any]:
    """Fields of `env.json`: `core_python`, the interpreter, and `modules`, the folders where it finds packages. Those
    of compiled packages go with one interpreter, and the runner may be another session's."""
    modules = folders_of(_MODULES) if session.modules is None else session.modules
    return {"core_python": session.core_python or interpreter(), "modules": tuple(modules)}


def refuse_missing_extras(paths: WorkspacePaths, config: ScriptRunConfig, chosen: Optional["Chosen"]) -> None:
    """Refuse a job whose secrets or environment need Python packages that the processes of its run wouldn't find.

    Those processes install nothing. Raises EspalierError `extra_missing`.
    """
    # (a child is made ready with what its parent has)
    given = config.session.modules
    folders = None if given is None else [*given, *sys.path]
    if config.secrets:
        require("secrets", folders)
    if chosen is None or chosen.how not in MADE or (chosen.how == IMAGE and known_image(paths, chosen.environment)):
        return
    if chosen.how == IMAGE:
        require("docker", folders)
    side = chosen.environment.python
    if side is None or not side.is_managed:
        return
    from espalier.provision.packages.pyenv import has_uv

    if not has_uv():
        require("packages", folders)
    if side.conda is not None:
        require("conda", folders)


# How a run comes to its environment: what the session has; what the definition says is there; what is made for it.
SESSION, USER_MANAGED, PRIVATE, IMAGE = "session", "user-managed", "private", "image"
# Those that are made ready while the run is prepared.
MADE = (IMAGE, PRIVATE)


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


def choose_environment(
    paths: WorkspacePaths, config: ScriptRunConfig, experiment: str, can: Capabilities
) -> Optional[Chosen]:
    """The environment that a job asks for; None where it has what the session has.

    Args:
        experiment: Name of its experiment, which is that of a definition that has none.
        can: What its executor can do.

    Raises:
        EspalierError: `environment_missing`, `environment_invalid`, `needs_docker`.
    """
    if config.environment is None:
        return None
    environment = read_environment(paths, config.environment, experiment)
    is_named = bool({"name", "definition"} & set(config.environment))
    if IMAGE in can.environments:
        return Chosen(environment, IMAGE, is_named)
    how = PRIVATE if _asks_for_packages(environment) else USER_MANAGED
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
            raise EspalierError(
                "environment_invalid", f"Can't read the environment's record: it isn't JSON: {error}."
            ) from error
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

    Raises:
        EspalierError: `bad_name`, `environment_invalid`, `workspace_read_only`, or what is wrong with a build context.
    """
    from espalier.environment.context import freeze_context
    from espalier.environment.registered import curated, newest_version, register

    environment = chosen.environment
    ready = curated(environment.name)
    if ready is not None and replace(environment, version=ready.version) == ready:
        return chosen._replace(environment=ready)
    before = newest_version(paths, environment.name)
    kept = register(paths, freeze_context(paths, environment))
    note = (
        f'The packages of this job are now version {kept.version} of the environment "{kept.name}", which has the '
        "experiment's name. To keep them apart, give environment = r_environment() with another name."
    )
    is_worth_a_note = not chosen.is_named and 0 < before < int(kept.version or 0)
    return chosen._replace(environment=kept, notes=[note] if is_worth_a_note else [])


def known_image(paths: WorkspacePaths, environment: Environment) -> Optional[Dict[str, Any]]:
    """What the workspace knows of an environment's image; None where it knows none. No server is asked, and
    nothing that takes long is loaded: the runner looks whether it is still there."""
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


def preparing(
    paths: WorkspacePaths, chosen: Chosen, config: ScriptRunConfig, inherited: Mapping[str, str]
) -> Dict[str, Any]:
    """What `env.json` holds for the process that makes the environment ready, beside what starts it.

    Args:
        inherited: Those of the session's variables that a job may inherit.
    """
    known = known_image(paths, chosen.environment) if chosen.how == IMAGE else None
    session = config.session.variables
    engine = engine_variables(session)
    # (and the registries that the user is logged in to, and the engines that a container must not reach)
    wanted = (CONFIG_VARIABLE, *NAMED_BY)
    ours = {name: value for name, value in session.items() if name.startswith("ESPALIER_") or name in wanted}
    programs = Programs(config.session.rscript, config.session.r_version, config.session.python)
    variables = {**inherited, **engine, **ours}
    # (R's own folders in it may hold another Python's library than that of the interpreter that is started)
    variables.pop("LD_LIBRARY_PATH", None)
    return {"engine": engine, "preparing": variables, "session": programs, "prepared": known, "how": chosen.how}
