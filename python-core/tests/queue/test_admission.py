"""Runs that may not be started yet: dependencies, pauses, time limits in the queue."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import EspalierError, Run
from espalier.adapters import posix
from espalier.queue.admission import expire
from espalier.queue.capacity import set_capacity
from espalier.queue.home import allocator, queue_paths
from espalier.queue.step import step

Submit = Callable[..., Run]


@pytest.fixture
def one_slot(home: Path) -> None:
    set_capacity(queue_paths(), cpus=1)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The machine has been on for longer."""
    real = posix._clock
    monkeypatch.setattr(posix, "_clock", lambda: real() + seconds)


def test_a_run_starts_when_those_it_depends_on_have_completed(submit: Submit, ended: Any, tmp_path: Path) -> None:
    order = tmp_path / "order"
    first, second = submit(f"sleep 0.2; echo 1 >> {order}"), submit(f"sleep 0.3; echo 2 >> {order}")
    last = submit(f"echo last >> {order}", depends_on=[first.id, second.id])
    assert ended(last)["status"] == "Completed"
    assert order.read_text().split() == ["1", "2", "last"]
    assert last.get_details()["runDefinition"]["depends_on"] == [first.id, second.id]


def test_one_that_has_completed_is_not_waited_for(submit: Submit, ended: Any) -> None:
    first = submit("true")
    ended(first)
    assert ended(submit("true", depends_on=[first.id]))["status"] == "Completed"


@pytest.mark.parametrize("how,state", [("exit 3", "Failed"), ("kill -TERM $$", "Failed")])
def test_one_that_failed_fails_those_that_depend_on_it(submit: Submit, ended: Any, tmp_path: Path, how: str, state: str) -> None:
    first = submit(how)
    second = submit(f"touch {tmp_path / 'ran'}", depends_on=[first.id])
    third = submit(f"touch {tmp_path / 'ran'}", depends_on=[second.id])
    details = ended(second)
    assert (details["status"], details["error"]["code"]) == ("Failed", "dependency_failed")
    message = details["error"]["message"]
    assert f"{first.id}, which failed: The job ended with " in message
    hint = f'get_run_log(get_run(ws, "{first.id}")) shows the log of that run.'
    assert details["error"]["hint"] == hint
    details = ended(third)
    beginning = "The run was not started because it depends on "
    chain = f"{beginning}{second.id}, which was not started because it depends on "
    assert details["error"]["message"] == message.replace(beginning, chain)
    with pytest.raises(EspalierError) as caught:
        third.get_log()
    assert caught.value.message == (
        "Can't find 'user_logs/std_log.txt' among the run's files, because its job never began: "
        + details["error"]["message"]
    )
    assert details["error"]["code"] == "dependency_failed" and not (tmp_path / "ran").exists()
    assert details["error"]["hint"] == hint, "of a chain the first"


def test_one_that_was_canceled_or_deleted(one_slot: None, submit: Submit, ended: Any) -> None:
    blocker, canceled, deleted = submit("sleep 30"), submit("true"), submit("true")
    second, third = submit("true", depends_on=[canceled.id]), submit("true", depends_on=[deleted.id])
    last = submit("true", depends_on=[second.id])
    canceled.cancel()
    shutil.rmtree(deleted.run_dir)
    step()
    assert f"{canceled.id}, which was canceled." in ended(second)["error"]["message"]
    assert f"{deleted.id}, which was deleted." in ended(third)["error"]["message"]
    assert ended(last)["error"]["message"].endswith(f"because it depends on {canceled.id}, which was canceled.")
    assert not ended(last)["error"]["hint"], "none of them has a log"
    blocker.cancel()


def test_a_damaged_one_may_be_restored(one_slot: None, submit: Submit, ended: Any, reach: Any) -> None:
    blocker, first = submit("sleep 30"), submit("true")
    second = submit("true", depends_on=[first.id])
    status = Path(first.run_dir, "status.json")
    good = status.read_text()
    status.write_text("{")
    step()
    assert second.get_status() == "Queued"
    status.write_text(good.replace('"Queued"', '"Completed"'))
    step()
    assert second.get_detailed_status()["position"] is not None
    blocker.cancel()
    assert ended(second)["status"] == "Completed"


def test_a_waiting_run_can_be_canceled(one_slot: None, submit: Submit) -> None:
    first = submit("sleep 30")
    second = submit("true", depends_on=[first.id])
    assert second.cancel() and second.get_status() == "Canceled"
    assert os.listdir(queue_paths().waiting) == []


def test_dependencies_are_runs_of_the_workspace(submit: Submit) -> None:
    with pytest.raises(EspalierError, match='the run "exp_1_00000000" of `depends_on` in ') as caught:
        submit("true", depends_on=["exp_1_00000000"])
    assert caught.value.code == "run_missing"
    with pytest.raises(EspalierError, match='find the run "nope" of `depends_on`'):
        submit("true", depends_on=["exp_1_00000000", "nope"])


def test_too_long_in_the_queue(one_slot: None, submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    first, patient, hasty = submit("sleep 30"), submit("true"), submit("true", queue_timeout_seconds=60)
    waiting = submit("true", depends_on=[first.id], queue_timeout_seconds=60)
    later(monkeypatch, 61)
    with allocator(queue_paths()):
        expire(queue_paths())
    step()
    assert patient.get_status() == "Queued"
    for run in (hasty, waiting):
        details = run.get_details()
        assert (details["status"], details["error"]["code"]) == ("Canceled", "queue_timed_out")
        assert "60 seconds" in details["error"]["message"]


def test_a_head_of_the_queue_that_has_expired_is_not_started(one_slot: None, submit: Submit, ended: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, hasty, last = submit("sleep 0.2"), submit(f"touch {tmp_path / 'ran'}", queue_timeout_seconds=0.05), submit("true")
    assert ended(first)["status"] == ended(last)["status"] == "Completed"
    assert hasty._status()["error"]["code"] == "queue_timed_out" and not (tmp_path / "ran").exists()


def test_a_clock_that_was_set_ahead_expires_nobody(one_slot: None, submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    submit("sleep 30")
    run = submit("true", queue_timeout_seconds=60)
    monkeypatch.setattr("time.time", lambda: 4e9)
    with allocator(queue_paths()):
        expire(queue_paths())
    assert run.get_status() == "Queued"


def test_a_ticket_of_another_boot(one_slot: None, submit: Submit) -> None:
    """The wall clock is all there is then."""
    submit("sleep 30")
    run = submit("true", queue_timeout_seconds=60)
    path = Path(queue_paths().tickets, os.listdir(queue_paths().tickets)[0])
    record = json.loads(path.read_text())
    for ago, state in ((30, "Queued"), (90, "Canceled")):
        record.pop("check", None)
        record["queued"] = {"boot": "another", "clock": 5e9, "time": record["queued"]["time"] - ago}
        path.write_text(json.dumps(record))
        with allocator(queue_paths()):
            expire(queue_paths())
        assert run.get_status() == state
