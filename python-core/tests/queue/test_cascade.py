import os
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import EspalierError, Experiment, Run
from espalier.lifecycle.ask import ask_to_cancel
from espalier.queue.capacity import set_capacity
from espalier.queue.control import cancel_children
from espalier.queue.home import queue_paths


@pytest.fixture
def family(submit: Callable[..., Run], reach: Any) -> List[Run]:
    """A running run with a running child, which has a queued one, and with one that is recorded by hand."""
    set_capacity(queue_paths(), cpus=2)
    parent = submit("sleep 30")
    child = parent.submit_child({"command": "sleep 30"})
    for run in (parent, child):
        reach(run, "Running")
    return [parent, child, child.submit_child({"command": "sleep 30"}), parent.child_run(), parent.child_run().child_run()]


def test_cancel_reaches_all_below(family: List[Run], ended: Any) -> None:
    assert family[0].cancel() is True
    assert [run.get_status() for run in family[2:]] == ["Canceled"] * 3, "what is not executed ends at once"
    assert [ended(run)["status"] for run in family[:2]] == ["Canceled"] * 2
    assert family[0].cancel() is False
    assert os.listdir(queue_paths().tickets) == []


def test_a_request_alone_is_enough(family: List[Run], ended: Any, reach: Any) -> None:
    """Whoever canceled was killed after the first write: the end of the parent does the rest."""
    ask_to_cancel(family[0]._paths)
    for run in family:
        reach(run, "Canceled")
    assert ended(family[2])["error"]["message"] == f"Canceled with its parent, {family[1].id}."


def test_one_below_is_canceled_alone(family: List[Run], ended: Any) -> None:
    family[1].cancel()
    assert ended(family[1])["status"] == "Canceled" == family[2].get_status()
    assert (family[0].get_status(), family[3].get_status()) == ("Running", "Running")
    family[3].cancel()
    assert family[3].get_status() == "Canceled"
    family[0].cancel()
    ended(family[0])


def test_what_cannot_be_read_does_not_stop_it(family: List[Run], ended: Any) -> None:
    Path(family[3].run_dir, "status.json").write_text("{")
    cancel_children(queue_paths(), family[0]._paths)
    assert ended(family[1])["status"] == "Canceled" == family[2].get_status()
    family[0].cancel()


def test_a_run_of_a_session_is_not_canceled(experiment: Experiment) -> None:
    run = experiment.start_logging()
    with pytest.raises(EspalierError, match="a session records it"):
        run.cancel()
    assert not os.path.exists(run._paths.cancel)
