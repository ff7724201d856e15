"""Runs that are tried again."""

import itertools
import os
import signal
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from espalier import Run, ScriptRunConfig, Workspace
from espalier.adapters import posix
from espalier.adapters.homes import scratch_folder
from espalier.base.paths import RunPaths
from espalier.jobs import commit as submission
from espalier.lifecycle.end import end_lost_attempt
from espalier.lifecycle.status import Known, move, read_status
from espalier.queue import spawn
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.step import settle, step
from scratch import give_scratch

Submit = Callable[..., Run]


def test_until_it_succeeds(submit: Submit, ended: Any, tmp_path: Path) -> None:
    count = tmp_path / "count"
    run = submit(f"echo x >> {count}; echo kept >> outputs/kept; [ $(wc -l < {count}) = 3 ]", retry=4)
    details = ended(run)
    assert details["status"] == "Completed" and count.read_text() == "x\n" * 3
    assert details["attempt"] == 3
    assert [(a["attempt"], a["exit_code"], a["error"]["code"]) for a in details["attempts"]] == [(1, 1, "job_failed"), (2, 1, "job_failed")]
    assert Path(run.run_dir, "outputs", "kept").read_text() == "kept\n" * 3, "what an attempt wrote is there for the next"
    assert set(os.listdir(run.run_dir)) & {"work", ".job", "env.json"} == set()


def test_not_more_often_than_asked(submit: Submit, ended: Any, tmp_path: Path) -> None:
    count = tmp_path / "count"
    details = ended(submit(f"echo x >> {count}; exit 7", retry=2))
    assert (details["status"], details["exitCode"], details["attempt"]) == ("Failed", 7, 2)
    assert count.read_text() == "x\n" * 2


def test_only_after_the_causes_that_were_named(submit: Submit, ended: Any) -> None:
    policy = {"attempts": 3, "on": ["job_killed"]}
    assert ended(submit("exit 1", retry=policy))["attempt"] == 1
    assert ended(submit("kill -9 $$", retry=policy))["attempt"] == 3


def test_a_time_limit_holds_for_each_attempt(submit: Submit, ended: Any) -> None:
    run = submit("[ -e outputs/second ] || { touch outputs/second; sleep 30; }", retry=2, max_run_duration_seconds=0.3)
    details = ended(run)
    assert details["status"] == "Completed" and details["attempts"][0]["error"]["code"] == "timed_out"


def test_a_killed_runner(submit: Submit, ended: Any, reach: Any, tmp_path: Path) -> None:
    run = submit(f"[ -e {tmp_path / 'second'} ] && exit 0; touch {tmp_path / 'second'}; echo begun; sleep 60", retry=2)
    reach(lambda: run.follow()["log"])
    os.kill(run._status()["pid"], signal.SIGKILL)
    details = ended(run)
    assert (details["status"], details["attempts"][0]["error"]["code"]) == ("Completed", "runner_lost")


def test_a_runner_killed_before_the_next_attempt_begins(submit: Submit, ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the earlier one left in ./outputs had been moved to the working copy."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("echo second >> outputs/kept")
    paths = RunPaths(run.run_dir)
    scratch = give_scratch(paths, scratch_folder())
    os.mkdir(os.path.join(scratch.job, "outputs"))
    Path(scratch.job, "outputs", "kept").write_text("first\n")
    os.unlink(scratch.note)  # nobody holds it any more
    move(paths, read_status(paths), "Preparing")
    settle(queue_paths(), paths.root)
    ended(run)
    assert Path(run.run_dir, "outputs", "kept").read_text() == "first\nsecond\n"


def test_a_runner_takes_over_what_another_left_that_nobody_settled(
    submit: Submit, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease was lost with the queue's folder."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("echo second >> outputs/kept")
    paths = RunPaths(run.run_dir)
    scratch = give_scratch(paths, scratch_folder())
    os.mkdir(os.path.join(scratch.job, "outputs"))
    Path(scratch.job, "outputs", "kept").write_text("first\n")
    os.unlink(scratch.began)
    os.unlink(scratch.note)
    step()
    ended(run)
    assert Path(run.run_dir, "outputs", "kept").read_text() == "first\nsecond\n"


def test_with_its_variables_gone_a_run_is_at_its_end(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runner was killed between removing them and recording the end: nothing could be executed again."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("true", retry=3)
    paths = RunPaths(run.run_dir)
    status = move(paths, read_status(paths), "Preparing", started_at="2030-01-01T00:00:00Z")
    os.unlink(paths.env)
    assert end_lost_attempt(Known(paths, status)).state == "Failed"


def test_a_run_whose_guardian_was_killed_is_tried_again_too(submit: Submit, ended: Any, reach: Any, tmp_path: Path) -> None:
    """The runner gives up the lease itself then, and is still the one that has locked the run's definition."""
    run = submit(f"[ -e {tmp_path / 'second'} ] && exit 0; touch {tmp_path / 'second'}; echo begun; sleep 0.3; exit 1", retry=2)
    reach(lambda: run.follow()["log"])
    os.kill(int(Path("/proc", str(run._status()["pid"]), "stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    reach(lambda: run._status()["state"] == "Completed")
    assert [attempt["exit_code"] for attempt in run.get_details()["attempts"]] == [1]


def test_a_runner_that_cannot_work_is_not_tried_for_ever_at_any_attempt(
    submit: Submit, reach: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_capacity(queue_paths(), cpus=1)
    monkeypatch.setattr(spawn, "spawn_keeper", lambda paths, lock: None)  # it would start runners that work
    run = submit("exit 1", retry={"attempts": 2, "on": ["job_failed"], "wait_seconds": 3600}, queue_timeout_seconds=0)
    reach(lambda: os.listdir(queue_paths().waiting) and not os.listdir(queue_paths().leases))
    monkeypatch.setattr(spawn, "interpreter", lambda: "/bin/false")
    hours = itertools.count(10**6)
    monkeypatch.setattr(posix, "_clock", lambda: next(hours) * 3601.0)  # each pause is over when it is looked at
    reach(lambda: step() or run.get_status() == "Failed")
    assert (run._status()["error"]["code"], run._status()["attempt"], run._status()["runners"]) == ("prepare_failed", 2, 3)


def test_canceled_is_canceled(submit: Submit, ended: Any, reach: Any) -> None:
    run = submit("echo begun; sleep 60", retry=5)
    reach(lambda: run.follow()["log"])
    run.cancel()
    details = ended(run)
    assert (details["status"], details["attempt"]) == ("Canceled", 1)


def test_canceled_while_it_pauses(submit: Submit, reach: Any) -> None:
    run = submit("exit 1", retry={"attempts": 5, "wait_seconds": 60})
    reach(run, "Queued")
    reach(lambda: os.listdir(queue_paths().waiting))
    assert run.cancel() and run.get_status() == "Canceled"
    assert run._status()["error"]["code"] == "canceled" and not os.path.exists(os.path.join(run.run_dir, "env.json"))


def test_after_its_pause_it_runs_and_nobody_has_to_look(submit: Submit, reach: Any, tmp_path: Path) -> None:
    submit(f"echo x >> {tmp_path / 'count'}; exit 1", retry={"attempts": 2, "wait_seconds": 0.2})
    reach(lambda: (tmp_path / "count").exists() and (tmp_path / "count").read_text() == "x\nx\n")


def test_the_log_tells_and_goes_on(submit: Submit, ended: Any) -> None:
    run = submit("echo hello; exit 3", retry=2)
    ended(run)
    log = Path(run.run_dir, "user_logs", "std_log.txt").read_text().splitlines()
    assert log[0] == log[2] == "hello"
    assert log[1] == "--- attempt 1 of 2: The job ended with exit status 3.; it is tried again ---"


def test_metrics_are_those_of_the_last_attempt(experiment: Any, project: Path, ended: Any, workspace: Workspace) -> None:
    (project / "a.py").write_text(
        "import os, sys\nfrom espalier import Run\nrun = Run.get_context()\nagain = os.path.exists('outputs/again')\n"
        "open('outputs/again', 'w').close()\nrun.log('m', 2.0 if again else 1.0)\nsys.exit(0 if again else 1)\n"
    )
    run = experiment.submit({"source_directory": str(project), "entry_script": "a.py", "retry": 2})
    assert ended(run)["status"] == "Completed" and run.get_metrics() == {"m": 2.0}
    assert workspace.runs.list().columns["metric_m"] == [2.0]
    assert len(os.listdir(os.path.join(run.run_dir, "attempts", "1", "events"))) == 1


@pytest.fixture
def another_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Working copies lie on another file system than the workspace."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no second file system to write to")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        monkeypatch.setenv("ESPALIER_SCRATCH_DIR", folder)
        yield


@pytest.mark.parametrize("disk", ["the same", "another"])
def test_an_attempt_changes_a_file_of_the_snapshot_in_outputs(
    disk: str, experiment: Any, project: Path, ended: Any, request: pytest.FixtureRequest
) -> None:
    """The next attempt finds it changed, and its own changes are kept; each attempt is reported once."""
    if disk == "another":
        request.getfixturevalue("another_disk")
    files = {".espalierignore": "!/outputs/\n", "outputs/x": "snapshot\n", "data": "snapshot\n", "spare": ""}
    files["a.sh"] = "echo run >> outputs/x; echo run >> data; rm -f spare; [ $(grep -c run outputs/x) = 2 ]\n"
    (project / "outputs").mkdir()
    for name, text in files.items():
        (project / name).write_text(text)
    run = experiment.submit(ScriptRunConfig(str(project), "a.sh", retry=2))
    assert ended(run)["status"] == "Completed"
    folder = Path(run.run_dir)
    assert (folder / "outputs" / "x").read_text() == "snapshot\nrun\nrun\n"
    assert (folder / "workdir" / "data").read_text() == (folder / "attempts/1/workdir/data").read_text() == "snapshot\nrun\n"
    assert (folder / "system_logs" / "runner.log").read_text().splitlines() == [
        "Kept 1 file (13 B) that the job wrote outside of ./outputs and ./logs: attempts/1/workdir/data",
        "The job deleted 1 file of its working copy: spare (attempts/1)",
        "Kept 1 file (13 B) that the job wrote outside of ./outputs and ./logs: workdir/data",
        "The job deleted 1 file of its working copy: spare",
    ]


def test_order_is_lost_by_trying_again(submit: Submit, ended: Any, tmp_path: Path) -> None:
    set_capacity(queue_paths(), cpus=1)
    order = tmp_path / "order"
    runs = [submit(f"echo {name} >> {order}; [ {name} = b ] || [ $(grep -c a {order}) = 2 ]", retry=2) for name in "ab"]
    for run in runs:
        ended(run)
    assert order.read_text().split() == ["a", "b", "a"]


@pytest.mark.parametrize("bad", [0, {"attempts": 2, "on": "rain"}, "often"])
def test_bad_policies_are_refused_at_submit(submit: Submit, bad: Any) -> None:
    with pytest.raises(Exception, match="retry") as caught:
        submit("true", retry=bad)
    assert getattr(caught.value, "code", None) == "bad_argument"
