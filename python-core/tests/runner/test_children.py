import json
import os
import signal
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Run
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.runner.watch import GRACE_SECONDS

ASK = """
import sys
from espalier import Run
run = Run.get_context()
for seconds in sys.argv[1:]:
    run.submit_child({"command": "sleep " + seconds + "; exit " + ("3" if seconds == "0.2" else "0")})
"""


@pytest.fixture
def family(submit: Callable[..., Run], project: Path) -> Callable[..., Run]:
    """A job that submits children which take so many seconds, and ends."""
    set_capacity(queue_paths(), cpus=1)
    (project / "ask.py").write_text(ASK)

    def submit_family(*seconds: str, **fields: Any) -> Run:
        return submit(None, source_directory=str(project), entry_script="ask.py", arguments=seconds, **fields)

    return submit_family


def status_of(run: Run) -> Dict[str, Any]:
    record: Dict[str, Any] = json.loads(Path(run.run_dir, "status.json").read_text())
    return record


def test_it_waits_without_a_slot(family: Callable[..., Run], ended: Any, reach: Any) -> None:
    run = family("0.4", "0.2")
    reach(run, "Finalizing")
    assert status_of(run)["exit_code"] == 0
    details = ended(run)
    assert (details["status"], details["error"], details["durationSeconds"] < 10) == ("Completed", None, True)
    assert [child.get_status() for child in run.get_children()] == ["Completed", "Failed"]
    failed = run.get_children(status="Failed")[0]
    assert details["warnings"] == [f"The child run {failed.id} failed: The job ended with exit status 3."]


def test_or_lets_them_go_on(family: Callable[..., Run], ended: Any) -> None:
    run = family("1", children="detach")
    assert ended(run)["status"] == "Completed"
    (child,) = run.get_children()
    assert child.get_status() != "Completed"
    assert ended(child)["status"] == "Completed"


def test_canceled_while_it_waits(family: Callable[..., Run], ended: Any, reach: Any) -> None:
    run = family("30")
    reach(run, "Finalizing")
    assert run.cancel() is True
    details = ended(run, GRACE_SECONDS)
    assert (details["status"], details["exitCode"]) == ("Canceled", 0)
    assert [ended(child)["status"] for child in run.get_children()] == ["Canceled"]


def test_the_runner_is_killed_while_it_waits(family: Callable[..., Run], ended: Any, reach: Any) -> None:
    run = family("30")
    reach(run, "Finalizing")
    os.kill(status_of(run)["pid"], signal.SIGKILL)
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "runner_lost")
    assert details["error"]["message"] == "Its job succeeded, but the process that waited for its child runs was killed."
    assert [ended(child)["status"] for child in run.get_children()] == ["Canceled"]


def test_children_of_a_lost_job(submit: Callable[..., Run], ended: Any, reach: Any) -> None:
    run = submit("sleep 30")
    reach(run, "Running")
    child, by_hand = run.submit_child({"command": "sleep 30"}), run.child_run()
    reach(child, "Running", "Queued")
    os.kill(status_of(run)["pid"], signal.SIGKILL)
    assert ended(run)["error"]["code"] == "runner_lost"
    assert ended(child)["status"] == "Canceled" and by_hand.get_status() == "Failed"
