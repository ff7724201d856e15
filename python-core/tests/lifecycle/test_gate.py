"""Who may write into a run: nothing is logged after its end, and nothing into what a newer espalier has written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import espalier
import pytest
from espalier import EspalierError, Experiment, Run, Workspace
from espalier.jobs import commit as submission
from espalier.queue.home import queue_paths
from espalier.queue.tickets import find_ticket
from espalier.tracking import writer as module

LOGS: Dict[str, Callable[[Run], Any]] = {
    "log": lambda run: run.log("a", 1.0),
    "log_list": lambda run: run.log_list("a", [1]),
    "log_row": lambda run: run.log_row("a", b=1),
    "log_table": lambda run: run.log_table("a", {"b": [1]}),
    "log_image": lambda run: run.log_image("a", __file__),
    "log_part": lambda run: run.log_part("a"),
}
WRITES: Dict[str, Callable[[Run], Any]] = {
    **LOGS,
    "set_tags": lambda run: run.set_tags({"a": "b"}),
    "upload_file": lambda run: run.upload_file("a", __file__),
    "cancel": lambda run: run.cancel(),
    "complete": lambda run: run.complete(),
    "fail": lambda run: run.fail(),
    "child_run": lambda run: run.child_run(),
    "submit_child": lambda run: run.submit_child({"command": "true"}),
}


def files(run: Run) -> Dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(run.run_dir).rglob("*") if path.is_file()}


def rewrite(path: str, **fields: Any) -> None:
    record = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**record, **fields}, indent=1))


@pytest.mark.parametrize("how", LOGS)
@pytest.mark.parametrize("opened_before", [False, True])
def test_nothing_is_logged_after_the_end(how: str, opened_before: bool, experiment: Experiment) -> None:
    run = experiment.start_logging()
    if opened_before:
        run.log("b", 1.0)
        run.log_part("b")
    run.complete()
    before = files(run)
    for each in (run, Run(run.workspace_path, run.id)):
        with pytest.raises(EspalierError) as caught:
            LOGS[how](each)
        assert caught.value.code == "run_not_active" and "it has ended (Completed)" in str(caught.value)
    assert files(run) == before


def test_tags_and_files_may_come_later(experiment: Experiment) -> None:
    run = experiment.start_logging()
    run.complete()
    run.set_tags({"a": "b"})
    run.upload_file("a", __file__)
    assert run.get_tags() == {"a": "b"} and "a" in run.get_file_names()


def test_what_a_job_left_behind_is_warned_once(experiment: Experiment, capfd: Any, monkeypatch: Any) -> None:
    run = experiment.start_logging()
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("ESPALIER_RUN_DIR", run.run_dir)
    inside = Run(run.workspace_path, run.id)
    inside.log("a", 1.0)
    monkeypatch.delenv("ESPALIER_RUN_DIR")
    run.complete()
    monkeypatch.setenv("ESPALIER_RUN_DIR", run.run_dir)
    before = files(run)
    for _ in range(3):
        for log in LOGS.values():
            log(inside)
    assert files(run) == before
    assert capfd.readouterr().err.count("has ended") == 1


def test_in_a_job_a_look_is_due_once_a_second(experiment: Experiment, monkeypatch: Any) -> None:
    run = experiment.start_logging()
    monkeypatch.setenv("ESPALIER_RUN_DIR", run.run_dir)
    inside = Run(run.workspace_path, run.id)
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 3600.0)
    looks = []
    monkeypatch.setattr(module.Gate, "_look", lambda gate: looks.append(1))
    for _ in range(100):
        inside.log("a", 1.0)
    assert len(looks) == 1


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("record", ["workspace", "spec", "status"])
def test_nothing_is_written_into_what_a_newer_espalier_has_written(record: str, how: str, experiment: Experiment) -> None:
    run = experiment.start_logging()
    path = os.path.join(run.workspace_path, "workspace.json") if record == "workspace" else os.path.join(run.run_dir, record + ".json")
    rewrite(path, format=3)
    before = files(run)
    with pytest.raises(EspalierError) as caught:
        WRITES[how](run)
    assert caught.value.code == "newer_format" and files(run) == before
    rewrite(path, format=1)


@pytest.mark.parametrize("record", ["spec", "status"])
def test_a_queued_run_of_a_newer_espalier_keeps_its_place(record: str, experiment: Experiment, submit: Any, monkeypatch: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("true")
    path = os.path.join(run.run_dir, record + ".json")
    original = Path(path).read_bytes()
    rewrite(path, format=3)
    before = files(run)
    other = Experiment(Workspace.create("other", os.path.dirname(run.workspace_path)), "exp")
    assert other.submit({"command": "true"}).wait_for_completion()["status"] == "Completed", "the others go on"
    assert files(run) == before and find_ticket(queue_paths(), run.id)
    if record != "status":
        assert "newer espalier" in run.get_detailed_status()["reason"]
    Path(path).write_bytes(original)
    assert run.wait_for_completion()["status"] == "Completed"


def test_a_runner_that_was_handed_one_leaves_it_alone(experiment: Experiment, submit: Any, monkeypatch: Any, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("true")
    rewrite(os.path.join(run.run_dir, "spec.json"), format=3)
    before = files(run)
    runner = Path(espalier.__file__).parent / "runner" / "__main__.py"
    with open(str(find_ticket(queue_paths(), run.id)), "rb+") as lease:
        argv = [sys.executable, "-I", "-S", str(runner), run.run_dir, str(lease.fileno())]
        subprocess.run(argv, pass_fds=[lease.fileno()], check=True, timeout=30, stderr=subprocess.DEVNULL)
    assert {name: data for name, data in files(run).items() if "system_logs" not in name} == before
