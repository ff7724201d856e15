import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from espalier import EspalierError, Experiment, Run
from espalier.api import job_requests as module
from espalier.api.job_requests import ask, giving_slot_away, own_run
from espalier.api.requests import carry_out
from espalier.base.paths import RunPaths


@pytest.fixture
def run(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> Run:
    """As in a job; nobody carries out what it asks for."""
    run = experiment.start_logging()
    monkeypatch.setenv("ESPALIER_RUN_DIR", run.run_dir)
    monkeypatch.setattr(module, "wake_runner", lambda job: False)
    return run


def test_outside_of_jobs() -> None:
    assert own_run() is None
    with giving_slot_away([RunPaths("/x")]):
        pass


def test_asked_and_answered(run: Run) -> None:
    def answer_soon() -> None:
        while not os.path.exists(run._paths.requests) or not os.listdir(run._paths.requests):
            time.sleep(0.002)
        time.sleep(0.01)
        carry_out(run._paths)

    thread = threading.Thread(target=answer_soon)
    thread.start()
    assert len(ask(run._paths, "create", wanted=[{"name": "!x"}])["run_ids"]) == 1
    thread.join()
    assert os.listdir(run._paths.requests) == []
    assert run.get_children()[0].get_details()["displayName"] == "!x"


def test_a_request_is_private_and_removed_when_nobody_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    seen = []
    monkeypatch.setattr(module, "wake_runner", lambda job: seen.extend(os.scandir(job.requests)))
    with pytest.raises(EspalierError) as caught:
        ask(run._paths, "submit", config={})
    assert caught.value.code == "request_unanswered"
    assert [entry.stat().st_mode & 0o077 for entry in seen if os.path.exists(entry.path)] == []
    assert os.listdir(run._paths.requests) == []


def test_what_cannot_be_handed_on(run: Run) -> None:
    with pytest.raises(EspalierError, match="Can't pass a object"):
        ask(run._paths, "submit", config={"a": [object()]})


def test_while_it_waits_its_slot_is_free(run: Run) -> None:
    with giving_slot_away([run._paths]):
        (mark,) = Path(run._paths.requests).iterdir()
        assert mark.name.startswith("waiting-py-")
    assert os.listdir(run._paths.requests) == []


def test_a_fork_has_names_of_its_own(run: Run) -> None:
    here: Any = module._new_name()
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, module._new_name().encode())
        os._exit(0)
    os.wait()
    assert os.read(read, 100).decode().rpartition("-")[0] != here.rpartition("-")[0]
