import errno
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
from espalier.adapters.tree import Tree
from espalier.base.errors import DamageWarning
from espalier.base.paths import RunPaths
from espalier.executors.meter import Meter
from espalier.tracking.scalars import read_usage


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(str(tmp_path))


def lines(run: RunPaths) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in Path(run.usage).read_text().splitlines()]


def test_samples_and_totals(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.thread_time", lambda: 0.0)  # (what a sample costs delays the next one)
    before = {each.pid for each in Tree("m", None, os.getpid()).members()}
    job = subprocess.Popen(["dd", "if=/dev/zero", f"of={run.root}/data", "bs=1M", "count=20", "conv=fsync"], stderr=subprocess.DEVNULL)
    idle = subprocess.Popen(["sleep", "60"])
    began = time.monotonic()
    meter = Meter(run.usage, Tree("m", None, os.getpid(), before), began)
    meter.sample_when_due(began)
    assert not os.path.exists(run.usage), "not due yet"
    meter.sample_when_due(meter.due)
    first = meter.due
    assert 1.0 <= first - began - 1.0 < 5
    meter.add(job.pid, os.wait4(job.pid, 0)[2])
    meter.sample_when_due(began + 3000)
    assert 9.99 <= meter.due - began - 3000 < 20
    head, one, two = lines(run)
    assert (head["type"], head["format"], one["type"], two["seq"]) == ("writer", 1, "sample", 1)
    assert one["processes"] >= 1 and two["processes"] == 1 and 0 < two["memory_bytes"] < 50_000_000
    idle.kill()
    meter.add(idle.pid, os.wait4(idle.pid, 0)[2])
    totals = meter.totals()
    assert totals["cpu_seconds"] > 0 and totals["written_bytes"] >= 0 and totals["max_memory_bytes"] >= one["memory_bytes"]
    frame = read_usage(run)
    assert frame.columns["seconds"][1] == 3000 and frame.kinds["time"] == "time" and len(frame) == 2


def test_a_long_run_has_a_bounded_number(run: RunPaths) -> None:
    meter = Meter(run.usage, Tree("m", None, None), 0.0)
    meter._sample = lambda now: {}  # type: ignore[method-assign]
    meter._write = lambda sample: None  # type: ignore[method-assign]
    count = 0
    while meter.due < 365 * 86400:
        meter.sample_when_due(meter.due)
        count += 1
    assert count < 20_000


def test_a_full_disk_ends_the_samples(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(root: str, path: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("espalier.executors.meter.open_log", full)
    meter = Meter(run.usage, Tree("m", None, None), 0.0)
    meter.sample_when_due(5.0)
    assert meter.due == float("inf") and meter.totals()["cpu_seconds"] == 0


def test_the_folder_of_a_deleted_run_is_not_made_anew(run: RunPaths) -> None:
    os.rmdir(run.root)
    Meter(run.usage, Tree("m", None, None), 0.0).sample_when_due(5.0)
    assert not os.path.exists(run.root)


def test_reading(run: RunPaths) -> None:
    assert len(read_usage(run)) == 0
    os.makedirs(os.path.dirname(run.usage))
    sample = {"type": "sample", "seq": 0, "time": 1.0, "seconds": 1.0, "cpu_seconds": 0.5, "memory_bytes": 10, "processes": 1, "read_bytes": 0, "written_bytes": 0}
    second = {**sample, "seq": 1, "seconds": 3.0, "cpu_seconds": 4.5, "gpu_memory_bytes": 7}
    text = [json.dumps(each) for each in ({"type": "writer", "format": 1}, sample, {"type": "writer", "format": 1}, sample, second)]
    Path(run.usage).write_text("\n".join(text) + '\n{"type":"sam')
    frame = read_usage(run)
    assert frame.columns["cores"] == [0.5, 2.0], "of the last attempt, without the torn line"
    assert frame.columns["gpu_memory_bytes"] == [None, 7.0] and frame.kinds["processes"] == "integer"
    Path(run.usage).write_text("\n".join([text[1], json.dumps({**second, "cpu_seconds": "x"}), "bad", text[4], ""]))
    with pytest.warns(DamageWarning, match=r"samples\.jsonl is damaged at 2 lines"):
        assert read_usage(run).columns["cpu_seconds"] == [0.5, 4.5]
