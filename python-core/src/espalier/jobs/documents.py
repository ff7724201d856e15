"""Entry scripts by their kind: how documents are rendered or executed, and which files nothing can execute."""

import os
import shutil
import subprocess
from typing import List, Mapping, Optional

from espalier.base.config import Session
from espalier.base.errors import EspalierError
from espalier.base.model.words import SCRIPT, Word, literal, word
from espalier.base.scripts import NOTEBOOK, QUARTO, R_MARKDOWN, kind_of

# What interprets other scripts. A #! line of their own comes first.
_PROGRAMS = {".sh": "/bin/sh", ".bash": "bash", ".zsh": "zsh", ".jl": "julia", ".pl": "perl", ".rb": "ruby"}
# The runner's own programs, found from inside the job, also in a container (protocol.md, "Inside the job").
_RUNNER = ".job/python/espalier/runner"
_RENDER = f'source(file.path(Sys.getenv("ESPALIER_RUN_DIR"),"{_RUNNER}/render.R"))'
_QUARTO = f'. "$ESPALIER_RUN_DIR/{_RUNNER}/quarto.sh"'
_NATIVE = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def runner_words(script: str) -> List[Word]:
    """What stands between R or Python and a document that it is to render or execute."""
    if kind_of(script) in R_MARKDOWN:
        return [literal("-e"), literal(_RENDER)]
    return [literal("-m"), literal("espalier.runner.notebook")] if kind_of(script) == NOTEBOOK else []


def other_command(source: Optional[str], script: str, path: Optional[str]) -> List[Word]:
    """How a script is executed that is neither R nor Python.

    Args:
        source: The folder it lies in, if there is one to look at.
        path: The PATH to search for what interprets it; None: not here, it is in a container, or is yet to be made.

    Raises:
        EspalierError: `interpreter_missing`; `script_missing` if nothing can execute it.
    """
    beside = word(SCRIPT, os.path.join(".", script))
    first = _first_line(os.path.join(source, script)) if source else b""
    if kind_of(script) == QUARTO:
        return [*map(literal, ("/bin/sh", "-c", _QUARTO, "sh")), word(SCRIPT, script)]
    known = _PROGRAMS.get(kind_of(script))
    if first.startswith(b"#!") and (known or _is_executable(source, script)):
        words = first[2:].decode("utf-8", "replace").strip().split(None, 1)
        return [beside] if _is_executable(source, script) else [*map(literal, words), beside]
    if known:
        if path is not None and shutil.which(known, path=path) is None:
            message = f'Can\'t run "{script}": {known} was not found on the PATH ({path}).'
            hint = f"Install {known}, or give its path in command =."
            raise EspalierError("interpreter_missing", message, hint)
        return [literal(known), beside if script.startswith("-") else word(SCRIPT, script)]
    if source is not None and not (_is_executable(source, script) and first.startswith(_NATIVE)):
        raise _not_executable(script, first)
    return [beside]


def refuse_missing_tools(script: str, session: Session, python: str, variables: Mapping[str, str]) -> None:
    """Look for what renders or executes a document, where the job will have what the session has.

    Args:
        python: The Python that would execute a notebook.

    Raises:
        EspalierError: `interpreter_missing`.
    """
    kind = kind_of(script)
    if kind in R_MARKDOWN:
        libraries = variables.get("R_LIBS", "").split(os.pathsep) + list(session.library_paths or [])
        if session.library_paths and not any(os.path.isdir(os.path.join(one, "rmarkdown")) for one in libraries):
            raise _missing(script, "the R package rmarkdown", 'Install it: install.packages("rmarkdown").')
        pandoc = os.path.join(variables.get("RSTUDIO_PANDOC", ""), "pandoc")
        if not shutil.which("pandoc", path=variables.get("PATH")) and not os.access(pandoc, os.X_OK):
            raise _missing(script, "pandoc", "Install it, or set RSTUDIO_PANDOC to its folder.")
    if kind == QUARTO and not shutil.which(variables.get("QUARTO_PATH", "quarto"), path=variables.get("PATH")):
        raise _missing(script, "quarto", "Install it from https://quarto.org, or set QUARTO_PATH to the program.")
    if kind == NOTEBOOK:
        look = "import importlib.util as u; raise SystemExit(not all(map(u.find_spec, ('nbclient', 'ipykernel'))))"
        asked = subprocess.run([python, "-c", look], env=dict(variables), stdin=subprocess.DEVNULL, capture_output=True)
        if asked.returncode:
            hint = f"Install them: {python} -m pip install nbclient ipykernel"
            raise _missing(script, f"the packages nbclient and ipykernel of {python}", hint)


def _missing(script: str, tool: str, hint: str) -> EspalierError:
    return EspalierError("interpreter_missing", f'Can\'t render "{script}" without {tool}.', hint)


def _first_line(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.readline(256)
    except OSError:
        return b""


def _is_executable(source: Optional[str], script: str) -> bool:
    return source is not None and bool(os.stat(os.path.join(source, script)).st_mode & 0o111)


def _not_executable(script: str, first: bytes) -> EspalierError:
    if first.startswith(b"#!"):
        found, remedy = "it isn't executable", f"Make it executable: chmod +x {script}"
    else:
        found = f'no program is known for {kind_of(script) or "a file without ending"}, and it has no #! line'
        remedy = f'Name the program that runs it: command = c("<program>", "{script}")'
    message = f'Can\'t run the entry script "{script}": {found}.'
    return EspalierError("script_missing", message, remedy)
