"""What a job finds around it: inherited variables, R and Python libraries; and the key of all that. Which Python runs
a Python entry script: the one that the user would run it with by hand."""

import glob
import os
import shutil
import subprocess
import sys
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

from espalier.base.canonical import digest
from espalier.base.config import ScriptRunConfig, Session
from espalier.base.model.codec import decode
from espalier.base.model.job import JobEnvironment
from espalier.base.names import looks_secret
from espalier.base.paths import JOB_PYTHON, JOB_R
from espalier.executors.contract import Executor
from espalier.jobs.environment import IMAGE, SESSION, Chosen
from espalier.jobs.inherited import for_environment, inherited_variables

# Folders of virtual environments in a project that other tools take by themselves as well.
_VENVS = (".venv", "venv")
# So long a shim may take to say what it chooses.
_SECONDS = 10


class Interpreter(NamedTuple):
    """A Python, and what to tell the user about the choice."""

    path: str
    notes: List[str]


def python_for_scripts(session: Session, source: Optional[str], path: str, own: str) -> Interpreter:
    """The first existing one of: the one named for the job, as an interpreter or a virtual environment; in Python the
    session's own; `RETICULATE_PYTHON`; what the user chose for reticulate in this session; an active virtual or conda
    environment; a virtual environment in the source folder; `python3` or `python` on the PATH. espalier's own serves
    where there is no other.

    Args:
        own: The interpreter of the process that submits.
    """
    if session.python:
        return Interpreter(_interpreter_of(session.python), [])
    if session.rscript is None:  # no R: the user runs Python, this one
        return Interpreter(own, [])
    for candidate in _named(session):
        if _serves(candidate):
            return Interpreter(candidate, [])
    for folder in _VENVS if source else ():
        candidate = os.path.join(os.path.abspath(source or ""), folder, "bin", "python")
        if _serves(candidate):
            return Interpreter(candidate, [f"Python scripts run on the project's virtual environment, {candidate}."])
    for folder in path.split(os.pathsep):
        for name in ("python3", "python"):
            found = shutil.which(name, path=folder) if folder else None
            if found and _serves(found):
                return Interpreter(found, [])
    note = f"The PATH has no Python. Python scripts run on espalier's own, {own}, which has few packages."
    return Interpreter(own, [note])


def python_record(python: Interpreter, folder: Optional[str], variables: Mapping[str, str]) -> Dict[str, Any]:
    """What a run's record holds of its Python: `interpreter`, as the job starts it, and, where that is a script that
    chooses one (a shim of pyenv or asdf), `executable`: what it has chosen.

    Args:
        folder: Where the job's files are, which may choose: `.python-version`.
    """
    executable = _chosen_by(python.path, folder, variables) if _is_a_script(python.path) else None
    return {"interpreter": python.path, **({"executable": executable} if executable else {})}


def _is_a_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _chosen_by(shim: str, folder: Optional[str], variables: Mapping[str, str]) -> Optional[str]:
    command = [shim, "-I", "-S", "-c", "import sys; sys.stdout.write(sys.executable)"]
    try:
        asked = subprocess.run(
            command, cwd=folder, env=dict(variables), stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    found = os.fsdecode(asked.stdout)
    return found if asked.returncode == 0 and os.path.isabs(found) and os.path.isfile(found) else None


def _interpreter_of(python: str) -> str:
    """The interpreter itself, where the folder of a virtual environment was named."""
    inside = os.path.join(python, "bin", "python")
    return inside if os.path.isfile(inside) else python


def _named(session: Session) -> Iterator[str]:
    variables = os.environ if session.environment is None else session.environment
    yield variables.get("RETICULATE_PYTHON", "")
    yield session.reticulate or ""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        yield os.path.join(variables.get(name, ""), "bin", "python")


def _serves(python: str) -> bool:
    """Whether this is an interpreter, and not that of espalier's private environment."""
    if not os.path.isabs(python) or not os.path.isfile(python) or not os.access(python, os.X_OK):
        return False
    prefix = os.path.dirname(os.path.dirname(python))
    # (what R/python-build.R leaves there)
    private = os.path.basename(os.path.dirname(prefix)) == "py" and os.path.isfile(os.path.join(prefix, ".ok"))
    return not private


# What a job's own variables may say of libraries of R; and in which variable a job finds those of the session, whatever
# R's start-up files make of the others.
_OF_R_LIBRARIES = ("R_LIBS", "R_LIBS_USER", "R_LIBS_SITE")
LIBRARY_PATHS = "ESPALIER_LIBRARY_PATHS"


class Surroundings(NamedTuple):
    """The job's variables, the record of them, and what to tell the user."""

    variables: Dict[str, str]
    links: Dict[str, str]
    record: JobEnvironment
    inherited: List[str]
    notes: List[str]


def surroundings(
    config: ScriptRunConfig,
    source: Optional[str],
    language: str,
    chosen: Optional[Chosen] = None,
    executor: Optional[Executor] = None,
) -> Surroundings:
    """Put together what the job will find around it."""
    session = config.session
    variables = inherited_variables(session)
    if chosen is not None:
        variables = for_environment(variables)
    if executor is not None:
        variables = executor.inherits(variables)
    inherited = sorted(variables)
    if chosen is not None:
        return _with_environment(config, source, language, chosen, variables)
    links = {JOB_PYTHON + "/espalier": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    r_record = _r_libraries(session, source, variables)
    if session.r_package:
        links[JOB_R + "/espalier"] = session.r_package
    if session.rscript is not None:  # (for jobs that use the whole core: R has started this Python)
        variables["ESPALIER_CORE_PYTHON"] = session.core_python or sys.executable
    _keep_what_is_asked(config, variables)
    python = _python(config, source, language, variables)
    record: Dict[str, Any] = {
        "how": SESSION,
        "variables": {name: _shown(name, value) for name, value in sorted(config.environment_variables.items())},
        "r": r_record,
        "python": python_record(python, source, variables) if python else None,
    }
    # (of variables that look secret only the name: a digest would let others try passwords)
    record["key"] = digest({name: part for name, part in record.items() if name != "how"})
    asked = decode(JobEnvironment, record)
    return Surroundings(variables, links, asked, inherited, python.notes if python else [])


def _keep_what_is_asked(config: ScriptRunConfig, variables: Dict[str, str]) -> None:
    """What a job's own variables say counts, of libraries of R too."""
    if any(name in config.environment_variables for name in _OF_R_LIBRARIES):
        variables.pop(LIBRARY_PATHS, None)
    variables.update(config.environment_variables)


def _python(
    config: ScriptRunConfig, source: Optional[str], language: str, variables: Dict[str, str]
) -> Optional[Interpreter]:
    if language != "python":
        return None
    return python_for_scripts(config.session, source, variables.get("PATH", os.defpath), sys.executable)


def _with_environment(
    config: ScriptRunConfig, source: Optional[str], language: str, chosen: Chosen, variables: Dict[str, str]
) -> Surroundings:
    """What the environment says counts in place of what the session has."""
    inherited, session = sorted(variables), config.session
    links = {JOB_PYTHON + "/espalier": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    if session.r_package:
        links[JOB_R + "/espalier"] = session.r_package
    # (the project's .Rprofile would activate renv, whose library takes the place of the environment's)
    variables["RENV_CONFIG_AUTOLOADER_ENABLED"] = "FALSE"
    variables.update(chosen.environment.variables)
    variables.update(config.environment_variables)
    asked = {**chosen.environment.variables, **config.environment_variables}
    here = chosen.how != IMAGE
    python = _python(config, source, language, variables) if here and chosen.interpreter(language) is None else None
    record: Dict[str, Any] = {
        "variables": {name: _shown(name, value) for name, value in sorted(asked.items())},
        "r": {"rscript": session.rscript, "version": session.r_version} if here and language == "r" else None,
        "python": python_record(python, source, variables) if python else None,
    }
    asks = chosen.record()
    variables_of = asks["definition"]["variables"]
    # (nothing is made of them; a definition that is read back without one is missed sooner than one with stars)
    asks["definition"]["variables"] = {name: value for name, value in variables_of.items() if not looks_secret(name)}
    record["key"] = digest({**record, "how": chosen.how, "definition": asks["definition_digest"]})
    found = decode(JobEnvironment, {**record, **asks})
    return Surroundings(variables, links, found, inherited, python.notes if python else [])


def _shown(name: str, value: str) -> str:
    return "<hidden>" if looks_secret(name) else value


def _r_libraries(session: Session, source: Optional[str], variables: Dict[str, str]) -> Dict[str, Any]:
    """Point the job's R at the submitting session's libraries, or at the project's own renv library."""
    renv = renv_library(source, session.r_version) if source else None
    paths = list(session.library_paths)
    if renv is not None:
        if os.path.realpath(renv) not in map(os.path.realpath, paths):  # (else the session is in that project)
            paths = [renv]
        variables["R_LIBS_USER"] = "NULL"  # a word R documents: no user library
        variables["R_LIBS_SITE"] = os.path.join(renv, "none")  # (renv hides those of the site, too)
    if paths:
        variables["R_LIBS"] = variables[LIBRARY_PATHS] = os.pathsep.join(paths)
        variables["ESPALIER_LIBRARY_R"] = session.r_version or ""
    if paths and source and os.path.isfile(os.path.join(source, "renv", "activate.R")):
        # the project's .Rprofile would activate renv, which may download and install; its library is enough
        variables["RENV_CONFIG_AUTOLOADER_ENABLED"] = "FALSE"
    return {"rscript": session.rscript, "version": session.r_version, "library_paths": paths, "renv": renv}


def renv_library(source: str, r_version: Optional[str]) -> Optional[str]:
    """The library of a project that uses renv, if it has been restored; None otherwise.

    renv keeps it at `renv/library/[<os>/]R-<major.minor>/<platform>`.
    """
    if not os.path.isfile(os.path.join(source, "renv", "activate.R")):
        return None
    minor = ".".join(r_version.split(".")[:2]) if r_version else "*"
    base = glob.escape(os.path.join(os.path.abspath(source), "renv", "library"))
    for pattern in (f"{base}/R-{minor}/*", f"{base}/*/R-{minor}/*"):
        found = sorted(path for path in glob.glob(pattern) if os.path.isdir(path))
        if found:
            return found[-1]
    return None
