"""`espalier runs logs`: the log of a run, also while it grows."""

import sys
from typing import Optional

import click

from espalier.cli import complete
from espalier.cli.call import examples, workspace_options
from espalier.cli.carry_out import known_run
from espalier.cli.follow import follow as follow_run
from espalier.cli.place import workspace_folder
from espalier.cli.request import call
from espalier.cli.text import lines, write


def command() -> click.Command:
    """The command."""
    params = [
        click.Argument(["run"], metavar="RUN", shell_complete=complete.runs),
        click.Option(["-f", "--follow"], is_flag=True, help="Go on until the run ends."),
        click.Option(["-n", "--tail", "tail"], type=click.IntRange(0), help="Only the last lines."),
        click.Option(["--name"], help="Another file of the run."),
        *workspace_options(),
    ]
    return click.Command(
        "logs", callback=_show, params=params, help="Show the log of a run.", epilog=examples("runs logs")
    )


def _show(
    run: str, follow: bool, tail: Optional[int], name: Optional[str], _workspace: Optional[str], _path: Optional[str]
) -> None:
    workspace = workspace_folder(_workspace, _path)
    run_id = known_run(workspace, run)
    if follow:
        raise click.exceptions.Exit(follow_run(workspace, run_id, sys.stdout))
    arguments = {key: value for key, value in (("name", name), ("n", tail)) if value is not None}
    for line in call("Run", "get_log", {"workspace": workspace, "id": run_id}, arguments):
        write(lines(line) + "\n")
