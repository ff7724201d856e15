"""A project with a workspace of its own, and the command line as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Workspace

Shell = Callable[..., "subprocess.CompletedProcess[str]"]
TRAIN = "from espalier import Run\nimport sys\nrun = Run.get_context()\nrun.log('AUC', float(sys.argv[1]))\nprint('trees', *sys.argv[2:])\n"


@pytest.fixture
def forest(home: Path) -> Path:
    """A project with scripts; its workspace isn't made yet."""
    folder = home / "forest"
    folder.mkdir()
    (folder / ".here").touch()
    (folder / "train.py").write_text(TRAIN)
    (folder / "fail.sh").write_text("echo before\nexit 7\n")
    (folder / "wait.sh").write_text("echo started\nsleep 60\n")
    return folder


@pytest.fixture
def main(forest: Path) -> Workspace:
    """The project's workspace."""
    return Workspace.create("main", str(forest / ".espalier"))


def surroundings(**others: str) -> Dict[str, str]:
    left_out = ("ESPALIER_WORKSPACE", "NO_COLOR", "COLUMNS", "VIRTUAL_ENV", "PYTHONUNBUFFERED")
    return {**{name: value for name, value in os.environ.items() if name not in left_out}, **others}


@pytest.fixture
def espalier(forest: Path) -> Shell:
    """Carry out a command line in the project, and return how it ended."""

    def carried_out(*words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        settings = {"cwd": forest, "env": surroundings(), "timeout": 60, "encoding": "utf-8", **options}
        if "stdin" not in settings and "input" not in settings:
            settings["stdin"] = subprocess.DEVNULL
        return subprocess.run([sys.executable, "-m", "espalier.cli", *words], capture_output=True, **settings)

    return carried_out
