"""The command line as a whole: nouns and their commands, built when they are asked for."""

import os
import sys
from typing import Dict, List, Optional, Sequence, Tuple

import click

from espalier.api.catalog import catalogue
from espalier.base.errors import EspalierError
from espalier.cli import problems
from espalier.cli.call import command_of, operations, summary
from espalier.cli.text import give_up_broken_streams, settle_streams, tell

_COMPLETE = "_ESPALIER_COMPLETE"
# What isn't one operation: module of this room, by command.
_OWN = {
    "run": "run",
    "runs logs": "logs",
    "job submit": "job",
    "workspace list": "workspaces",
    "completion": "completion",
}
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_HEAD = """Run training scripts, and look at what they did.

Results go to stdout: a table on a terminal, JSON elsewhere. Everything else goes to stderr."""


class Commands(click.Group):
    """Commands that are built when they are asked for.

    Args:
        noun: Whose commands they are; empty for the nouns themselves.
    """

    def __init__(self, noun: str = "", help: str = "") -> None:
        super().__init__(noun or "espalier", help=help, context_settings=_SETTINGS, no_args_is_help=True)
        self._noun = noun

    def list_commands(self, ctx: click.Context) -> List[str]:
        if self._noun:
            own = [name.split()[1] for name in _OWN if name.startswith(f"{self._noun} ")]
            return sorted({*operations(self._noun), *own})
        return sorted({name.split()[0] for name in _OWN} | {noun for noun in nouns() if operations(noun)})

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in self.commands:
            found = self._made(name)
            if found is not None:
                self.commands[name] = found
        return self.commands.get(name)

    def _made(self, name: str) -> Optional[click.Command]:
        whole = f"{self._noun} {name}".strip()
        if whole in _OWN:
            return _own(_OWN[whole])
        if self._noun:
            found = operations(self._noun).get(name)
            return command_of(self._noun, *found) if found else None
        return Commands(name, nouns()[name]) if name in nouns() else None

    def resolve_command(
        self, ctx: click.Context, args: List[str]
    ) -> Tuple[Optional[str], Optional[click.Command], List[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(name, self.list_commands(ctx), 3, 0.6)
            if not near and not self._noun and name in operations("runs"):
                near = [f"`espalier runs {name}`"]
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"Can't find the command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)


def nouns() -> Dict[str, str]:
    """The nouns of the catalogue, and what each is."""
    found: Dict[str, str] = {}
    for record in catalogue().values():
        if record["noun"]:
            text = found.get(record["noun"]) or summary(" ".join(record["doc"].split()))
            found[record["noun"]] = text
    return found


def _own(module: str) -> click.Command:
    from importlib import import_module

    command: click.Command = import_module(f"espalier.cli.{module}").command()
    return command


def main_command() -> click.Group:
    """The whole command line."""
    group = Commands(help=_HEAD)
    group.params.append(click.Option(["-V", "--version"], is_flag=True, expose_value=False, help="Show the version."))
    return group


def carry_out(arguments: Sequence[str]) -> int:
    """Carry out a command line, and return the exit code of this process."""
    settle_streams()
    group = main_command()
    instruction = os.environ.get(_COMPLETE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(group, {}, "espalier", _COMPLETE, instruction)
    try:
        try:
            with group.make_context("espalier", list(arguments)) as context:
                group.invoke(context)
            return problems.DONE
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return problems.USAGE
    except BrokenPipeError:  # (`| head` has seen enough)
        return problems.DONE
    except (KeyboardInterrupt, click.Abort):
        tell("Interrupted.")
        return problems.INTERRUPTED
    except EspalierError as error:
        return problems.show(error)
    except Exception as error:
        return problems.show_any(error)
    finally:
        give_up_broken_streams()
