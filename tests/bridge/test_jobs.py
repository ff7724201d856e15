import json
import threading
import time
import warnings
from typing import Any, Callable, Iterator

import espalier
import pytest
from espalier.api.catalog import catalogue
from espalier.api.dispatch import members
from espalier.base.progress import check, indivisible, report
from espalier_bridge import jobs

GO = threading.Event()


class Long:
    @classmethod
    def work(cls, seconds: float) -> str:
        report("Working", 1, 2)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not GO.wait(0.005):
            check()
        warnings.warn("done", stacklevel=1)
        return "worked"

    @classmethod
    def commit(cls) -> str:
        with indivisible():
            report("Committing", 0)
            GO.wait(5)
        return "committed"

    @classmethod
    def fail(cls) -> str:
        raise ValueError("no")


@pytest.fixture(autouse=True)
def long(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    text = {"type": "str"}
    member = {"kind": "classmethod", "types": {}, "returns": text}
    monkeypatch.setattr(espalier, "Long", Long, raising=False)
    described = {"work": {**member, "types": {"seconds": {"type": "float"}}}, "commit": member, "fail": member}
    monkeypatch.setitem(members(), "Long", {name: {**one, "name": name} for name, one in described.items()})
    monkeypatch.setitem(catalogue(), "Long", {"module": "espalier", "noun": "", "in_workspace": False})
    monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 0.1)
    GO.clear()
    yield
    GO.set()
    assert jobs._jobs == []
    filters = warnings.filters[:]
    with pytest.warns(UserWarning):
        warnings.warn("seen by the session again", stacklevel=1)
    assert warnings.filters == filters


TOKEN = 7


def start(member: str, **args: Any) -> Any:
    return json.loads(jobs.start(json.dumps({"class": "Long", "member": member, "identity": None, "args": args}), TOKEN))


def cancel() -> str:
    return jobs.cancel(TOKEN)


def until(answer: Callable[[], str]) -> Any:
    deadline = time.monotonic() + 5
    while True:
        seen = json.loads(answer())
        if not seen.get("running"):
            return seen
        assert time.monotonic() < deadline


def test_a_quick_call_is_answered_by_the_first_look() -> None:
    assert start("work", seconds=0.0) == {
        "value": "worked", "warnings": [{"category": "UserWarning", "message": "done"}],
    }


def test_progress_is_seen_until_the_answer_comes() -> None:
    assert start("work", seconds=5.0) == {"running": True, "progress": ["Working", 1, 2]}
    GO.set()
    assert until(jobs.look)["value"] == "worked"


@pytest.mark.parametrize("member", ["fail", "gone"])
def test_errors_are_answers(member: str) -> None:
    said = start(member)
    said = said if "error" in said else until(jobs.look)
    assert said["error"]["code"] == "internal"
    assert "Traceback" in said["error"]["traceback"]


def test_calling_off_stops_the_work() -> None:
    start("work", seconds=5.0)
    assert json.loads(cancel()) == {}
    assert json.loads(cancel()) == {}
    GO.wait(0.05)
    assert [thread for thread in threading.enumerate() if thread.name == "espalier"] == []


def test_what_is_indivisible_is_waited_for_and_answered() -> None:
    assert start("commit")["running"]
    assert json.loads(cancel()) == {"running": True}
    GO.set()
    assert until(cancel)["value"] == "committed"


def test_an_answer_that_got_lost_on_its_way_is_given_again() -> None:
    start("work", seconds=5.0)
    GO.set()
    assert until(jobs.look)["value"] == "worked"
    assert json.loads(cancel())["value"] == "worked"
    assert json.loads(jobs.cancel(TOKEN + 1)) == {}


def test_what_is_abandoned_is_forgotten() -> None:
    assert start("commit")["running"]
    jobs.abandon()
    assert json.loads(cancel()) == {}
    jobs.abandon()
