import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import Run, Workspace
from espalier.adapters import posix
from espalier.lifecycle import status
from espalier.queue.capacity import set_capacity
from espalier.queue.control import cancel, look_after
from espalier.queue.home import queue_paths
from espalier.queue.reasons import why_waiting

Submit = Callable[..., Run]


@pytest.fixture
def one_slot(home: Path) -> None:
    set_capacity(queue_paths(), cpus=1)


def test_cancel_of_a_queued_run_is_immediate(one_slot: None, submit: Submit, tmp_path: Path, ended: Any) -> None:
    first, queued = submit("sleep 0.2"), submit(f"touch {tmp_path / 'ran'}")
    assert queued.cancel() is True
    details = queued.get_details()
    assert details["status"] == "Canceled" and details["startTimeUtc"] is None
    assert details["error"]["message"] == f"Canceled by {posix.user_name()}."
    assert not Path(queued.run_dir, "env.json").exists()
    ended(first)
    assert not (tmp_path / "ran").exists() and why_waiting(queued.id) is None
    assert queued.cancel() is False


def test_cancel_of_a_running_run(submit: Submit, ended: Any, reach: Any) -> None:
    run = submit("echo started; sleep 60")
    reach(lambda: run.follow()["log"])
    assert run.cancel() is True
    details = ended(run, 5)
    assert (details["status"], details["error"]["code"], details["signal"]) == ("Canceled", "canceled", 15)
    assert details["error"]["log_tail"] == ["started"]
    assert run.cancel() is False


def test_a_cancel_reads_the_status_once_under_the_lock(
    one_slot: None, submit: Submit, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once before, to see whether there is anything to do."""
    running, queued = submit("sleep 60"), submit("true")
    read: List[str] = []
    real = status.read_record
    monkeypatch.setattr(status, "read_record", lambda path: read.append(path) or real(path))
    assert cancel(queued._paths, queued.id)
    assert read.count(queued._paths.status) == 2
    assert cancel(running._paths, running.id)
    assert read.count(running._paths.status) == 3, "who its runner is, after the request was written"
    ended(running)


def test_canceling_is_seen_at_once(submit: Submit, reach: Any, ended: Any) -> None:
    run = submit("trap 'sleep 0.5; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    reach(lambda: run.follow()["log"])
    assert run.cancel() and run.cancel()
    assert run.get_status() == "CancelRequested"
    details = ended(run)
    assert (details["status"], details["exitCode"]) == ("Canceled", 0)


def test_cancel_of_a_stopped_job(submit: Submit, reach: Any, ended: Any) -> None:
    run = submit("echo ready; kill -STOP $$; sleep 60")
    reach(lambda: run.follow()["log"])
    assert run.cancel()
    assert ended(run, 5)["status"] == "Canceled"


def test_cancel_of_a_run_whose_runner_is_gone_from_the_queue(one_slot: None, submit: Submit, workspace: Workspace) -> None:
    submit("sleep 30")
    run = submit("true")
    shutil.rmtree(queue_paths().root)
    assert run.cancel()
    workspace.runs.list()
    assert run.get_status() == "Canceled"


def test_cancel_of_a_missing_run(submit: Submit, ended: Any) -> None:
    run = submit("true")
    ended(run)
    shutil.rmtree(run.run_dir)
    with pytest.raises(Exception, match=f"Can't find the run {run.id} in .* any more") as caught:
        run.cancel()
    assert getattr(caught.value, "code", None) == "run_missing"


def test_a_pid_used_again_gets_no_signal(submit: Submit, ended: Any, reach: Any) -> None:
    """The status names our own process as the runner, with another start time."""
    run = submit("sleep 0.3")
    reach(run, "Running")
    status = Path(run.run_dir, "status.json")
    record = json.loads(status.read_text())
    status.write_text(json.dumps({**record, "pid": os.getpid(), "pid_start": record["pid_start"] - 1}))
    assert cancel(run._paths, run.id) is True  # the signal would end the tests here
    ended(run)


def test_look_after_leaves_other_hosts_and_users_alone(one_slot: None, submit: Submit) -> None:
    submit("sleep 30")
    run = submit("true")
    host, user = run._spec().host, run._spec().user
    shutil.rmtree(queue_paths().root)
    assert look_after(run.id, run._paths, "another-host", user) is False
    assert look_after(run.id, run._paths, host, "another-user") is False
    assert look_after(run.id, run._paths, host, user) is True
    assert look_after(run.id, run._paths, host, user) is False


def test_look_after_what_vanished(submit: Submit, ended: Any) -> None:
    run = submit("true")
    ended(run)
    spec = run._spec()
    shutil.rmtree(run.run_dir)
    assert look_after(run.id, run._paths, spec.host, spec.user) is False
