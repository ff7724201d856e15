"""The wording of what the command line says, so that changes of it are reviewed: messages.txt. (That of wrong options is
click's.)

With ESPALIER_WRITE_DOCS=yes the file is written anew.
"""

import os
import re
from pathlib import Path
from typing import List

from espalier import Experiment, Workspace

from .conftest import Shell, surroundings  # type: ignore[attr-defined]

SNAPSHOT = Path(__file__).parent / "messages.txt"
LINES = [
    "nope", "rnus list", "runs lst", "runs list --filter metrics.auc", "runs list --query [", "runs list -w nope", "runs list -w no/where",
    "runs list --path /nowhere", "runs show nope", "runs show exp_1764000000_0000000", "runs show exp_", "runs tag latest stage",
    "runs download latest nope.csv", "run nope.py", "run train.py --tag stage", "run train.py --environment nope",
    "run train.py --memory much", "job submit nope.yml", "workspace create main", "workspace create a/b", "workspace delete",
    "snapshots delete sha256:00", "images prune", "job read nope.yml", "list", "run list", "runs list -e exq", "runs list --columns statsu", "experiments runs a/b", "environments versions nope",
    "environments register nope.yml",
]  # fmt: skip


def test_messages(espalier: Shell, main: Workspace, forest: Path) -> None:
    ids = [Experiment(main, "exp").start_logging().id for _ in range(2)]
    shown: List[str] = []
    for line in LINES:
        done = espalier(*line.split(), env=surroundings(COLUMNS="100"))
        lines = [
            each for each in done.stderr.splitlines(True) if each.strip() and not each.startswith(("Usage:", "Try "))
        ]
        text = "".join(lines).replace(str(forest), "~/forest")
        for run_id in ids:
            text = text.replace(run_id, "exp_1764000000_00000001")
        shown.append(f"$ espalier {line}\n{text}exit code {done.returncode}\n")
        assert "Traceback" not in text and done.stdout in ("", "[]\n"), line
    whole = "\n".join(shown)
    whole = re.sub(r"(The nearest: ).*", r"\1exp_1764000000_00000001.", whole)
    if os.environ.get("ESPALIER_WRITE_DOCS") == "yes":
        SNAPSHOT.write_text(whole, "utf-8")
    assert whole == SNAPSHOT.read_text("utf-8")


def test_words_of_advice_are_commands() -> None:
    from espalier.cli.words import in_commands

    assert in_commands("See list_runs().") == "See `espalier runs list`."
    assert in_commands("Create it with workspace() or create_workspace().") == (
        "Create it with `espalier workspace open NAME` or `espalier workspace create NAME`."
    )
    assert (
        in_commands("`get_file_names('a')` lists them, f(x) does not.")
        == "`espalier runs files RUN` lists them, f(x) does not."
    )


def test_words_of_advice_are_options() -> None:
    from espalier.cli.words import in_commands

    assert in_commands("Give another file, or overwrite = TRUE.") == "Give another file, or `--overwrite`."
    assert in_commands('Say older_than = "90 days".') == 'Say `--older-than "90 days"`.'
    assert in_commands("Correct source_directory.") == "Correct --folder."
    assert in_commands("End it with cancel_run(), see `Runs.list`.") == (
        "End it with `espalier runs cancel RUN`, see `espalier runs list`."
    )
    assert in_commands("The columns `run_id` and `list`; x = TRUE.") == "The columns `run_id` and `list`; x = TRUE."
