"""Building a private environment in its folder."""

import os
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional

from espalier.adapters.machine import processors, system_name
from espalier.base.cache_paths import CachePaths, PrivatePaths
from espalier.base.errors import EspalierError
from espalier.base.records import make_folders
from espalier.environment.definition import Environment, PythonSide
from espalier.environment.lock import Lock
from espalier.provision.local.activation import Session
from espalier.provision.packages.build_log import tail_of
from espalier.provision.packages.causes import find_cause, last_lines
from espalier.provision.packages.conda import activate, install_request, run_tool
from espalier.provision.packages.gateway import guarded
from espalier.provision.packages.hidden import Hidden, HiddenOutput, without_secrets
from espalier.provision.packages.lock import resolve, trusted
from espalier.provision.packages.pyenv import (
    find_uv,
    install_command,
    make_venv,
    own_version,
    requirements_text,
    uv_variables,
)
from espalier.provision.packages.r_install import INSTALLER, keeping, package_keys, write_plan
from espalier.provision.packages.resolve import ask_r
from espalier.provision.packages.sources import fetch_sources
from espalier.provision.packages.tools import run

# What could make an R see other packages than those it is to see.
_R_VARIABLES = ("R_LIBS", "R_LIBS_USER", "R_LIBS_SITE", "R_PROFILE", "R_PROFILE_USER", "R_ENVIRON_USER", "R_HOME")


@dataclass
class Build:
    """One build: what of, where, and with what."""

    cache: CachePaths
    paths: PrivatePaths
    environment: Environment
    lock: Optional[Lock]
    session: Session
    secrets: Hidden
    _activated: Dict[str, str] = field(default_factory=dict)

    def run(self, output: HiddenOutput, held: int, meanwhile: Callable[[], None]) -> Dict[str, Any]:
        """Build it.

        Args:
            output: Where output goes.
            held: The descriptor of the lock, which all programs inherit.
            meanwhile: Called again and again.

        Returns:
            What to record of it.

        Raises:
            EspalierError: `build_failed`, and what resolving raises.
            OSError: the disk refuses.
        """
        self._output, self._held, self._tell = output, held, meanwhile
        self._say(f"Building the environment {self.environment.name} in {self.paths.root}")
        if self.lock is None:
            self.lock = self._resolve()
        if self.environment.python is not None and self.environment.python.is_managed:
            self._python()
        if self.environment.r is not None and self.environment.r.is_managed:
            self._r()
        return {
            "name": self.environment.name,
            "activated": self._activated,
            "lock": asdict(self.lock),
            "r_version": self.session.r_version,
            "python_version": self.lock.python_version,
        }

    def _say(self, line: str) -> None:
        self._output.write(line.encode() + b"\n")
        self._meanwhile()

    def _meanwhile(self) -> None:
        self._output.copy()
        self._tell()

    def _resolve(self) -> Lock:
        r = ask_r(self.session.rscript) if self.environment.r and self.environment.r.is_managed else None
        return resolve(self.environment, self.cache, r, secrets=self.secrets, tell=self._say)

    def _python(self) -> None:
        side, lock = self.environment.python, self.lock
        assert side is not None and lock is not None
        own = uv_variables(self.environment, self.cache, self.secrets, trusted(self.environment, self.cache))
        with guarded(own) as variables:
            self._python_packages(side, lock, variables)

    def _python_packages(self, side: PythonSide, lock: Lock, variables: Mapping[str, str]) -> None:
        interpreter = os.path.join(self.paths.python_bin, "python")
        if side.conda is not None:
            self._say(f"Installing {len(lock.conda)} conda packages")
            asked = install_request(lock.conda, self.cache, self.paths.python)
            self._checked(run_tool(asked, variables, self._output.fileno(), [self._held], self._meanwhile))
            self._activated = activate(self.paths.python, variables)
        else:
            here = sys.executable if lock.python_version in (None, own_version()) else lock.python_version
            python = side.version or str(here)
            self._say(f"Making a Python environment ({python})")
            output = self._output.fileno()
            self._checked(make_venv(self.paths.python, python, variables, output, [self._held], self._meanwhile))
        if lock.python:
            self._say(f"Installing {len(lock.python)} Python packages")
            with open(self.paths.requirements, "w", encoding="utf-8") as file:
                file.write(requirements_text(side, lock.python))
            self._run(install_command(find_uv(), interpreter, self.paths.requirements), variables)

    def _r(self) -> None:
        rscript, lock = self.session.rscript, self.lock
        assert lock is not None
        if rscript is None:
            raise EspalierError("interpreter_missing", "Can't install R packages: this machine has no R.", "Install R.")
        certificate = self.environment.docker.ca_certificate if self.environment.docker else None
        sources = fetch_sources(self.cache, lock.r, self.secrets, self._say, certificate)
        make_folders(self.paths.library)
        with open(self.paths.renviron, "w", encoding="utf-8") as file:
            file.write(f"R_LIBS_USER=NULL\nR_LIBS_SITE='{self.paths.nowhere}'\n")
        if not sources:
            return
        system = f"R {self.session.r_version} {system_name()}"
        with open(self.paths.plan, "w", encoding="utf-8") as file:
            file.write(write_plan(sources, system))
        variables = {name: value for name, value in without_secrets(os.environ).items() if name not in _R_VARIABLES}
        with keeping(self.cache, package_keys(sources, system).values(), self._say) as new_packages:
            folders = (self.paths.library, self.cache.r_packages, self.cache.sources, new_packages)
            self._run([rscript, "--vanilla", INSTALLER, self.paths.plan, *folders, str(processors())], variables)

    def _run(self, argv: List[str], variables: Mapping[str, str]) -> None:
        self._checked(run(argv, variables, self._output.fileno(), [self._held], meanwhile=self._meanwhile))

    def _checked(self, status: int) -> None:
        if status == 0:
            return
        self._output.copy(is_end=True)
        said = tail_of(self._output.name)
        cause = find_cause(said)
        last = "\n".join(last_lines(said.split("\n")))
        message = f"Can't build the environment {self.environment.name}. {cause.reason}".strip()
        raise EspalierError(
            "build_failed",
            message,
            f"{cause.hint}\nThe last lines of its log:\n{last}".strip(),
            environment=self.environment.name,
            package=cause.package,
            missing=cause.missing,
            apt=list(cause.apt),
        )
