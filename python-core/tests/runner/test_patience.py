import os
import subprocess
import sys
from pathlib import Path

import pytest
from espalier.base.paths import RunPaths
from espalier.runner.patience import Impatience, patience

SOURCE = Path(sys.modules["espalier"].__file__ or "").parents[1]
CODE = """
import collections, os, signal, sys
sys.path.append(sys.argv[1])
from espalier.base.paths import RunPaths
from espalier.runner.patience import Impatience, patience
from espalier.runner.ahead import load_next
from espalier.runner.patience import Impatience, patience

def interrupted(*args, **kwargs):  # (modules make named tuples as they are loaded)
    collections.namedtuple = made
    with open(RunPaths(sys.argv[2]).cancel, "w") as file:
        file.write('{"format": 1, "by": "me"}')
    os.kill(os.getpid(), signal.SIGUSR1)
    return made(*args, **kwargs)

made, collections.namedtuple = collections.namedtuple, interrupted
try:
    with patience(RunPaths(sys.argv[2]), 60):
        list(load_next()) if sys.argv[3] == "ahead" else __import__("espalier.store.packs")
    print("went on")
except Impatience as stop:
    print(stop.state, stop.code, stop.message)
import espalier.runner.watch, espalier.lifecycle.end
print("loaded")
"""


@pytest.mark.parametrize("what", ["ahead", "a module"])
def test_a_cancel_comes_while_something_is_loaded(tmp_path: Path, what: str) -> None:
    """The handler loaded a module itself, while others were loaded in part."""
    run = RunPaths(str(tmp_path / "exp_1_abcdef01"))
    os.makedirs(os.path.dirname(run.cancel))
    argv = [sys.executable, "-I", "-S", "-c", CODE, str(SOURCE), run.root, what]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.stdout.split("\n")[1:], done.stderr) == (["loaded", ""], "")
    assert done.stdout.startswith("Canceled canceled Canceled")


def test_a_cancel_came_before_anybody_listened(tmp_path: Path) -> None:
    """It was asked for after the run was claimed, and the runner had not said yet who it is: no signal comes."""
    run = RunPaths(str(tmp_path / "exp_1_abcdef01"))
    os.makedirs(os.path.dirname(run.cancel))
    Path(run.cancel).write_text('{"format": 1, "by": "me"}')
    with pytest.raises(Impatience), patience(run, None):
        raise AssertionError("it was begun")
