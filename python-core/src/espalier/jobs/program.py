"""From a config to the words of the command that will be executed.

Script parameters are typed values in the record, and text on the command line by one rule. Which values work must not
depend on the value. Parsers take what begins with `-` for an option, except for a negative number in plain decimals
(argparse of Python and R, optparse and getopt of R), so:

- numbers are plain decimals, never with an exponent, and -Inf, which has none, gets a leading blank;
- text that begins with `-` is joined to its name: `--name=-text`, and `-n-text` for a name of one letter;
- in a vector, where no parser takes joined values, text that begins with `-` is refused.

How long arguments and variables may be is found at submit, not when the job can't start. Source: execve(2), "Limits on
size of arguments and environment". Linux takes 32 pages of a single string (MAX_ARG_STRLEN), and a quarter of the
stack's limit of all together (sysconf ARG_MAX).
"""

import datetime
import os
import re
import shlex
import shutil
import sys
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.job import Input, JobEnvironment
from espalier.base.model.resolve import interpreters
from espalier.base.model.words import INPUT, INTERPRETER, LITERAL, PARAMETER, SCRIPT, Part, Word, literal, word
from espalier.base.names import check_label
from espalier.base.scripts import QUARTO, argument_text, kind_of, language_of, parameter_texts
from espalier.base.values import native, typed
from espalier.jobs.documents import other_command, runner_words
from espalier.jobs.environment import IMAGE, PRIVATE, SESSION
from espalier.lifecycle.near_names import files_below, nearest_file

_PLAIN_NUMBER = re.compile(r"-(\d+|\d*\.\d+)$", re.ASCII)


def script_words(params: Mapping[str, Any], script: Optional[str]) -> Tuple[List[Word], Dict[str, Any]]:
    """Parameters as words of the command and as the record's typed `params`.

    A name without leading dash gets two. None or "" makes a flag. A list gives its values one after the other.

    Raises:
        EspalierError: `bad_argument` (NA, a type that isn't a value, a text that would be taken for an option),
            `bad_name`.
    """
    words: List[Word] = []
    record: Dict[str, Any] = {}
    for name, value in params.items():
        if not isinstance(name, str):
            raise EspalierError(
                "bad_name", f"script_params: {name!r} isn't a name.", "Names are text."
            )
        option = name if name.startswith("-") else "--" + name
        label = check_label("script parameter", option.lstrip("-"))
        if label in record:
            raise EspalierError("bad_name", f"script_params: {label} stands twice.", "Give each parameter once.")
        if value is None or value == "":
            record[label] = {"kind": "logical", "value": True}
            words.append(literal(option))
        elif isinstance(value, (list, tuple)):
            values = [_checked(name, item) for item in value]
            for item in values:
                _refuse_option(name, argument_text(item))
            record[label] = [typed(item) for item in values]
            words += [literal(option), word(PARAMETER, label)]
        else:
            record[label] = typed(_checked(name, value))
            words += _single(option, label, *parameter_texts(script, record[label]))
    return words, record


def _single(option: str, label: str, text: str) -> List[Word]:
    if not text.startswith("-") or _PLAIN_NUMBER.match(text):
        return [literal(option), word(PARAMETER, label)]
    one_letter = len(option) == 2 and option[1] != "-"
    return [Word((Part(LITERAL, option if one_letter else option + "="), Part(PARAMETER, label)))]


def _refuse_option(name: str, text: str) -> None:
    if len(text) > 1 and text.startswith("-") and not _PLAIN_NUMBER.match(text):
        raise EspalierError(
            "bad_argument",
            f"script_params: {name} has the element {text[:60]!r}, which scripts would take for an option.",
            "Join the elements to one string, put them into a file, or write the arguments yourself: `arguments`.",
        )


def quarto_words(record: Mapping[str, Any]) -> List[Word]:
    """Recorded parameters as quarto takes them, `-P name:value`, the value as YAML."""
    pairs = [(literal("-P"), Word((Part(LITERAL, f"{name}:"), Part(PARAMETER, name)))) for name in record]
    return [each for pair in pairs for each in pair]


def _checked(name: str, value: Any) -> Any:
    value = value.isoformat() if isinstance(value, datetime.date) else native(value)
    if isinstance(value, int) and value.bit_length() > 1023:
        raise EspalierError(
            "bad_argument", f"script_params: {name} is beyond 2^1023.", "Give it as text, with str()."
        )
    if isinstance(value, (bool, int, float, str)):
        if isinstance(value, str) and "\0" in value:
            raise EspalierError("bad_argument", f"script_params: {name} contains a NUL character.")
        return value
    seen = "NA" if value is None else f"of type {type(value).__name__}"
    raise EspalierError(
        "bad_argument",
        f"script_params: {name} is {seen}.",
        "A parameter is a string, number, logical, or a vector of them. Give NULL for a flag.",
    )


# What the runner and the shell script that starts R add to a job's variables, bytes.
_RESERVED = 32_768
_POINTER = 8


def refuse_too_long(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Refuse a program that the system would not start for its size. Raises EspalierError: `bad_argument`, with `bytes`
    and `limit`."""
    each = _single_limit()
    words = [_size(word) + 1 for word in command]
    pairs = {name: _size(name) + _size(text) + 2 for name, text in variables.items()}
    if each is not None:
        for number, size in enumerate(words):
            if size > each:
                raise _too_long(f"argument {number} ({_shown(command[number])})", size, each)
        for name, size in pairs.items():
            if size > each:
                raise _too_long(f"the variable {name}", size, each)
    total = sum(words) + sum(pairs.values()) + _POINTER * (len(words) + len(pairs))
    limit = _total_limit()
    if limit is not None and total > limit:
        raise _too_long("the whole of its arguments and variables", total, limit)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def _single_limit() -> Optional[int]:
    return 32 * os.sysconf("SC_PAGE_SIZE") if sys.platform.startswith("linux") else None


def _total_limit() -> Optional[int]:
    try:
        limit = os.sysconf("SC_ARG_MAX")
    except (OSError, ValueError):
        return None
    # (no stack limit: Linux takes three quarters of 8 MB)
    return min(limit, 6 * 1024 * 1024) - _RESERVED if limit > _RESERVED else None


def _shown(word: str) -> str:
    return repr(word[:40] + "...")


def _too_long(what: str, size: int, limit: int) -> EspalierError:
    return EspalierError(
        "bad_argument",
        f"Can't start the job: this system allows {limit:,} bytes, and {what} has {size:,}.",
        "Write the values to a file in the source directory, or give a file as an input: inputs = list(name = path).",
        bytes=size,
        limit=limit,
    )


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
    params: Optional[Mapping[str, Any]] = None,
) -> Program:
    """The program of a job.

    Args:
        inputs: The resolved inputs; each adds `--name path`.
        path: The PATH to search for interpreters.
        environment: What it runs on. In a container programs are looked for there, when it starts.
        source: The folder that the script lies in, if there is one to look at.
        params: Its parameters; None: those of the config.

    Raises:
        EspalierError: `interpreter_missing`, `bad_argument`, `bad_name`; `script_missing` if nothing can execute it.
    """
    given = config.script_params if params is None else params
    words, record = script_words(given, config.entry_script)
    if kind_of(config.entry_script) == QUARTO:
        words = quarto_words(record)
    arguments = [literal(_text(item)) for item in config.arguments] + words
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
            raise EspalierError("bad_argument", "Can't run an empty command.")
        return ["/bin/sh", "-c", _text(command)]
    parts = [_text(part) for part in command]
    if not parts or not parts[0]:
        raise EspalierError("bad_argument", "Can't run an empty command.")
    # (in an environment that is yet to be made there may be more programs)
    if how not in (IMAGE, PRIVATE) and os.sep not in parts[0] and shutil.which(parts[0], path=path) is None:
        raise _not_found(parts[0], path, "Install it, or give its path.")
    return parts


def _not_found(name: str, path: str, remedy: str) -> EspalierError:
    where = f"at {name}" if os.sep in name else f"on the PATH ({path})"
    return EspalierError("interpreter_missing", f"Can't find {os.path.basename(name)} {where}.", remedy)


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
    """The entry script as a path inside the source directory. Raises EspalierError: `script_missing`."""
    relative = os.path.normpath(script)
    if os.path.isabs(script):
        relative = os.path.relpath(os.path.realpath(script), os.path.realpath(source))
    full = os.path.join(source, relative)
    if relative.split(os.sep)[0] == ".." or not script:
        what = f"The entry script {script!r} is not inside {source}"
    elif os.path.isdir(full):
        what = f"The entry script {script!r} is a directory"
    elif not os.path.isfile(full):
        what = f"Can't find the entry script {script!r} in {source}"
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
