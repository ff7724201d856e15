import time
from typing import Any, Callable

import pytest
from espalier import Run
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.reasons import why_waiting

Submit = Callable[..., Run]


@pytest.fixture
def one_slot(home: Any) -> None:
    set_capacity(queue_paths(), cpus=1, memory=2**30)


def test_positions(one_slot: None, submit: Submit) -> None:
    runs = [submit("sleep 30") for _ in range(3)]
    assert why_waiting(runs[0].id) is None and why_waiting("e_1_00000000") is None
    assert why_waiting(runs[1].id) == (1, "it waits for 1 processor to be free")
    assert runs[2].get_detailed_status() == {"status": "Queued", "position": 2, "reason": "1 run is before it"}
    assert runs[0].get_detailed_status()["position"] is None


def test_who_is_more_important_stands_before(one_slot: None, submit: Submit) -> None:
    submit("sleep 30")
    usual, important = submit("true"), submit("true", priority=9)
    assert (why_waiting(important.id).position, why_waiting(usual.id).position) == (1, 2)


def test_memory(one_slot: None, submit: Submit) -> None:
    set_capacity(queue_paths(), cpus=2)
    submit("sleep 30", memory="1 GB")
    assert why_waiting(submit("true", memory="500 MB").id).reason == "it waits for 500 MB of memory to be free"


def test_what_the_host_no_longer_has(one_slot: None, submit: Submit) -> None:
    set_capacity(queue_paths(), cpus=3)
    submit("sleep 30", cpus=3)
    large = submit("true", cpus=2)
    set_capacity(queue_paths(), cpus=1)
    assert why_waiting(large.id).reason == "it needs 2 processors, which this host does not have"


def test_dependencies(one_slot: None, submit: Submit, reach: Any) -> None:
    first = submit("sleep 30")
    second = submit("true", depends_on=[first.id])
    reach(first, "Running")
    assert why_waiting(second.id) == (None, f"it depends on {first.id} (Running)")


def test_a_pause(one_slot: None, submit: Submit, reach: Any) -> None:
    run = submit("exit 1", retry={"attempts": 2, "wait_seconds": 3600})
    reach(lambda: why_waiting(run.id) is not None)
    assert why_waiting(run.id).reason.startswith("it is tried again at ")
    hour = time.strftime("%H", time.localtime(time.time() + 3600))
    assert run.get_detailed_status()["reason"].startswith(f"it is tried again at {hour}:")
