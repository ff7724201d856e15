"""A private environment as a job uses it."""

import os
import shutil
from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Tuple

from espalier.base.cache_paths import PrivatePaths
from espalier.base.errors import EspalierError
from espalier.base.records import read_record
from espalier.environment.definition import Environment


@dataclass(frozen=True)
class Session:
    """What the submitting session runs with.

    Args:
        r_version: The version of that R, `4.2.2`.
        python: Its Python. (A private environment is made of espalier's own, where a definition names no version.)
    """

    rscript: Optional[str] = None
    r_version: Optional[str] = None
    python: Optional[str] = None


@dataclass(frozen=True)
class PrivateEnvironment:
    """What is there for a job.

    Args:
        folder: Where it lies; None where nothing had to be installed.
        python: The interpreter for Python jobs; None: the session's.
        variables: To be set for the job, before the definition's own.
        path: Folders to put first on the job's PATH.
        found: Whether it was there already.
        seconds: What it took to find or build it.
    """

    folder: Optional[str]
    rscript: Optional[str]
    python: Optional[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    path: Tuple[str, ...] = ()
    found: bool = True
    seconds: float = 0.0
    key: Optional[str] = None


def interpreters(environment: Environment, session: Session) -> Tuple[Optional[str], Optional[str]]:
    """Rscript and Python that a definition brings itself or the session has. Raises EspalierError:
    `interpreter_missing`, the definition names one that is not there."""
    r, python = environment.r, environment.python
    rscript = _program("r.rscript_path", r.rscript_path) if r and r.rscript_path else session.rscript
    own = python.interpreter_path if python else None
    return rscript, _program("python.interpreter_path", own) if own else None


def _program(field_name: str, program: str) -> str:
    found = shutil.which(os.path.expanduser(program))
    if found is None:
        message = f"Can't find {program}, the environment's {field_name}, on this machine."
        raise EspalierError("interpreter_missing", message, "Install it, or leave that field out.", path=program)
    return os.path.abspath(found)


def _activated(paths: PrivatePaths) -> Dict[str, str]:
    """What the scripts of its conda packages set when it was built."""
    try:
        return dict(read_record(paths.record).get("activated") or {})
    except (EspalierError, OSError):
        return {}


def as_used(
    environment: Environment, session: Session, paths: Optional[PrivatePaths], **facts: object
) -> PrivateEnvironment:
    """What a job is given of an environment.

    R sees its own base and recommended packages and the private library, nothing of the user's or the system's. An R
    script's reticulate uses the private Python.
    """
    rscript, python = interpreters(environment, session)
    variables: Dict[str, str] = {}
    path: Tuple[str, ...] = ()
    if paths is not None and environment.r is not None and environment.r.is_managed:
        variables["R_LIBS"] = paths.library
        variables["R_LIBS_USER"] = "NULL"  # a word R documents: no user library
        variables["R_LIBS_SITE"] = paths.nowhere
        variables["R_ENVIRON_USER"] = paths.renviron
    if paths is not None and environment.python is not None and environment.python.is_managed:
        python = os.path.join(paths.python_bin, "python")
        path = (paths.python_bin,)
        variables.update(_activated(paths))
        variables["CONDA_PREFIX" if environment.python.conda else "VIRTUAL_ENV"] = paths.python
        variables["PYTHONNOUSERSITE"] = "1"
    if python is not None:
        variables["RETICULATE_PYTHON"] = python
    folder = paths.root if paths else None
    return PrivateEnvironment(folder, rscript, python, variables, path, **facts)  # type: ignore[arg-type]
