"""A workspace and a queue as the version before typed records wrote them: all of it is read, and goes on."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict

import pytest
from espalier import Run, Workspace
from espalier.base.model.codec import encode, read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.lifecycle.end import finish
from espalier.lifecycle.status import Known, read_status
from espalier.queue.tickets import leases, tickets

STORED = json.loads((Path(__file__).parent / "stored" / "before-typed-records.json").read_text("utf-8"))


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name, content in STORED.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    for folder in ("snapshots/blobs", "snapshots/trees", "snapshots/packs", "snapshots/cache", "snapshots/kept"):
        (tmp_path / "workspace" / folder).mkdir(parents=True, exist_ok=True)
    return tmp_path


def records(name: str) -> Dict[str, Any]:
    return {path: record for path, record in STORED.items() if path.endswith(name)}


def told(record: Dict[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in record.items() if value not in (None, [], {}, "")}


def test_its_runs_are_listed(top: Path) -> None:
    rows = Workspace.get("workspace", str(top)).runs.list().columns
    assert sorted(rows["status"]) == ["Completed", "Completed", "Failed", "Queued", "Queued", "Running", "Running"]
    (failed,) = (run_id for run_id, state in zip(rows["run_id"], rows["status"]) if state == "Failed")
    details = Run(str(top / "workspace"), failed).get_details()
    assert (details["attempt"], details["exitCode"], details["attempts"][0]["exit_code"]) == (2, 3, 3)


@pytest.mark.parametrize("path", records("status.json"))
def test_a_status_is_read_and_written_back(top: Path, path: str) -> None:
    before, run = STORED[path], RunPaths(str((top / path).parent))
    after = read_status(run).record()
    defaults = {"runners": 1, "retry_seconds": 0.0}  # (as older versions take them where they are absent)
    assert told({**defaults, **before}) == told({**defaults, **after}), "what older versions look for is there"
    assert read_status(run).is_recorded == ("collect_from" in before)


@pytest.mark.parametrize("path", records("spec.json"))
def test_a_definition_is_read_and_written_back(top: Path, path: str) -> None:
    assert encode(read_as(JobSpec, str(top / path))) == STORED[path]


def test_its_queue_is_read(top: Path) -> None:
    (queued,), (waiting,) = (list(tickets(str(top / "queue" / folder))) for folder in ("tickets", "waiting"))
    assert (queued.needs.cpus, queued.pause_left <= 0, queued.has_expired) == (1, True, False)
    assert len(waiting.depends_on) == 2 and set(waiting.record.digests) == {"spec.json", "env.json"}
    for path, record in records(".json").items():
        if path.startswith(("queue/tickets", "queue/waiting")):
            written = (queued if "tickets" in path else waiting).record.record()
            assert written == record, "older versions find what they look for"
    found = leases(SimpleNamespace(leases=str(top / "queue" / "leases")))  # type: ignore[arg-type]
    assert sorted(lease.needs.cpus for lease in found) == [0, 1]


def test_a_run_of_it_is_ended(top: Path) -> None:
    (path,) = (path for path, record in records("status.json").items() if record["state"] == "Running" and "collect_from" not in record)
    run = RunPaths(str((top / path).parent))
    before = read_status(run)
    after = finish(Known(run, before._replace(scratch=None)), "Failed", {"code": "runner_lost", "message": "x"})
    assert read_status(run) == after and (after.started_at, after.pid) == (before.started_at, before.pid)
    assert not os.path.exists(run.env)
