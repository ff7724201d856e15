"""The keeper: what it does while nobody else looks."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import Run
from espalier.adapters import posix
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths

Submit = Callable[..., Run]


def keepers(home: Path) -> List[int]:
    """The living keepers of this test's queue."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", name, "cmdline").read_bytes()
            variables = Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue
        if b"keeper/__main__.py" in words and os.fsencode(str(home)) in variables and posix.process_start(int(name)):
            found.append(int(name))
    return found


@pytest.fixture
def one_slot(home: Path) -> None:
    set_capacity(queue_paths(), cpus=1)


def test_one_while_something_is_queued(one_slot: None, home: Path, submit: Submit, reach: Any) -> None:
    first = submit("sleep 30")
    reach(first, "Running")
    assert keepers(home) == [], "who is executed needs no keeper"
    others = [submit("true") for _ in range(5)]
    reach(lambda: len(keepers(home)) == 1)
    for run in others:
        run.cancel()
    reach(lambda: keepers(home) == [])
    assert first.get_status() == "Running"


def test_runner_and_guardian_killed_and_nobody_looks(one_slot: None, submit: Submit, reach: Any, tmp_path: Path) -> None:
    first, _ = submit("echo x; sleep 60"), submit(f"touch {tmp_path / 'done'}")
    reach(lambda: first.follow()["log"])
    runner = first._status()["pid"]
    parent = int(Path("/proc", str(runner), "stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    os.kill(runner, signal.SIGKILL)
    reach(lambda: (tmp_path / "done").exists())
    assert first._status()["error"]["code"] == "runner_lost"


def test_a_killed_keeper_is_replaced_by_the_next_step(one_slot: None, home: Path, submit: Submit, reach: Any) -> None:
    submit("sleep 30")
    submit("true")
    reach(lambda: keepers(home))
    (old,) = keepers(home)
    os.kill(old, signal.SIGKILL)
    reach(lambda: not posix.process_start(old))
    submit("true")
    reach(lambda: len(keepers(home)) == 1)
    assert keepers(home) != [old]


def test_time_limits_in_the_queue(one_slot: None, submit: Submit, reach: Any) -> None:
    submit("sleep 30")
    hasty = submit("true", queue_timeout_seconds=0.5)
    reach(lambda: hasty._status()["state"] == "Canceled")  # (_status looks and does nothing else)
    assert hasty._status()["error"]["code"] == "queue_timed_out"


def test_the_state_folder_is_deleted(one_slot: None, home: Path, submit: Submit, reach: Any) -> None:
    submit("sleep 30")
    submit("true")
    reach(lambda: keepers(home))
    shutil.rmtree(queue_paths().root)
    reach(lambda: keepers(home) == [])


def test_it_says_nothing(one_slot: None, home: Path, submit: Submit, reach: Any) -> None:
    submit("sleep 0.3")
    submit("true")
    reach(lambda: keepers(home))
    reach(lambda: not keepers(home))
    assert Path(queue_paths().keeper_log).read_text() == ""
