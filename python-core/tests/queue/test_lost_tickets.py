"""A ticket that is lost or damaged: the run is queued again by whatever asks for its state, and nothing else waits."""

import json
import os
import re
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace, wait_for
from espalier.jobs import commit as submission
from espalier.queue import nudge as nudging
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.tickets import find_ticket, read_ticket, tickets

Submit = Callable[..., Run]
DAMAGES = {
    "lost": None,
    "path": lambda data: data.replace(b'"run_dir": "/', b'"run_dir": "?'),
    "other path": lambda data: data.replace(b"/ws/", b"/wt/"),
    "run id": lambda data: data.replace(b'"run_id": "e', b'"run_id": "f'),
    "missing key": lambda data: data.replace(b"run_dir", b"run_dis"),
    "text for a number": lambda data: data.replace(b'"cpus": 1', b'"cpus": "x"'),
    "another number": lambda data: data.replace(b'"cpus": 1', b'"cpus": 99'),
    "no number": lambda data: data.replace(b'"cpus": 1', b'"cpus": 0'),
    "memory": lambda data: re.sub(rb'"memory": null', b'"memory": 1000000000000000', data),
    "attempt": lambda data: re.sub(rb'"attempt": 1', b'"attempt": 7', data),
    "zeros": lambda data: b"\0" * len(data),
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "no UTF-8": lambda data: b"\xff" + data,
    "a list": lambda data: b"[]",
}  # fmt: skip
LOOKS = {
    "status": lambda run: run.get_status(),
    "detailed status": lambda run: run.get_detailed_status(),
    "details": lambda run: run.get_details(),
    "follow": lambda run: run.follow(),
    "look at several": lambda run: Workspace(run.workspace_path).runs.follow([run.id]),
    "listing": lambda run: Workspace(run.workspace_path).runs.list(),
}  # fmt: skip


@pytest.fixture
def queued(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that nobody has looked at since it was queued."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("true")
    monkeypatch.setattr(nudging, "_PAUSE_SECONDS", 0.0)
    return run


def damage(run: Run, how: Any) -> None:
    path = find_ticket(queue_paths(), run.id)
    assert path is not None
    if how is None:
        os.unlink(path)
        return
    before = Path(path).read_bytes()
    Path(path).write_bytes(how(before))
    assert Path(path).read_bytes() != before


@pytest.mark.parametrize("how", DAMAGES)
def test_a_wait_without_a_limit_ends(how: str, queued: Run, submit: Submit) -> None:
    damage(queued, DAMAGES[how])
    later = submit("true")
    assert set(wait_for([queued, later], timeout=60).values()) == {"Completed"}


@pytest.mark.parametrize("look", LOOKS)
def test_whatever_asks_for_the_state_repairs(look: str, queued: Run, reach: Any) -> None:
    damage(queued, None)
    LOOKS[look](queued)
    reach(lambda: json.loads(Path(queued.run_dir, "status.json").read_text())["state"] == "Completed")


def test_waiting_for_one(queued: Run) -> None:
    damage(queued, None)
    assert queued.wait_for_completion()["status"] == "Completed"


def test_one_that_waits_for_another_keeps_waiting(submit: Submit, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    first = submit(f"while test -e {gate}; do sleep 0.01; done")
    second = submit(f"test ! -e {gate}", depends_on=[first.id])
    monkeypatch.setattr(nudging, "_PAUSE_SECONDS", 0.0)
    damage(second, lambda data: data.replace(b"depends_on", b"depends_in"))
    assert second.get_status() == "Queued"
    ticket = read_ticket(str(find_ticket(queue_paths(), second.id)))
    assert ticket is not None and ticket.depends_on == [first.id]
    gate.unlink()
    assert wait_for([second], timeout=60)[second.id] == "Completed"


def test_one_of_a_newer_espalier_is_left_to_it(queued: Run) -> None:
    path = str(find_ticket(queue_paths(), queued.id))
    Path(path).write_bytes(Path(path).read_bytes().replace(b'"format": 1', b'"format": 2'))
    assert list(tickets(queue_paths().tickets)) == [] and os.path.exists(path)
    assert queued.get_status() == "Queued"


def test_one_look_at_the_queue_for_a_thousand_runs(queued: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(nudging, "runs_in_queue", lambda paths: looks.append(1) or {queued.id})
    monkeypatch.setattr(nudging, "step", lambda: None)
    nudging.nudge([queued._paths] * 1000)
    assert looks == [1]


JOB = """
import sys
from espalier import Experiment, Run, ScriptRunConfig, Workspace, wait_for
run = Experiment(Workspace(sys.argv[1]), "exp").submit(ScriptRunConfig(command="true"))
run.wait_for_completion() if sys.argv[2] == "one" else wait_for([run])
print("inner", run.get_status())
"""


@pytest.mark.parametrize("how", ["one", "several"])
def test_a_job_that_waits_for_a_run_of_another_workspace_lends_it_its_slot(how: str, submit: Submit, home: Path) -> None:
    import sys

    import espalier

    set_capacity(queue_paths(), cpus=1)
    other = Workspace.create("other", str(home))
    source = str(Path(espalier.__file__).parents[1])
    variables = {"PYTHONPATH": source, "ESPALIER_CACHE_DIR": str(home / "cache")}
    outer = submit([sys.executable, "-c", JOB, other.path, how], environment_variables=variables, max_run_duration_seconds=30)
    assert outer.wait_for_completion()["status"] == "Completed"
    assert "inner Completed" in outer.follow()["log"]
    assert Experiment(other, "exp").get_runs()[0].get_status() == "Completed"


def test_a_lost_run_that_a_job_waits_for_is_queued_by_its_runner(submit: Submit, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R waits in a job by looking at files alone."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        lost = Experiment(Workspace.create("other", str(home)), "exp").submit(ScriptRunConfig(command="true"))
    damage(lost, None)
    line = (
        'start=$(cut -d" " -f22 /proc/$$/stat); mkdir -p "$ESPALIER_RUN_DIR/requests"; '
        'printf \'{"format":1,"pid":%s,"start":%s,"folders":["%s"]}\' $$ $start '
        f'"{lost.run_dir}" > "$ESPALIER_RUN_DIR/requests/waiting-r-1-00000000.json"; '
        f'while ! grep -q Completed {lost.run_dir}/status.json; do sleep 0.05; done'
    )
    job = submit(line, max_run_duration_seconds=30)
    while json.loads(Path(job.run_dir, "status.json").read_text())["state"] != "Completed":
        assert json.loads(Path(job.run_dir, "status.json").read_text())["state"] not in ("Failed", "Canceled")
