"""`espalier completion`: the script by which a shell completes commands, options and ids of runs."""

import click
from click.shell_completion import get_completion_class

from espalier.base.errors import EspalierError
from espalier.cli.call import examples
from espalier.cli.text import write

_SHELLS = ("bash", "zsh", "fish")


def command() -> click.Command:
    """The command."""
    return click.Command(
        "completion", callback=_show, params=[click.Argument(["shell"], type=click.Choice(_SHELLS))],
        help="Print the completion script of a shell.", epilog=examples("completion"),
    )  # fmt: skip


def _show(shell: str) -> None:
    found = get_completion_class(shell)
    if found is None:
        raise EspalierError("not_supported", f"Can't complete in {shell}.")
    write(found(click.Command("espalier"), {}, "espalier", "_ESPALIER_COMPLETE").source())
