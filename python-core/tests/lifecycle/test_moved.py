"""A workspace that is renamed while a job of it has logged nothing yet."""

import os
from pathlib import Path
from typing import Any

import pytest
from espalier import Experiment, ScriptRunConfig, Workspace
from scratch import copy_of

LOGS = """
import os, time
from espalier import Run
{early}
open("outputs/ready", "w").close()
while os.path.exists({gate!r}): time.sleep(0.01)
run = Run.get_context()
run.log("m", 1.0)
run.log_table("long", {{"x": list(range(20000))}})
print(run.get_status())
open("a", "w").close()
run.upload_file("up", "a")
"""


@pytest.mark.parametrize("early", ["", "run = Run.get_context(); Run.get_context = lambda: run"])
def test_a_job_s_first_log_after_its_workspace_was_renamed(
    experiment: Experiment, workspace: Workspace, project: Path, reach: Any, tmp_path: Path, early: str
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    (project / "a.py").write_text(LOGS.format(gate=str(gate), early=early))
    run = experiment.submit(ScriptRunConfig(str(project), "a.py"))
    reach(lambda: (copy_of(run) / "outputs" / "ready").exists())
    moved = workspace.path + "-renamed"
    os.rename(workspace.path, moved)
    gate.unlink()
    found = Workspace(moved).runs.get(run.id)
    reach(lambda: found.get_status() in ("Completed", "Failed"))
    assert found.get_status() == "Completed", found.follow()["log"]
    assert found.get_metrics()["m"] == 1.0 and found.follow()["log"] == "Running\n"
    assert "uploads/up" in found.get_file_names() or "up" in found.get_file_names()
    assert not os.path.exists(workspace.path)
