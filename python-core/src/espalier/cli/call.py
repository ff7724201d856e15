"""Commands from the catalogue: what one takes, and what it does when it is carried out."""

import contextlib
import re
import sys
import warnings
from typing import Any, Dict, List, Mapping, Optional, Set

import click

from espalier.api.dispatch import Dispatcher
from espalier.api.wire import plain
from espalier.base.errors import EspalierError
from espalier.cli import complete, output, parameters
from espalier.cli.examples import EXAMPLES
from espalier.cli.place import LATEST, run_id, workspace_folder
from espalier.cli.progress import shown
from espalier.cli.text import is_terminal, tell

# A list that takes --experiment: with it, another operation is asked.
_OF_EXPERIMENTS = ("Runs", "list", "Experiment", "list_runs")
_PLACEHOLDER = re.compile(r"{(\w+)}")


def command_of(noun: str, record: Mapping[str, Any], member: Mapping[str, Any]) -> click.Command:
    """A command for an operation of the catalogue."""
    keys = [] if record["in_workspace"] or member["kind"] != "instance" else _keys(member)
    has_workspace = member["kind"] == "instance"
    asks = _asks(member)
    params: List[click.Parameter] = [
        click.Argument([f"_{key}"], metavar=_singular(noun).upper(), shell_complete=complete.by_name(_singular(noun)))
        for key in keys
    ]
    params += parameters.from_member(member, has_workspace=has_workspace)
    if (record["name"], member["name"]) == _OF_EXPERIMENTS[:2]:
        names, text = ["-e", "--experiment", "_experiment"], "Only those of one experiment."
        params.append(click.Option(names, help=text, shell_complete=complete.experiments))
    params += workspace_options() if has_workspace else []
    params += output_options() if member["returns"]["type"] != "none" else []
    if asks:
        params.append(click.Option(["-y", "--yes", "_yes"], is_flag=True, help="Don't ask."))
    if not member["route"].startswith("GET") and "dry_run" not in _names(member):
        params.append(click.Option(["--dry-run", "_dry_run"], is_flag=True, help="Show the request; change nothing."))
    text = " ".join(member["doc"]["text"].split("\n\n")[0].split())

    def callback(**values: Any) -> None:
        _carry_out(record, member, keys, values)

    return click.Command(
        member["command"], callback=callback, params=params, help=text, short_help=summary(text),
        epilog=examples(f"{noun} {member['command']}"),
    )  # fmt: skip


def summary(text: str) -> str:
    """The beginning of a description, for lists of commands."""
    return re.split(r"[.:;,](?:\s|$)", text, maxsplit=1)[0].rstrip(".") + "."


def examples(command: str) -> Optional[str]:
    """The examples of a command's help."""
    found = EXAMPLES.get(command)
    return "\b\nExamples:\n" + "\n".join(f"  espalier {line}" for line in found) if found else None


def _keys(member: Mapping[str, Any]) -> List[str]:
    """What tells the object of an operation from others of its class, by its route."""
    names = _names(member)
    return [key for key in _PLACEHOLDER.findall(member["route"]) if key not in names]


def _singular(noun: str) -> str:
    return noun[:-1] if noun.endswith("s") else noun


def _asks(member: Mapping[str, Any]) -> bool:
    """Whether it may delete what can't be made again."""
    return member["route"].startswith("DELETE") or not _names(member).isdisjoint(("delete", "dry_run"))


def _deletes(member: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    """Whether it deletes, with its arguments, what can't be made again."""
    if "dry_run" in _names(member):
        return not arguments.get("dry_run")
    return member["route"].startswith("DELETE") or bool(arguments.get("delete"))


def _names(member: Mapping[str, Any]) -> Set[str]:
    return {param["name"] for param in member["params"]}


def workspace_options() -> List[click.Parameter]:
    """How the workspace is chosen."""
    return [
        click.Option(
            ["-w", "--workspace", "_workspace"], metavar="NAME|FOLDER", help="The workspace.",
            shell_complete=complete.workspaces,
        ),
        click.Option(["--path", "_path"], type=click.Path(), help="Folder that holds workspaces."),
    ]  # fmt: skip


def output_options() -> List[click.Parameter]:
    """How the result is shown."""
    return [
        click.Option(["-o", "--output", "_output"], type=click.Choice(output.FORMATS), help="Format of the result."),
        click.Option(["--query", "_query"], metavar="JMESPATH", help="Choose a part of the result."),
    ]


def _carry_out(record: Mapping[str, Any], member: Mapping[str, Any], keys: List[str], values: Dict[str, Any]) -> None:
    """Make the request, and show its result."""
    workspace = None
    if member["kind"] == "instance":
        workspace = workspace_folder(values["_workspace"], values["_path"])
    found = parameters.given(member, values, workspace)
    if workspace is not None and "run_ids" in found.arguments:
        found.arguments["run_ids"] = [known_run(workspace, each) for each in found.arguments["run_ids"]]
    identity = _identity(record, keys, values, workspace)
    class_name, name = record["name"], member["name"]
    if values.get("_experiment") and workspace is not None:
        identity, (class_name, name) = {"workspace": workspace, "name": values["_experiment"]}, _OF_EXPERIMENTS[2:]
    if values.get("_dry_run"):
        request = {"class": record["name"], "member": member["name"], "identity": identity, "args": found.arguments}
        return output.emit({**request, "args": _hidden(found.arguments)}, "json")
    if _deletes(member, found.arguments):
        confirm(_question(member, values, keys, workspace), yes=values["_yes"])
    result = call(class_name, name, identity, found.arguments)
    if found.is_page and getattr(result, "page_token", None):
        tell(f"These are the first {len(result)}; --all lists all of them.", "i")
    if member["returns"]["type"] != "none":
        output.emit(result, values["_output"], values["_query"])


def _hidden(arguments: Mapping[str, Any]) -> Dict[str, Any]:
    hidden = {name: {key: "***" for key in value} for name, value in arguments.items() if name == "secrets"}
    return {**arguments, **hidden}


def _identity(
    record: Mapping[str, Any], keys: List[str], values: Mapping[str, Any], workspace: Optional[str]
) -> Optional[Dict[str, str]]:
    if workspace is None:
        return None
    if not keys:
        return {"path": workspace}
    given = {key: values[f"_{key}"] for key in keys}
    if record["name"] == "Run":
        given = {"id": known_run(workspace, given["id"])}
    return {"workspace": workspace, **given}


def known_run(workspace: str, given: str) -> str:
    """The id of the run that is meant, see `run_id`."""
    found = run_id(workspace, given)
    if found == LATEST:
        found = call("Runs", "get", {"path": workspace}, {"run_id": LATEST}).id
    return found


def _question(member: Mapping[str, Any], values: Mapping[str, Any], keys: List[str], workspace: Optional[str]) -> str:
    names = [values[f"_{key}"] for key in keys]
    names += [str(values[param["name"]]) for param in member["params"] if param["required"]]
    what = " ".join(names) or workspace or "this"
    return f"{member['command'].capitalize().replace('-', ' ')} {what}: this can't be undone. Go on?"


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what can't be undone.

    Raises:
        EspalierError: `not_permitted`: the answer was no, or there is no terminal to ask at.
    """
    if yes:
        return
    if not is_terminal(sys.stdin):
        raise EspalierError("not_permitted", "Can't delete: there is no terminal to ask at.", "Add --yes to go on.")
    if not click.confirm(question, err=True):
        raise EspalierError("not_permitted", "Nothing was deleted.")


class _Carrier:
    """Tables and data stay as they are: nothing crosses to another process."""

    def argument(self, value: Any) -> Any:
        return value

    def frame(self, value: Any) -> Any:
        return value

    data = frame


def call(class_name: str, name: str, identity: Optional[Mapping[str, Any]], arguments: Mapping[str, Any]) -> Any:
    """Carry out an operation, with its warnings and its progress on stderr."""
    encoded = {key: plain(value) for key, value in arguments.items()}
    request = {"class": class_name, "member": name, "identity": identity, "args": encoded}
    prepared = Dispatcher(_Carrier()).prepared(request)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: tell(str(message), "!")
        with shown() if is_terminal(sys.stderr) else contextlib.nullcontext():
            return prepared.function(**prepared.arguments)
