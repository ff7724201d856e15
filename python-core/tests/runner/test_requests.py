import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from espalier import Experiment, Run
from espalier.runner import requests as module
from espalier.runner.requests import Attendant

NAME = "py-1-00000000-0"


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, old)


@pytest.fixture
def run(experiment: Experiment) -> Run:
    return experiment.start_logging()


def put(run: Run, text: str = '{"format": 1, "op": "create", "wanted": [{}]}', name: str = NAME) -> None:
    folder = Path(run.run_dir, "requests")
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(text)
    Path(run.run_dir, "system_logs").mkdir(exist_ok=True)


def answer(run: Run, name: str = NAME) -> Any:
    path = Path(run.run_dir, "requests", f"{name}.answer.json")
    return json.loads(path.read_text()) if path.exists() else None


def until(condition: Callable[[], Any], attendant: Attendant) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        attendant.look()
        time.sleep(0.01)


def test_requests_are_carried_out_by_another_process(run: Run) -> None:
    attendant = Attendant(run._paths)
    attendant.look()
    put(run)
    put(run, name="py-1-00000000-1")
    until(lambda: answer(run) and answer(run, "py-1-00000000-1"), attendant)
    attendant.close()
    assert len(run.get_children()) == 2


def test_the_end_waits_for_what_was_begun_and_begins_nothing(run: Run) -> None:
    attendant = Attendant(run._paths)
    put(run)
    attendant.look()
    attendant.close()
    assert len(answer(run)["run_ids"]) == 1
    put(run, name="py-1-00000000-1")
    attendant.close()
    assert answer(run, "py-1-00000000-1") is None


def test_what_kills_whoever_is_at_it_is_given_up(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = tmp_path / "killed.py"
    killed.write_text(f"import os, signal\nopen({str(tmp_path / 'n')!r}, 'a').write('x')\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setattr(module, "_CARRIER", str(killed))
    attendant = Attendant(run._paths)
    put(run)
    until(lambda: answer(run), attendant)
    assert answer(run)["error"]["message"] == f"Can't carry out {NAME}.json: its process died 3 times."
    assert (tmp_path / "n").read_text() == "xxx"


@pytest.mark.parametrize("kind", ["link", "file", "fifo"])
def test_whatever_lies_in_its_place(run: Run, tmp_path: Path, kind: str) -> None:
    place = Path(run.run_dir, "requests")
    (tmp_path / "elsewhere").mkdir()
    {"link": lambda: place.symlink_to(tmp_path / "elsewhere"), "file": place.touch, "fifo": lambda: os.mkfifo(place)}[kind]()
    (tmp_path / "elsewhere" / f"{NAME}.json").write_text("{}")
    attendant = Attendant(run._paths)
    attendant.look()
    attendant.close()
    assert os.listdir(tmp_path / "elsewhere") == [f"{NAME}.json"] and run.get_children() == []


def test_a_waiting_job_moves_the_queue_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr("espalier.runner.asked.step", lambda: steps.append(time.monotonic()))
    attendant = Attendant(run._paths)
    put(run, "{}", "waiting-r-1-00000000")
    os.rename(Path(run.run_dir, "requests", "waiting-r-1-00000000.json"), Path(run.run_dir, "requests", "waiting-py-1-00000000.json"))
    for _ in range(3):
        attendant.look()
    assert len(steps) == 1, "at once, then now and then"
