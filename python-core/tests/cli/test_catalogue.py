"""Nouns and commands come from the catalogue; nothing else has to be touched for a new one."""

import importlib.util
import shlex
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import click
import pytest
from click.testing import CliRunner
from espalier import Workspace
from espalier.api import catalog, dispatch
from espalier.api.describe import describe, facades
from espalier.cli.app import Commands, main_command, nouns, operations
from espalier.cli.call import EXAMPLES
from espalier.cli.parameters import can_be_given

LAMPS = '''
from typing import List, Optional

from espalier.base.operation import operation
from espalier.workspace.handle import WorkspaceHandle


class Lamps(WorkspaceHandle):
    """The lamps of a workspace."""

    NOUN = "lamps"

    @operation("GET /lamps")
    def list(self, colour: Optional[str] = None) -> List[str]:
        """List lamps.

        Args:
            colour: Only those of this colour.
        """
        return [name for name in ("red 1", "blue 2") if name.startswith(colour or "")]

    @operation("PUT /lamps/{name}")
    def light(self, name: str, bright: bool = False) -> bool:
        """Light a lamp.

        Args:
            name: Its name.
            bright: As bright as it can be.
        """
        return bright
'''


def commands(group: click.Command, words: Tuple[str, ...] = ()) -> Iterator[Tuple[Tuple[str, ...], click.Command]]:
    if not isinstance(group, Commands):
        yield words, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield from commands(command, (*words, name))


def every_command() -> Dict[str, click.Command]:
    return {" ".join(words): command for words, command in commands(main_command())}


def test_every_operation_with_a_command_is_one() -> None:
    known = every_command()
    for record in catalog.catalogue().values():
        for member in record["methods"]:
            if member["command"]:
                assert can_be_given(member), member["name"]
                assert f"{record['noun']} {member['command']}" in known


@pytest.mark.parametrize("words", sorted(every_command()))
def test_help(words: str) -> None:
    """A verb and a noun, at most eight words."""
    done = CliRunner().invoke(main_command(), [*words.split(), "--help"])
    assert done.exit_code == 0, done.output
    text = every_command()[words].get_short_help_str(200)
    assert 2 <= len(text.rstrip(".").split()) <= 8, text
    assert text[0].isupper() and text.split()[0] not in ("The", "A", "What", "Whether", "As"), text
    assert max(map(len, done.output.splitlines())) <= 100


def test_examples_are_commands() -> None:
    """Each can be read, with all its options."""
    known = every_command()
    for name, lines in EXAMPLES.items():
        for line in lines:
            words = shlex.split(line)
            words = words[: next((at for at, word in enumerate(words) if word in ("<", ">", ">>")), None)]
            assert " ".join(words[: len(name.split())]) == name, line
            command = known[name]
            command.make_context(name, words[len(name.split()) :], resilient_parsing=False)


def test_options_have_one_meaning() -> None:
    short: Dict[str, set] = {}
    for command in every_command().values():
        names = [name for param in command.params for name in [*param.opts, *param.secondary_opts]]
        assert len(names) == len(set(names)), command.name
        for param in command.params:
            for name in param.opts:
                if len(name) == 2:
                    short.setdefault(name, set()).add(param.name)
    assert short.pop("-n") == {"max_results", "tail"}
    assert short.pop("-e") == {"_experiment", "experiment"}
    assert all(len(meanings) == 1 for meanings in short.values()), short


@pytest.fixture
def lamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A room with an api.py of one noun and two operations; the catalogue is made from it as `make generate` does."""
    (tmp_path / "lamps_api.py").write_text(LAMPS)
    spec = importlib.util.spec_from_file_location("lamps_api", tmp_path / "lamps_api.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lamps_api", module)
    spec.loader.exec_module(module)
    records = describe([*facades(), module.Lamps])["classes"]
    known = {record["name"]: record for record in records}
    for place in ("espalier.api.catalog", "espalier.api.dispatch", "espalier.cli.app", "espalier.cli.call"):
        monkeypatch.setattr(f"{place}.catalogue", lambda: known)
    dispatch.members.cache_clear()
    yield
    dispatch.members.cache_clear()


def test_a_new_noun_needs_no_other_file(lamps: None, main: Workspace) -> None:
    assert set(operations("lamps")) == {"list", "light"}
    assert nouns()["lamps"] == "The lamps of a workspace."
    invoke = CliRunner().invoke
    assert "lamps" in invoke(main_command(), ["--help"]).output
    page = invoke(main_command(), ["lamps", "--help"]).output
    assert "List lamps" in page and "Light a lamp" in page
    where = ["-w", main.path, "-o", "tsv"]
    assert invoke(main_command(), ["lamps", "list", "--colour", "red", *where]).output == "red 1\n"
    assert invoke(main_command(), ["lamps", "light", "red 1", "--bright", *where]).output == "true\n"
    assert "bright" in invoke(main_command(), ["lamps", "light", "red 1", "--dry-run", "--bright", *where]).output
