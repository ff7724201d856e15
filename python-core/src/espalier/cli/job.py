"""`espalier job submit`: submit the job of a file, and follow it if that is asked for."""

import os
from typing import Any, Sequence

import click

from espalier.cli import output
from espalier.cli.call import examples, output_options, workspace_options
from espalier.cli.parameters import existing_file
from espalier.cli.request import call
from espalier.cli.run import follow_up, named_like, project_workspace, submit_options, tags_of
from espalier.cli.views import without_secrets


def command() -> click.Command:
    """The command."""
    params = [
        click.Argument(["file"], type=click.Path()),
        click.Option(["--set", "settings"], multiple=True, metavar="NAME=VALUE", help="Replace a value of the file."),
        *submit_options(),
        click.Option(["-f", "--follow"], is_flag=True, help="Follow the run until it ends."),
        *workspace_options(), *output_options(),
        click.Option(["--dry-run", "dry_run"], is_flag=True, help="Show the job; submit nothing."),
    ]  # fmt: skip
    text, epilog = "Submit the job of a file.", examples("job submit")
    return click.Command("submit", callback=_submit, params=params, help=text, epilog=epilog)


def _submit(file: str, settings: Sequence[str], follow: bool, dry_run: bool, **given: Any) -> None:
    path = existing_file(file)
    asked = {"path": path, "set": list(settings)}
    job = call("Jobs", "read", None, asked)
    project = job["config"].get("source_directory") or os.path.dirname(path)
    experiment = given["experiment"] or job["experiment"] or named_like(project)
    if dry_run:
        shown = without_secrets({**job, "experiment": experiment})
        return output.show(shown, {**given, "_output": given["_output"] or "json"})
    workspace = project_workspace(given, os.path.dirname(path))
    arguments = {**asked, "experiment": experiment, "tags": tags_of(given), "reuse": given["reuse"]}
    submitted = call("Jobs", "submit_values", {"path": workspace}, arguments)
    follow_up(workspace, submitted, {**given, "detach": not follow})
