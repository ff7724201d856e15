"""`espalier workspace list`: the workspaces among which a command would choose."""

import os
from typing import Any

import click

from espalier.cli import output
from espalier.cli.call import examples, output_options, path_option
from espalier.cli.place import home
from espalier.cli.text import tell
from espalier.workspace.places import workspaces_in


def command() -> click.Command:
    """The command."""
    text = "List the workspaces of a project."
    params = [path_option(), *output_options()]
    return click.Command("list", callback=_list, params=params, help=text, epilog=examples("workspace list"))


def _list(_path: str, **values: Any) -> None:
    folder = home(_path)
    found = [{"name": os.path.basename(each), "path": each} for each in workspaces_in(folder)]
    if not found:
        tell(f"There are no workspaces in {folder}.", "i")
    output.show(found, values)
