"""Parameters that an entry script doesn't know: a misspelled one would be ignored, or end the job much later.

A job is warned of one. A grid is refused, because all of its runs would be the same. Both need a complete list of what
a script knows. Where that can't be read from the code, nothing is reported.
"""

import ast
import difflib
import os
import re
from typing import Collection, Iterator, List, Mapping, NamedTuple, Optional, Set

from espalier.base.scripts import kind_of
from espalier.lifecycle.near_names import files_below

# Strings and comments, in which brackets and commas mean nothing.
_TOKENS = re.compile(
    r"""[rR](?P<q>["'])(?P<dash>-*)\(.*?\)(?P=dash)(?P=q)|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\#[^\n]*""",
    re.DOTALL,
)
_OPENING, _CLOSING = "([{", ")]}"
_LITERAL = re.compile(r"""\s*(["'])([^"'\\]*)\1\s*$""")
_NAMED_ARGUMENT = re.compile(r"""\s*(?:([A-Za-z.][\w.]*)|["'`]([^"'`\\]+)["'`])\s*=(?!=)""")


def without_comments(code: str) -> str:
    """R code whose comments are blank."""
    return _TOKENS.sub(lambda found: found[0] if found[0][0] != "#" else " ", code)


def calls_of(code: str, name: str) -> Iterator[List[str]]:
    """The arguments of each call of a function, as text.

    Args:
        code: R code without comments.
        name: A pattern of the function's name.
    """
    blank = _TOKENS.sub(lambda found: "_" * len(found[0]), code)
    for found in re.finditer(rf"(?<![\w.]){name}\s*\(", blank):
        arguments = _arguments(code, blank, found.end())
        if arguments is not None:
            yield arguments


def _arguments(code: str, blank: str, begin: int) -> Optional[List[str]]:
    """What stands between commas from here to the closing bracket; None if there is none."""
    depth, start, found = 0, begin, []
    for at in range(begin, len(blank)):
        char = blank[at]
        if char in _OPENING:
            depth += 1
        elif char in _CLOSING and depth:
            depth -= 1
        elif char in _CLOSING or (char == "," and not depth):
            found.append(code[start:at])
            start = at + 1
            if char != ",":
                return [text for text in found if text.strip()]
    return None


def name_of(argument: str) -> Optional[str]:
    """The name that an argument is given by, or None."""
    found = _NAMED_ARGUMENT.match(argument)
    return (found[1] or found[2]) if found else None


def texts_of(argument: str) -> Optional[List[str]]:
    """The texts of a literal, or of a `c()` of literals; None for anything else."""
    inner = re.fullmatch(r"\s*c\s*\((.*)\)\s*", argument, re.DOTALL)
    found = [_LITERAL.match(part) for part in (inner[1].split(",") if inner else [argument])]
    return [literal[2] for literal in found if literal] if all(found) else None


# Ways to load files whose names don't stand in the code.
_R_ANY = r"\b(load_all|tar_source|box::use|import|modules|parse|knit|render|purl)\b"
_PYTHON_ANY = r"\b(importlib|__import__|exec|eval|runpy|pkgutil)\b"
# The name of an R file, whole, in an argument of source().
_R_NAME = re.compile(r"""["'][^"'%{]*\w\.[rR]["']""")
_LONGEST = 1 << 20
# With these a script reads arguments in ways that aren't followed here, or a file that it may source does.
_R_OTHERS = r"\b(commandArgs|do\.call|getopt|docopt|argparser|GetoptLong|parse_known_args|add_subparsers)\b"
_R_READERS = r"\b(commandArgs|job_params|optparse|make_option|add_option|argparser?|getopt|docopt|GetoptLong)\b"
# By which else than its arguments a job finds its inputs.
_INPUT_READERS = r"(?i)ESPALIER_INPUT|input_?datasets"
# What may be given to argparse without changing which options there are.
_TEXTS_OF_PARSER = frozenset(("description", "prog", "epilog", "formatter_class", "add_help"))
_NAMED = 5


def unknown_params(
    source: str, script: str, params: Mapping[str, object], inputs: Collection[str] = ()
) -> List[str]:
    """A warning for each parameter, and each input, that the entry script certainly doesn't know.

    Args:
        script: The entry script, relative to it.
        params: The job's `script_params`.
        inputs: The names of its inputs, which it may also read by their variables.
    """
    text = text_of(os.path.join(source, script)) if params or inputs else None
    if text is None:
        return []
    kind = kind_of(script)
    read = {".r": _known_to_r, ".rscript": _known_to_r, ".py": _known_to_python}.get(kind)
    known = read(text) if read is not None else None
    if known is None:
        return []
    unknown = [(name, "script_params") for name in params if not known.has(name)]
    unknown += [(name, "inputs") for name in inputs if not known.has(name)]
    if not unknown or _is_read_elsewhere(source, script, kind):
        return []
    if any(argument == "inputs" for _, argument in unknown) and _reads_variables(source):
        unknown = [each for each in unknown if each[1] != "inputs"]
    return [_warning(name, argument, known.options, script) for name, argument in unknown]


class Known(NamedTuple):
    """The options that a script knows, and whether the beginning of one is enough, as for parsers of command lines."""

    options: Set[str]
    takes_beginnings: bool

    def has(self, name: str) -> bool:
        """Whether a parameter of this name reaches the script."""
        option = name if name.startswith("-") else "--" + name
        if self.takes_beginnings:
            return any(each.startswith(option) for each in (*self.options, "--help", "-h"))
        # (`job_params()` takes - for _ and .)
        return re.sub(r"[-.]", "_", option) in {re.sub(r"[-.]", "_", each) for each in self.options}


def _warning(name: str, argument: str, known: Set[str], script: str) -> str:
    # (as `script_params` name them: of a name without dash, two are put before it)
    names = {each.lstrip("-"): each[2:] if each.startswith("--") else each for each in sorted(known)}
    bare = name.lstrip("-")
    if bare in names:
        return f'{script} doesn\'t read "{name}" of `{argument}`. It reads "{names[bare]}".'
    near = difflib.get_close_matches(bare, names, 1)
    shown = ", ".join(f'"{each}"' for each in list(names.values())[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    knows = f"It has {shown}." if names else "It has none."
    hint = f'Did you mean "{names[near[0]]}"?' if near else knows
    return f'{script} has no parameter "{bare}" of `{argument}`. {hint}'


def _reads_variables(source: str) -> bool:
    """Whether a file of the folder may read an input by its variable."""
    texts = (text_of(os.path.join(source, path)) for path in files_below(source))
    return any(text is not None and re.search(_INPUT_READERS, text) for text in texts)


def text_of(path: str) -> Optional[str]:
    """The text of a script; None if it can't be read, or is longer than any script."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
    except (OSError, ValueError):
        return None
    return text if len(text) <= _LONGEST else None


def _is_read_elsewhere(source: str, script: str, kind: str) -> bool:
    """Whether another file of the folder, which the script may load, may read the arguments for it."""
    script = os.path.normpath(script)
    paths = [path for path in files_below(source) if kind_of(path) == kind and os.path.normpath(path) != script]
    files = {path: text_of(os.path.join(source, path)) for path in paths}
    reached = loaded_files(text_of(os.path.join(source, script)) or "", files, kind)
    return any(text is None or _reads_arguments(text, kind) for text in map(files.get, reached))


def _reads_arguments(text: str, kind: str) -> bool:
    return "sys.argv" in text if kind == ".py" else bool(re.search(_R_READERS, without_comments(text)))


# ---- R: job_params() of espalier, optparse, argparse ----


def _known_to_r(text: str) -> Optional[Known]:
    code = without_comments(text)
    if re.search(_R_OTHERS, code):
        return None
    params, options = _of_job_params(code), _of_options(code)
    if params is None or options is None or bool(params) == bool(options):
        return None
    return Known(params or options, takes_beginnings=bool(options))


def _of_job_params(code: str) -> Optional[Set[str]]:
    """The names of the one call of `job_params()`; empty if there is none, None if they aren't complete."""
    calls = list(calls_of(code, "job_params"))
    if not calls and "job_params" not in code:
        return set()
    names = [name_of(argument) for argument in calls[0]] if len(calls) == 1 and code.count("job_params") == 1 else []
    return {"--" + name for name in names if name} if names and all(names) else None


def _of_options(code: str) -> Optional[Set[str]]:
    """The options of optparse and argparse; empty if there are none, None if they aren't complete."""
    found: List[Optional[List[str]]] = []
    for name, at in (("make_option", 0), ("add_option", 1), ("add_argument", 0)):
        calls = list(calls_of(code, name))
        if len(calls) != len(re.findall(rf"\b{name}\b", code)):
            return None
        found += [None if len(call) <= at else _options(call[at:], name) for call in calls]
    if any(options is None for options in found):
        return None
    options = {option for each in found for option in each or []}
    return options if not options or re.search(r"\bparse_args\s*\(", code) else None


def _options(arguments: List[str], name: str) -> Optional[List[str]]:
    """The option strings of one call: its first argument, or, of argparse, all that have no name."""
    given = arguments[:1] if name != "add_argument" else [each for each in arguments if name_of(each) is None]
    texts = [texts_of(each) for each in given]
    if not texts or any(each is None for each in texts):
        return None
    return [text for each in texts for text in each or [] if text.startswith("-")]


# ---- Python: argparse ----


def _known_to_python(text: str) -> Optional[Known]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    made = [call for call in calls if _called(call) == "ArgumentParser"]
    parsed = [call for call in calls if _called(call) in ("parse_args", "parse_known_args", "parse_intermixed_args")]
    is_plain = len(made) == 1 and len(parsed) == 1 and _called(parsed[0]) == "parse_args"
    if not is_plain or parsed[0].args or parsed[0].keywords or _has_other_ways(made[0], nodes):
        return None
    options: Set[str] = set()
    for call in calls:
        if _called(call) == "add_argument":
            values = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            names = [value for value in values if isinstance(value, str)]
            if len(names) != len(call.args):
                return None
            options.update(name for name in names if name.startswith("-"))
    return Known(options, takes_beginnings=True)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _has_other_ways(made: ast.Call, nodes: List[ast.AST]) -> bool:
    """Whether arguments may be read, or options be added, out of sight."""
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    words = {node.attr for node in attributes} | {node.name for node in nodes if isinstance(node, ast.alias)}
    if words & {"argv", "orig_argv", "add_subparsers", "_add_action"}:
        return True
    parsers = set(_names_of_parsers(nodes))
    names = [node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    # (given to a function, or returned, a parser may get more options there)
    inner = {id(node.value) for node in attributes}
    is_handed_on = any(name.id in parsers and id(name) not in inner for name in names)
    return not parsers or is_handed_on or any(word.arg not in _TEXTS_OF_PARSER for word in made.keywords)


def _names_of_parsers(nodes: List[ast.AST]) -> Iterator[str]:
    makers = ("ArgumentParser", "add_argument_group", "add_mutually_exclusive_group")
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _called(node.value) in makers:
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id


def loaded_files(text: str, files: Mapping[str, Optional[str]], kind: str) -> Set[str]:
    """The files that a script may load, directly or by way of others.

    Args:
        files: The other files of its language by path, each with its code; None where that can't be read.
        kind: `.py`, or an ending of R's scripts.

    Returns:
        Their paths: all of them where code loads files by names that it doesn't hold.
    """
    found: Set[str] = set()
    pending: List[Optional[str]] = [text]
    while pending:
        code = pending.pop()
        if code is None or (_loads_any_python(code) if kind == ".py" else _loads_any_r(code)):
            return set(files)
        named = {path for path in files if path not in found and _is_named(path, code, kind)}
        found |= named
        pending += [files[path] for path in named]
    return found


def _is_named(path: str, code: str, kind: str) -> bool:
    """Whether code names a file: in R by its name, in Python as a module."""
    above, name = os.path.split(path)
    if kind != ".py":
        return name in code
    module = os.path.basename(above) if name == "__init__.py" else os.path.splitext(name)[0]
    return re.search(rf"\b{re.escape(module)}\b", code) is not None


def _loads_any_r(text: str) -> bool:
    code = without_comments(text)
    calls = list(calls_of(code, r"(?:sys\.)?source"))
    is_named = all(any(map(_R_NAME.search, call)) for call in calls)
    return not is_named or len(re.findall(r"\bsource\b", code)) > len(calls) or bool(re.search(_R_ANY, code))


def _loads_any_python(text: str) -> bool:
    return bool(re.search(_PYTHON_ANY, text))
