"""Commands from the catalogue: what each takes. What it does is in `carry_out.py`, which Tab and help do without."""

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import click

from espalier.api.catalog import catalogue
from espalier.cli import complete, parameters
from espalier.cli.text import FORMATS
from espalier.cli.words import in_commands

# A list that takes --experiment: with it, another operation is asked.
OF_EXPERIMENTS = ("Runs", "list", "Experiment", "list_runs")
DOWNLOADS = ("download_file", "download_files")
_PLACEHOLDER = re.compile(r"{(\w+)}")
# In the help of commands. A test reads each of them as the command line does.
EXAMPLES: Dict[str, Sequence[str]] = {
    "run": ("run train.R -- --trees 200", "run train.py -e forest --tag stage=test --detach"),
    "job submit": ("job submit job.yml --set params.trees=500", "job submit job.yml -e forest --follow"),
    "runs list": (
        'runs list --filter "metrics.AUC > 0.85" --sort=-metrics.AUC -n 10',
        "runs list -e forest -o json --query '[].run_id'",
        "runs list --columns run_id,params.trees,metrics.AUC",
    ),
    "runs logs": ("runs logs latest -f", "runs logs forest_1764000000_ab12cd34 -n 20"),
    "runs show": ("runs show latest", "runs show latest --query status -o tsv"),
    "runs metrics": ("runs metrics latest",),
    "runs cancel": ("runs cancel latest",),
    "runs tag": ("runs tag latest stage=production",),
    "runs files": ("runs files latest --prefix outputs/",),
    "runs download": ("runs download latest outputs/model.rds --to models/ --overwrite",),
    "experiments runs": ("experiments runs forest -n 5",),
    "environments register": ("environments register environment.yml",),
    "images build": ("images build torch", "images build environment.yml --push"),
    "images prune": ("images prune --unused-days 30 --dry-run", "images prune --yes"),
    "secrets set": ("secrets set DB_PASSWORD", "secrets set DB_PASSWORD < password.txt"),
    "snapshots preview": ("snapshots preview . -o table",),
    "workspace create": ("workspace create main",),
    "workspace delete": ("workspace delete -w old --yes",),
    "host resources": ("host resources --cpus 4 --memory '16 GB'",),
    "completion": ("completion bash >> ~/.bashrc", "completion fish > ~/.config/fish/completions/espalier.fish"),
}


def command_of(noun: str, record: Mapping[str, Any], member: Mapping[str, Any]) -> click.Command:
    """A command for an operation of the catalogue."""
    keys = [] if record["in_workspace"] or member["kind"] != "instance" else _keys(member)
    has_workspace = member["kind"] == "instance"
    params: List[click.Parameter] = [
        click.Argument([f"_{key}"], metavar=_singular(noun).upper(), shell_complete=complete.by_name(_singular(noun)))
        for key in keys
    ]
    params += parameters.from_member(member, has_workspace=has_workspace)
    if (record["name"], member["name"]) == OF_EXPERIMENTS[:2]:
        names, text = ["-e", "--experiment", "_experiment"], "Only runs of one experiment."
        params.append(click.Option(names, help=text, shell_complete=complete.experiments))
    params += workspace_options() if has_workspace else []
    if member["name"] in DOWNLOADS:
        params.append(click.Option(["--overwrite", "_overwrite"], is_flag=True, help="Replace files that exist."))
    if member["returns"]["type"] == "frame":
        text = "Show these columns in this order: run_id,metrics.auc."
        params.append(click.Option(["--columns", "_columns"], metavar="NAME,...", help=text))
    params += output_options()
    if deletes(member):
        params.append(click.Option(["-y", "--yes", "_yes"], is_flag=True, help="Don't ask."))
        params.append(click.Option(["--dry-run", "_dry_run"], is_flag=True, help="Only list what would be deleted."))
    elif not member["route"].startswith("GET"):
        params.append(
            click.Option(["--dry-run", "_dry_run"], is_flag=True, help="Show the request without carrying it out.")
        )
    text = in_commands(" ".join(member["doc"]["text"].split("\n\n")[0].split()))

    def callback(**values: Any) -> None:
        from espalier.cli.carry_out import carry_out

        carry_out(record, member, keys, values)

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
    names = names_of(member)
    return [key for key in _PLACEHOLDER.findall(member["route"]) if key not in names]


def _singular(noun: str) -> str:
    return noun[:-1] if noun.endswith("s") else noun


def deletes(member: Mapping[str, Any]) -> bool:
    """Whether it deletes what can't be made again."""
    return member["route"].startswith("DELETE") or not names_of(member).isdisjoint(parameters.OF_DELETING)


def names_of(member: Mapping[str, Any]) -> Set[str]:
    return {param["name"] for param in member["params"]}


def operations(noun: str) -> Dict[str, Tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The operations of a noun that are commands: the class and the operation, by the command's word."""
    return {
        member["command"]: (record, member)
        for record in catalogue().values()
        if record["noun"] == noun
        for member in record["methods"]
        if member["command"] and parameters.can_be_given(member)
    }


def workspace_options() -> List[click.Parameter]:
    """How the workspace is chosen."""
    return [
        click.Option(
            ["-w", "--workspace", "_workspace"], metavar="NAME|FOLDER", help="The workspace.",
            shell_complete=complete.workspaces,
        ),
        path_option(),
    ]  # fmt: skip


def path_option() -> click.Option:
    """Where workspaces are looked for."""
    return click.Option(["--path", "_path"], type=click.Path(), help="A project, or a folder with workspaces.")


def output_options() -> List[click.Parameter]:
    """How the result is shown."""
    return [
        click.Option(["-o", "--output", "_output"], type=click.Choice(FORMATS), help="Format of the result."),
        click.Option(["--query", "_query"], metavar="JMESPATH", help="Choose a part of the result."),
        click.Option(["--no-header", "_no_header"], is_flag=True, help="Leave out the names of columns in tsv."),
    ]
