"""From a config to the words of the command that will be executed."""

import os
import shlex
import shutil
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.job import Input, JobEnvironment
from espalier.base.model.resolve import interpreters
from espalier.base.model.words import INPUT, INTERPRETER, SCRIPT, Word, literal, word
from espalier.base.scripts import QUARTO, kind_of, language_of
from espalier.jobs.documents import other_command, runner_words
from espalier.jobs.environment import IMAGE, PRIVATE, SESSION
from espalier.jobs.params import quarto_words, script_words
from espalier.lifecycle.near_names import files_below, nearest_file

_SCRIPTS = (".r", ".py", ".sh", ".rmd", ".qmd", ".ipynb")


class Program(NamedTuple):
    """What to execute, and how the record describes it."""

    kind: str  # "script" or "command"
    command: List[Word]
    arguments: List[Word]
    params: Dict[str, Any]


def program(
    config: ScriptRunConfig,
    inputs: Sequence[Input],
    path: str,
    environment: JobEnvironment,
    source: Optional[str] = None,
) -> Program:
    """The program of a job.

    Args:
        inputs: The resolved inputs; each adds `--name path`.
        path: The PATH to search for interpreters.
        environment: What it runs on. In a container programs are looked for there, when it starts.
        source: The folder that the script lies in, if there is one to look at.

    Raises:
        EspalierError: `interpreter_missing`, `bad_argument`, `bad_name`; `script_missing` if nothing can execute it.
    """
    params, record = script_words(config.script_params, config.entry_script)
    if kind_of(config.entry_script) == QUARTO:
        params = quarto_words(record)
    arguments = [literal(_text(item)) for item in config.arguments] + params
    for item in inputs:
        arguments += [literal("--" + item.name), word(INPUT, item.name)]
    if config.entry_script is None:
        command = [literal(text) for text in _command(config.command or [], path, environment.how)]
        shell = isinstance(config.command, str)
        # a shell gives what follows the command string's own name to it as $1, $2, ... and "$@"
        return Program("command", command + [literal("sh")] * shell * bool(arguments) + arguments, arguments, record)
    start = _script(config, config.entry_script, path, environment, source)
    return Program("script", start + arguments, arguments, record)


def _script(
    config: ScriptRunConfig, script: str, path: str, environment: JobEnvironment, source: Optional[str]
) -> List[Word]:
    language = language_of(script)
    if language == "other":
        return other_command(source, script, None if environment.how in (IMAGE, PRIVATE) else path)
    if environment.how != IMAGE:
        interpreter = interpreters(environment, {})[language]
        if shutil.which(interpreter, path=path) is None:
            raise _not_found(interpreter, path, _remedy(config, environment, language))
    # a name such as `-e.R` must not be read as an option
    safe = os.path.join(".", script) if script.startswith("-") else script
    return [word(INTERPRETER, language), *runner_words(script), word(SCRIPT, safe)]


def _remedy(config: ScriptRunConfig, environment: JobEnvironment, language: str) -> str:
    if environment.how != SESSION and not (environment.r if language == "r" else environment.python):
        return "Correct the environment, or install it there."
    if language == "r":
        return "Install R, or give the path of Rscript."
    if config.session.python:
        return "Give the path of an interpreter, or the folder of a virtual environment that has bin/python."
    return "Install Python, or give the path of its interpreter."


def _command(command: Any, path: str, how: str) -> List[str]:
    if isinstance(command, str):
        if not command.strip():
            raise EspalierError("bad_argument", "The command is empty.")
        return ["/bin/sh", "-c", _text(command)]
    parts = [_text(part) for part in command]
    if not parts or not parts[0]:
        raise EspalierError("bad_argument", "The command is empty.")
    # (in an environment that is yet to be made there may be more programs)
    if how not in (IMAGE, PRIVATE) and os.sep not in parts[0] and shutil.which(parts[0], path=path) is None:
        raise _not_found(parts[0], path, "Install it, or give its path.")
    return parts


def _not_found(name: str, path: str, remedy: str) -> EspalierError:
    where = f"at {name}" if os.sep in name else f"on the PATH ({path})"
    return EspalierError("interpreter_missing", f"{os.path.basename(name)} was not found {where}.", remedy)


def _text(value: Any) -> str:
    if isinstance(value, str) and "\0" not in value:
        return value
    raise EspalierError(
        "bad_argument",
        f"Arguments must be strings without NUL characters, not {value!r}.",
        "Convert the value to text.",
    )


def named_files(config: ScriptRunConfig) -> List[Tuple[str, str]]:
    """Words of a job that may name files, each with what holds it."""
    if isinstance(config.command, str):
        try:
            command = shlex.split(config.command)
        except ValueError:  # (a quote that is not closed: the shell will complain)
            command = config.command.split()
    else:
        command = [str(part) for part in config.command or ()]
    values = [value for given in config.script_params.values() for value in _as_list(given)]
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
