import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from espalier import EspalierError, Experiment, Run, Workspace
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths

SESSION = """
import os, sys, time
from espalier import Experiment, Workspace
run = Experiment(Workspace(sys.argv[1]), "exp").start_logging()
run.log("m", 1)
print(run.id, flush=True)
sys.stdin.read()
"""


def session(workspace: Workspace) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", SESSION, workspace.path]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_log_and_complete(experiment: Experiment) -> None:
    run = experiment.start_logging()
    assert run.get_status() == "Running"
    run.log("auc", 0.5)
    run.log("auc", 0.9)
    assert run.get_metrics() == {"auc": [0.5, 0.9]}
    assert experiment.list_runs().columns["metric_auc"] == [0.9]
    run.complete()
    details = run.get_details()
    assert (details["status"], details["error"], details["runDefinition"]["type"]) == ("Completed", None, "interactive")
    assert os.listdir(queue_paths().leases) == []


def test_the_duration_is_from_a_monotonic_clock(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    run = experiment.start_logging()
    time.sleep(0.05)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 7200)
    run.complete()
    assert 0.05 <= run.get_details()["durationSeconds"] < 5


def test_completed_by_another_process(experiment: Experiment) -> None:
    run = experiment.start_logging()
    code = "import sys; from espalier import Run; Run(*sys.argv[1:]).complete()"
    subprocess.run([sys.executable, "-c", code, run.workspace_path, run.id], check=True)
    assert run.get_status() == "Completed" and 0 <= run.get_details()["durationSeconds"] < 60


def test_fail(experiment: Experiment) -> None:
    run = experiment.start_logging()
    run.fail("the data were bad")
    assert run.get_details()["error"]["message"] == "the data were bad"
    for again in (run.complete, run.fail):
        with pytest.raises(EspalierError, match=r"has ended already \(Failed\)") as caught:
            again()
        assert caught.value.code == "run_not_active"


def test_runs_that_have_ended_hold_no_descriptor(experiment: Experiment) -> None:
    parent = experiment.start_logging()
    before = len(os.listdir("/proc/self/fd"))
    for end in (Run.complete, Run.fail):
        child = parent.child_run()
        child.log("m", 1)
        child.log_part("a")
        end(child)
    assert len(os.listdir("/proc/self/fd")) == before
    parent.complete()


def test_it_takes_no_slot(experiment: Experiment, submit: Any, ended: Any) -> None:
    set_capacity(queue_paths(), cpus=1)
    runs = [experiment.start_logging() for _ in range(3)]
    assert ended(submit("true"))["status"] == "Completed"
    for run in runs:
        run.complete()


def test_outputs_are_kept(experiment: Experiment, tmp_path: Path) -> None:
    source = tmp_path / "results"
    (source / "sub" / "empty").mkdir(parents=True)
    (source / "model").write_text("m")
    (source / "sub" / "x").write_text("x")
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder").symlink_to("/etc")
    os.mkfifo(source / "fifo")
    run = experiment.start_logging(outputs=str(source))
    run.complete()
    assert run.get_file_names() == ["outputs/folder", "outputs/link", "outputs/model", "outputs/sub/x"]
    assert os.readlink(Path(run.run_dir, "outputs", "link")) == "/etc/passwd"
    assert os.path.islink(Path(run.run_dir, "outputs", "folder"))
    (warning,) = run.get_details()["warnings"]
    assert "fifo" in warning
    assert (source / "model").exists(), "copied, not moved"


def test_outputs_that_hold_the_workspace(experiment: Experiment, home: Path) -> None:
    """`outputs = "."` in a project that keeps its workspace inside."""
    (home / "model").write_text("m")
    run = experiment.start_logging(outputs=str(home))
    run.complete()
    names = run.get_file_names()
    assert "outputs/model" in names and not [name for name in names if "workspace.json" in name or "spec.json" in name]


def test_outputs_that_do_not_exist(experiment: Experiment, tmp_path: Path) -> None:
    run = experiment.start_logging(outputs=str(tmp_path / "gone"))
    run.complete()
    assert run.get_status() == "Completed" and run.get_file_names() == []


def test_snapshot(experiment: Experiment, project: Path) -> None:
    (project / "a.R").write_text("1")
    run = experiment.start_logging(snapshot_directory=str(project))
    assert run.get_details()["runDefinition"]["snapshot"]["files"] == 1
    run.complete()
    with pytest.raises(EspalierError) as caught:
        experiment.start_logging(snapshot_directory=str(project / "gone"))
    assert caught.value.code == "source_missing"
    assert len(experiment.get_runs()) == 1


def test_a_session_that_dies(workspace: Workspace, experiment: Experiment) -> None:
    with session(workspace) as process:
        assert process.stdout is not None
        run = Run(workspace.path, process.stdout.readline().strip())
        assert experiment.list_runs().columns["status"] == ["Running"]
        process.send_signal(signal.SIGSTOP)
        assert experiment.list_runs().columns["status"] == ["Running"], "stopped is not dead"
        process.kill()
    assert experiment.list_runs().columns["status"] == ["Failed"]
    assert run.get_details()["error"]["code"] == "runner_lost" and run.get_metrics() == {"m": 1}


def test_a_lost_state_folder_does_not_end_a_living_session(workspace: Workspace, experiment: Experiment) -> None:
    with session(workspace) as process:
        assert process.stdout is not None
        run = Run(workspace.path, process.stdout.readline().strip())
        shutil.rmtree(queue_paths().root)
        assert experiment.list_runs().columns["status"] == ["Running"]
        process.kill()
    experiment.list_runs()
    assert run.get_status() == "Failed"


def test_it_is_not_canceled(experiment: Experiment) -> None:
    run = experiment.start_logging()
    with pytest.raises(EspalierError) as caught:
        run.cancel()
    assert caught.value.code == "run_not_active" and run.get_status() == "Running"
    run.complete()


def test_a_fork_of_the_session_does_not_end_the_run(experiment: Experiment) -> None:
    run = experiment.start_logging()
    pid = os.fork()
    if pid == 0:
        run.log("from", "child")
        os._exit(0)
    os.waitpid(pid, 0)
    assert experiment.list_runs().columns["status"] == ["Running"]
    run.complete()
    assert run.get_metrics() == {"from": "child"}
