"""The environments of a workspace, and their locks: `ws.environments`."""

import re
import warnings
from typing import Any, Dict, List, Optional

from espalier.adapters.homes import program_cache
from espalier.base.arguments import classed
from espalier.base.cache_paths import CachePaths
from espalier.base.operation import operation
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import report
from espalier.base.types import Frame
from espalier.environment.context import freeze_context
from espalier.environment.definition import DockerSide, Environment
from espalier.environment.lock import Lock
from espalier.environment.recipe import PYTHON_VERSION, R_VERSION, base_image
from espalier.environment.registered import list_registered, list_versions, register, registered
from espalier.environment.stored_locks import read_lock, write_lock
from espalier.provision.local.refuse import reasons_for_docker
from espalier.snapshot.hold import holding_objects
from espalier.vault.known import refuse_secret_values
from espalier.vault.store import secret_reader
from espalier.workspace.handle import WorkspaceHandle

_COLUMNS = ("package", "version", "origin", "url", "digest")
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;]+)")
_AT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*@\s*(\S+)")
_CONDA = re.compile(r"(.+)-([^-]+)-[^-]+\.(?:tar\.bz2|conda)")


@classed
class Environments(WorkspaceHandle):
    """The environments of a workspace."""

    NOUN = "environments"

    @operation("POST /environments", long=True)
    def register(self, environment: Environment) -> Environment:
        """Register an environment. One equal to the newest of its name keeps that version, another gets the next.

        A build context that is a folder of this machine is frozen: a snapshot of it is stored, by the same rules as
        those of source directories. Variables whose names look like those of secrets are warned of.

        Args:
            environment: A definition.

        Returns:
            The environment with its version.

        Raises:
            EspalierError: `bad_name` when espalier brings one of that name; `bad_argument` when it contains a secret's
                value; `source_missing`, `source_unreadable` or
                `source_changed` about a build context; `workspace_read_only`.
        """
        paths = self._checked()._paths
        refuse_secret_values(paths, {"environment": environment})
        for note in environment.notes():
            warnings.warn(note, stacklevel=3)
        with holding_objects(paths):
            return register(paths, freeze_context(paths, environment))

    @operation("GET /environments/{name}", command="")
    def get(self, name: str, version: Optional[str] = None) -> Environment:
        """A registered environment, or the curated one of that name.

        Args:
            name: Its name.
            version: Its version; by default the newest.

        Raises:
            EspalierError: `environment_missing`, `environment_damaged`, `newer_format`, `bad_name`.
        """
        return registered(self._checked()._paths, name, version)

    @operation("GET /environments")
    def list(self) -> Frame:
        """List environments: the newest version of each, and the curated ones.

        Returns:
            `name`, newest `version`, how many `versions`, `kind` (`R`, `Python`, `R and Python`, `image`; `damaged` of
            one that cannot be read), `description`, `registered_at`, and whether it is `curated`.
        """
        return list_registered(self._checked()._paths)

    @operation("GET /environments/{name}/versions")
    def versions(self, name: str) -> Frame:
        """List the versions of an environment, newest first: `version`, `kind`, `description`, `registered_at`.

        Args:
            name: Its name.

        Raises:
            EspalierError: `environment_missing`, `bad_name`.
        """
        return list_versions(self._checked()._paths, name)

    @operation("POST /environments/lock", long=True)
    def lock(
        self, environment: Environment, refresh: bool = False, r_version: Optional[str] = None
    ) -> Environment:
        """Lock the packages of an environment: resolve them to exact versions, which the workspace keeps. Builds and
        runs of the same definition take them from then on.

        Packages are resolved for the versions of R and Python that the definition asks for. Where it asks for none they
        are the R of the session and espalier's own Python, or, if only a container can give what it asks for, those of
        the default base images.

        Args:
            environment: A definition.
            refresh: Whether to resolve again what was resolved before.
            r_version: The R of the session.

        Returns:
            The environment; a build context that was a folder of this machine is frozen.

        Raises:
            EspalierError: `package_missing`, `lock_failed`, `secret_missing`, `interpreter_missing`, `extra_missing`;
                `workspace_read_only`.
        """
        paths = self._checked()._paths
        with holding_objects(paths):
            environment = freeze_context(paths, environment)
        if refresh or read_lock(paths, environment) is None:
            write_lock(paths, environment, _resolved(paths, environment, r_version))
        return environment

    @operation("GET /environments/packages")
    def packages(self, environment: Environment) -> Frame:
        """List the exact packages of an environment.

        Args:
            environment: A definition.

        Returns:
            `package`, `version`, `origin` (`cran`, `github`, `url`, `bioconductor`, `pip`, `conda`), `url` and
            `digest`, as far as there is one of each; no rows if it was never locked.

        Raises:
            EspalierError: `environment_damaged`.
        """
        paths = self._checked()._paths
        with holding_objects(paths):
            environment = freeze_context(paths, environment)
        lock = read_lock(paths, environment) or Lock()
        rows = [*_r_rows(lock), *map(_python_row, lock.python), *map(_conda_row, lock.conda)]
        return Frame({name: [row.get(name) for row in rows] for name in _COLUMNS}, dict.fromkeys(_COLUMNS, "string"))


def _resolved(paths: WorkspacePaths, environment: Environment, r_version: Optional[str]) -> Lock:
    from espalier.provision.packages.lock import resolve  # for those who resolve something
    from espalier.provision.packages.pyenv import PythonHost
    from espalier.provision.packages.resolve import RHost

    r_wanted = environment.r.version if environment.r else None
    python_wanted = environment.python.version if environment.python else None
    platform, conda_platform = None, None
    if reasons_for_docker(environment, r_version):
        own_base = base_image(environment) is None or (environment.docker or DockerSide()).base_image is not None
        r_wanted = r_wanted or (None if own_base else R_VERSION)
        python_wanted = python_wanted or PYTHON_VERSION
        machine = (environment.docker.platform if environment.docker else None) or "linux/amd64"
        platform, conda_platform = ("aarch64", "linux-aarch64") if "arm64" in machine else ("x86_64", "linux-64")
        platform += "-unknown-linux-gnu"
    # (which recommended packages an R brings shows when they are installed: a lock is good for more than one)
    r = RHost(r_wanted or r_version)
    chosen = PythonHost(python_wanted, platform=platform)
    cache, secrets = CachePaths(program_cache()), secret_reader(paths)
    return resolve(environment, cache, r, chosen, secrets, lambda line: report(line, 0), conda_platform)


def _r_rows(lock: Lock) -> List[Dict[str, Any]]:
    return [
        {"package": one.name, "version": one.version, "origin": one.origin, "url": one.url, "digest": one.digest}
        for one in lock.r
    ]


def _python_row(line: str) -> Dict[str, Any]:
    pinned, at = _PINNED.match(line), _AT.match(line)
    hashes = re.findall(r"--hash=(\S+)", line)
    return {
        "package": pinned[1] if pinned else at[1] if at else line.split()[0],
        "version": pinned[2] if pinned else None,
        "origin": "pip",
        "url": at[2] if at else None,
        "digest": hashes[0] if len(hashes) == 1 else None,
    }


def _conda_row(locked: str) -> Dict[str, Any]:
    url, _, digest = locked.partition("#sha256=")
    match = _CONDA.fullmatch(url.rpartition("/")[2])
    return {
        "package": match[1] if match else url,
        "version": match[2] if match else None,
        "origin": "conda",
        "url": url,
        "digest": f"sha256:{digest}" if digest else None,
    }
