"""Which Python runs a Python entry script: the one that the user would run it with by hand."""

import os
import shutil
import subprocess
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

from espalier.base.config import Session

# Folders of virtual environments in a project that other tools take by themselves as well.
_VENVS = (".venv", "venv")
# So long a shim may take to say what it chooses.
_SECONDS = 10


class Interpreter(NamedTuple):
    """A Python, and what to tell the user about the choice."""

    path: str
    notes: List[str]


def python_for_scripts(session: Session, source: Optional[str], path: str, own: str) -> Interpreter:
    """The first that there is of: the one named for the job, by itself or by its virtual environment; in Python the
    session's own; `RETICULATE_PYTHON`; what the user chose for reticulate in this session; an active virtual or conda
    environment; a virtual environment in the source folder; `python3` or `python` on the PATH. espalier's own serves
    where there is no other.

    Args:
        session: The session that submits.
        source: The source folder.
        path: The job's PATH.
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
    note = f"There is no Python on the PATH: Python scripts run on espalier's own, {own}, which has few packages."
    return Interpreter(own, [note])


def python_record(python: Interpreter, folder: Optional[str], variables: Mapping[str, str]) -> Dict[str, Any]:
    """What a run's record holds of its Python: `interpreter`, as the job starts it, and, where that is a script that
    chooses one (a shim of pyenv or asdf), `executable`: what it has chosen.

    Args:
        folder: Where the job's files are, which may choose: `.python-version`.
        variables: The job's.
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
