"""From a config to the argument vector that will be executed."""

import os
import shlex
import shutil
import sys
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.job import Input
from espalier.jobs.documents import QUARTO, kind_of, language_of, other_command, runner_words
from espalier.jobs.environment import IMAGE, Chosen
from espalier.jobs.params import quarto_options, script_arguments
from espalier.lifecycle.near_names import files_below, nearest_file

_SCRIPTS = (".r", ".py", ".sh", ".rmd", ".qmd", ".ipynb")


class Program(NamedTuple):
    """What to execute, and how the record describes it."""

    kind: str  # "script" or "command"
    command: List[str]
    arguments: List[str]
    params: Dict[str, Any]
    language: str  # "r", "python" or "other"


def program(
    config: ScriptRunConfig,
    inputs: Sequence[Input],
    path: str,
    chosen: Optional[Chosen] = None,
    source: Optional[str] = None,
    python: Optional[str] = None,
    params: Optional[Mapping[str, Any]] = None,
) -> Program:
    """The program of a job.

    Args:
        inputs: The resolved inputs; each adds `--name path`.
        path: The PATH to search for interpreters.
        chosen: The environment it asks for. In a container programs are looked for there, when it starts.
        source: The folder that the script lies in, if there is one to look at.
        python: What runs a Python script, where the environment names none.
        params: Its parameters; None: those of the config.

    Raises:
        EspalierError: `interpreter_missing`, `bad_argument`, `bad_name`; `script_missing` if nothing can execute it.
    """
    language = language_of(config.entry_script)
    spelled = ("TRUE", "FALSE") if language == "r" else ("True", "False")
    given = config.script_params if params is None else params
    arguments, typed = script_arguments(given, spelled)
    arguments = [_text(item) for item in config.arguments] + arguments
    for item in inputs:
        arguments += ["--" + item.name, item.path]
    if config.entry_script is None:
        command = _command(config.command or [], None if _is_image(chosen) else path)
        shell = isinstance(config.command, str)
        # a shell gives what follows the command string's own name to it as $1, $2, ... and "$@"
        return Program("command", command + ["sh"] * shell * bool(arguments) + arguments, arguments, typed, "other")
    start = _interpreter(config, config.entry_script, language, path, chosen, source, python)
    if kind_of(config.entry_script) == QUARTO:
        options = quarto_options(given)
        arguments = [_text(item) for item in config.arguments] + options + arguments[len(arguments) - 2 * len(inputs) :]
    start[1:1] = runner_words(config.entry_script)
    return Program("script", start + arguments, arguments, typed, language)


def _is_image(chosen: Optional[Chosen]) -> bool:
    return chosen is not None and chosen.how == IMAGE


def _interpreter(
    config: ScriptRunConfig,
    script: str,
    language: str,
    path: str,
    chosen: Optional[Chosen],
    source: Optional[str],
    python: Optional[str],
) -> List[str]:
    # a name such as `-e.R` must not be read as an option
    safe = os.path.join(".", script) if script.startswith("-") else script
    session = config.session
    named = chosen.interpreter(language) if chosen is not None else None
    if _is_image(chosen) and language != "other":
        return [named or {"r": "Rscript", "python": "python3"}[language], safe]
    if named is not None:
        return [_found(named, named, path, "Correct the environment, or install it there."), safe]
    if language == "r":
        rscript = _found("Rscript", session.rscript, path, "Install R, or give the path of Rscript.")
        return [rscript, safe]
    if language == "python":
        python = python or sys.executable
        remedy = "Install Python, or give the path of its interpreter."
        if session.python:
            remedy = "Give the path of an interpreter, or the folder of a virtual environment that has bin/python."
        return [_found("python3", python, path, remedy), safe]
    return other_command(source, script, None if _is_image(chosen) else path)


def _command(command: Any, path: Optional[str]) -> List[str]:
    if isinstance(command, str):
        if not command.strip():
            raise EspalierError("bad_argument", "The command is empty.")
        return ["/bin/sh", "-c", _text(command)]
    parts = [_text(part) for part in command]
    if not parts or not parts[0]:
        raise EspalierError("bad_argument", "The command is empty.")
    if os.sep not in parts[0] and path is not None:
        parts[0] = _found(parts[0], None, path, "Install it, or give its path.")
    return parts


def _found(program_name: str, chosen: Optional[str], path: str, remedy: str) -> str:
    found = shutil.which(chosen or program_name, path=path)
    if found is None:
        where = f"at {chosen}" if chosen and os.sep in chosen else f"on the PATH ({path})"
        raise EspalierError("interpreter_missing", f"{program_name} was not found {where}.", remedy)
    return found


def _text(value: Any) -> str:
    if isinstance(value, str) and "\0" not in value:
        return value
    raise EspalierError(
        "bad_argument",
        f"Arguments must be strings without NUL characters, not {value!r}.",
        "Convert the value to text.",
    )


def named_files(config: ScriptRunConfig, params: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """Words of a job that may name files, each with what holds it.

    Args:
        params: Its parameters, in place of the config's.
    """
    if isinstance(config.command, str):
        try:
            command = shlex.split(config.command)
        except ValueError:  # (a quote that is not closed: the shell will complain)
            command = config.command.split()
    else:
        command = [str(part) for part in config.command or ()]
    values = [value for given in params.values() for value in _as_list(given)]
    words = [("The command", word) for word in command]
    words += [("An argument", word) for word in (*config.arguments, *values) if isinstance(word, str)]
    return words


def _as_list(value: Any) -> List[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def checked_script(source: str, script: str) -> str:
    """The entry script as a path inside the source directory.

    Raises:
        EspalierError: `script_missing`.
    """
    relative = os.path.normpath(script)
    if os.path.isabs(script):
        relative = os.path.relpath(os.path.realpath(script), os.path.realpath(source))
    full = os.path.join(source, relative)
    if relative.split(os.sep)[0] == ".." or not script:
        what = f"The entry script {script!r} is not inside {source}"
    elif os.path.isdir(full):
        what = f"The entry script {script!r} is a directory"
    elif not os.path.isfile(full):
        what = f"There is no entry script {script!r} in {source}"
    else:
        return relative
    near = nearest_file(source, script)
    hint = f'Did you mean "{near}"?' if near else "Give its path inside source_directory."
    raise EspalierError("script_missing", f"{what}.{_scripts(source)}", hint)


def _scripts(source: str) -> str:
    """The scripts of a folder, those at its top first."""
    found = [path for path in files_below(source) if kind_of(path) in _SCRIPTS]
    found.sort(key=lambda path: (path.count(os.sep), path))
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return f" Scripts there: {', '.join(found[:5])}{more}." if found else ""
