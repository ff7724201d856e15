"""The arguments and options of a command, from the parameters of its operation."""

import json
import os
import re
import sys
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import click

from espalier.base.errors import EspalierError
from espalier.cli import complete
from espalier.cli.text import is_terminal, tell
from espalier.cli.words import in_commands

_SCALARS: "Dict[str, click.ParamType[Any]]" = {
    "bool": click.BOOL, "int": click.INT, "index": click.INT, "float": click.FLOAT, "str": click.STRING,
    "json": click.STRING,
}  # fmt: skip
# Options that users of `az` and `gh` expect by other names than the argument's. A single letter is its short form.
_NAMES: Dict[str, Sequence[str]] = {
    "max_results": ("-n", "--max-results"),
    "order_by": ("--sort",),
    "experiment": ("-e", "--experiment"),
    "tags": ("--tag",),
    "output_file_path": ("--to",),
    "output_directory": ("--to",),
}
_OPPOSITES = {"maximize": "--minimize"}
_TEXTS = {"order_by": "Sort by this; -metrics.auc puts the largest first. Can be repeated."}
_WORDS = {"secrets": "NAME", "run_ids": "RUN", "names": "NAME", "path_or_stream": "FILE"}
# Where another option has that name already.
_TAKEN = {"path": ("--to",), "workspace": ("--other-workspace",)}
_FILES = ("path", "directory", "path_or_stream", "target", "log")
_ACCEPTED = "Accepted for compatibility"
# By this a command is known that deletes, which lists what would go and asks (deleting.py). A list says
# when there is more, and --all gives it.
OF_DELETING = ("dry_run",)
_LEFT_OUT = ("page_token", *OF_DELETING)
PAGE = 100


def from_member(member: Mapping[str, Any], *, has_workspace: bool) -> List[click.Parameter]:
    """Arguments for what is required, options for what isn't; what only other languages can give is left out."""
    found: List[click.Parameter] = []
    for param in member["params"]:
        kind = _inner(param["type"])
        if param["name"] in _LEFT_OUT or param["doc"].startswith(_ACCEPTED) or not _is_possible(kind):
            continue
        found.append(
            _argument(param, kind, member["name"]) if param["required"] else _option(param, kind, has_workspace)
        )
        if param["name"] == "max_results":
            found.append(click.Option(["--all", "_all"], is_flag=True, help=f"Not only the first {PAGE}."))
    return found


def can_be_given(member: Mapping[str, Any]) -> bool:
    """Whether a command line can give what an operation needs."""
    return all(_is_possible(param["type"]) for param in member["params"] if param["required"])


def _is_possible(kind: Mapping[str, Any]) -> bool:
    of = kind["type"]
    if of in ("optional", "list", "mapping"):
        return _is_possible(kind["of"])
    return of in _SCALARS or of == "literal" or (of == "object" and kind["class"] == "Environment")


def _inner(kind: Mapping[str, Any]) -> Mapping[str, Any]:
    return kind["of"] if kind["type"] == "optional" else kind


def _argument(param: Mapping[str, Any], kind: Mapping[str, Any], operation: str) -> click.Argument:
    many = kind["type"] in ("list", "mapping")
    item = kind["of"] if many else kind
    name = _WORDS.get(param["name"]) or ("NAME=VALUE" if kind["type"] == "mapping" else param["name"].upper())
    return click.Argument(
        [param["name"]], nargs=-1 if many else 1, required=True, metavar=f"{name}..." if many else name,
        type=_type(item, param["name"]), shell_complete=complete.of_operation(operation, param["name"]),
    )  # fmt: skip


def _option(param: Mapping[str, Any], kind: Mapping[str, Any], has_workspace: bool) -> click.Option:
    name = param["name"]
    names = _NAMES.get(name) or (_TAKEN.get(name) if has_workspace else None) or ("--" + name.replace("_", "-"),)
    text = _TEXTS.get(name) or _summary(param["doc"])
    if kind["type"] == "bool":
        word = names[0]
        both = param.get("default") is not False
        spelled = f"{word}/{_OPPOSITES.get(name) or '--no-' + word[2:]}" if both else word
        return click.Option([spelled, name], is_flag=True, default=None, help=text)
    many = kind["type"] in ("list", "mapping")
    item = kind["of"] if many else kind
    metavar = "NAME=VALUE" if kind["type"] == "mapping" else None
    return click.Option(
        [*names, name], multiple=many, type=_type(item, name), metavar=metavar, help=text,
        shell_complete=complete.by_name(name),
    )  # fmt: skip


def _type(kind: Mapping[str, Any], name: str) -> "click.ParamType[Any]":
    if kind["type"] == "literal":
        return click.Choice(kind["choices"])
    if name in _FILES:
        return click.Path()
    if name == "max_results":
        return click.IntRange(min=1)
    return _SCALARS.get(kind["type"], click.STRING)


def _summary(doc: str) -> str:
    """The first sentence of a parameter's description."""
    return in_commands(re.split(r"(?<=[.])\s|;\s", " ".join(doc.split()), maxsplit=1)[0])


class Given(NamedTuple):
    """What a command line gave: the arguments of an operation, and whether only a page was asked for."""

    arguments: Dict[str, Any]
    is_page: bool


def given(member: Mapping[str, Any], values: Mapping[str, Any], workspace: Optional[str]) -> Given:
    """The arguments of an operation, from what click has read. What wasn't given is left out. Raises EspalierError:
    `bad_argument`; `environment_missing`."""
    found: Dict[str, Any] = {}
    for param in member["params"]:
        value = values.get(param["name"])
        if value is not None and value != ():
            found[param["name"]] = _read(param["name"], _inner(param["type"]), value, workspace)
    is_page = "_all" in values and not values["_all"] and "max_results" not in found
    if is_page:
        found["max_results"] = PAGE
    return Given(found, is_page)


def _read(name: str, kind: Mapping[str, Any], value: Any, workspace: Optional[str]) -> Any:
    if kind["type"] == "mapping":
        return dict(_secret(item) if name == "secrets" else named_value(item, name) for item in value)
    if kind["type"] == "list":
        return [_ordered(item) if name == "order_by" else item for item in value]
    if kind["type"] == "object":
        return environment_value(value, workspace)
    if kind["type"] == "json":
        return read_value(value)
    return value


def read_value(text: str) -> Any:
    """A value as JSON has it, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def existing_file(path: str) -> str:
    """A file that is there, absolute. Raises EspalierError: `path_missing`."""
    if not os.path.exists(path):
        raise EspalierError("path_missing", f"Can't find the file {os.path.abspath(path)}.")
    return os.path.abspath(path)


def named_value(text: str, what: str) -> Tuple[str, str]:
    """A value and its name, as they are written: `name=value`. Raises EspalierError: `bad_argument`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise EspalierError("bad_argument", f"Can't read {what}: {text!r:.100} isn't written NAME=VALUE.")
    return name, value


def _secret(text: str) -> Tuple[str, str]:
    """A secret and its name. A name alone has its value asked for, or read from stdin: arguments show in lists of
    processes."""
    if "=" in text:
        return named_value(text, "secrets")
    if is_terminal(sys.stdin):
        return text, click.prompt(f"Value of {text}", hide_input=True, err=True)
    tell(f"The value of {text} is read from stdin.", "i")
    return text, (sys.stdin.readline() if sys.stdin is not None else "").rstrip("\n")


def _ordered(text: str) -> str:
    """What to sort by, as filters have it: `-metrics.auc` is `metrics.auc DESC`."""
    return f"{text[1:]} DESC" if text.startswith("-") else text


def environment_value(text: str, workspace: Optional[str]) -> Any:
    """An environment by its file, its name, or name and version."""
    from espalier.api.environments import Environments
    from espalier.environment.definition import Environment

    if os.path.basename(text).endswith(".txt") and os.path.isfile(text):
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", os.path.basename(os.path.dirname(os.path.abspath(text)))).strip("-._")
        return Environment.from_pip_requirements(name[:100] or "requirements", text)._identity()
    if os.path.sep in text or text.endswith((".yml", ".yaml")) or os.path.isfile(text):
        return Environment.from_file(existing_file(text))._identity()
    name, _, version = text.partition(":")
    return Environments(workspace or "").get(name, version or None)._identity()
