"""What is left to do of the end of a run; and what a step of the queue that ends none does without."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import espalier
import pytest
from espalier import Experiment, ScriptRunConfig
from espalier.adapters.private import private_file, remove_private_file
from espalier.lifecycle.status import NOT_COLLECTED, is_cleaned, read_status


def test_nothing_is_left_of_a_run_that_ended_in_order(experiment: Experiment, ended: Any) -> None:
    run = experiment.submit(ScriptRunConfig(command="echo a"))
    ended(run)
    assert is_cleaned(run._paths, read_status(run._paths))


@pytest.mark.parametrize("what", ["scratch", "job", "env", "work", "runner_log", "private", "warning"])
def test_what_is_left(experiment: Experiment, ended: Any, what: str) -> None:
    run = experiment.submit(ScriptRunConfig(command="true"))
    ended(run)
    paths = run._paths
    status = read_status(paths)
    if what == "scratch":
        os.mkdir((status.scratch or {})["path"])
    elif what == "private":
        private_file(run.id, b"secret")
    elif what == "warning":
        status = status._replace(warnings=(f"{NOT_COLLECTED} no space.",))
    else:
        path = Path(getattr(paths, what))
        path.parent.mkdir(exist_ok=True)
        path.touch()
    try:
        assert not is_cleaned(paths, status)
    finally:
        remove_private_file(run.id)


@pytest.mark.parametrize("module", ["espalier.lifecycle.end", "espalier.lifecycle.strays"])
def test_a_step_does_without(module: str) -> None:
    source = str(Path(espalier.__file__).parents[1])
    code = f"import sys; sys.path.append({source!r}); import espalier.queue.step; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False).returncode == 0
