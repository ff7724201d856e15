import contextlib
import functools
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import espalier
import pytest
from espalier.api.job_log import JobLog
from espalier.base.paths import RunPaths
from espalier.tracking.events import Damage, read_events
from espalier.tracking.metrics import read_metrics
from espalier.tracking.writer import LINE_LIMIT, EventWriter

ENV = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(espalier.__file__))}


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    os.makedirs(paths.root)
    return paths


def logs(run: RunPaths) -> List[List[Dict[str, Any]]]:
    return [[json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in Path(run.events).iterdir()]


def test_nothing_is_opened_before_the_first_event(run: RunPaths) -> None:
    EventWriter(run.root)
    assert not os.path.exists(run.events)


def test_header_and_sequence(run: RunPaths) -> None:
    writer = EventWriter(run.root)
    for value in range(3):
        writer.metric("m", "integer", value)
    ((header, *events),) = logs(run)
    assert header["pid"] == os.getpid() and header["writer"].startswith(f"py-{os.getpid()}-")
    assert [event["seq"] for event in events] == [0, 1, 2]


def log_in_a_child(log: JobLog) -> None:
    log.log("who", "child")
    os._exit(0)


def test_a_fork_writes_a_file_of_its_own(run: RunPaths) -> None:
    log = JobLog(run.root)
    log.log("who", "parent")
    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            log_in_a_child(log)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    log.log("who", "parent again")
    found = logs(run)
    assert len(found) == 4 and len({lines[0]["writer"] for lines in found}) == 4
    assert sorted(len(lines) for lines in found) == [2, 2, 2, 3]
    assert [lines[1]["seq"] for lines in found] == [0, 0, 0, 0]


def check_order(run: RunPaths) -> List[Dict[str, Any]]:
    """All events; each log counts from 0, in the order of its lines."""
    found = logs(run)
    for header, *events in found:
        assert header["type"] == "writer" and [event["seq"] for event in events] == list(range(len(events)))
    assert len({lines[0]["writer"] for lines in found}) == len(found)
    return [event for _, *events in found for event in events]


def test_threads(run: RunPaths) -> None:
    log = JobLog(run.root)

    def work(number: int) -> None:
        for step in range(50):
            log.log(f"t{number}", float(step), step=step)
            if step % 10 == 0:
                log.log_list(f"l{number}", [f"{number}.{step}"] * 6000)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(check_order(run)) == 4 * 55 and len(logs(run)) <= 4
    metrics = read_metrics(run)
    for number in range(4):
        assert metrics[f"t{number}"] == [float(step) for step in range(50)]
        assert metrics[f"l{number}"] == [f"{number}.{step}" for step in range(0, 50, 10) for _ in range(6000)]


@pytest.mark.parametrize("moment", [None, "os.write", "time.time", "os.getpid", "os.open", "os.replace"])
@pytest.mark.parametrize("ending", ["returns", "raises", "exits", "forks"])
def test_whatever_breaks_in_may_log(
    run: RunPaths, moment: Optional[str], ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler, or a finalizer, at each step of an append; before the step and after it."""
    log, calls = JobLog(run.root), []
    children: List[int] = []

    def handler() -> None:
        log.log("inner", float(len(calls)))
        if ending == "raises":
            raise TimeoutError
        if ending == "exits":
            raise SystemExit
        if ending == "forks":
            children.append(os.fork())
            if not children[-1]:
                log.log("child", 1.0)
                os._exit(0)

    for after in (False, True):
        inside = False

        def broken_into(*args: Any, _original: Any = None, after: bool = after, **more: Any) -> Any:
            nonlocal inside
            if inside:
                return _original(*args, **more)
            inside = True
            calls.append(moment)
            try:
                if after:
                    result = _original(*args, **more)
                    handler()
                    return result
                handler()
                return _original(*args, **more)
            finally:
                inside = False

        with monkeypatch.context() as patched:
            if moment is not None:
                module = os if moment.startswith("os.") else time
                original = getattr(module, moment.split(".")[1])
                patched.setattr(module, moment.split(".")[1], functools.partial(broken_into, _original=original))
            for number in range(3):
                with contextlib.suppress(TimeoutError, SystemExit):
                    log.log("outer", float(number))
                    log.log_list("long", ["x"] * 9000)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * len(children)
    log.log("last", 1.0)
    events = check_order(run)
    assert sum(event["name"] == "inner" for event in events) == len(calls)
    assert sum(event["name"] == "last" for event in events) == 1
    if ending == "returns":
        assert sum(event["name"] == "outer" for event in events) == 6
    if ending == "forks":
        assert sum(event["name"] == "child" for event in events) == len(calls)


HANDLED = """
import os, signal, sys
from espalier.api.job_log import JobLog
log = JobLog(sys.argv[1])
count = 0
def on(number, frame):
    global count
    count += 1
    log.log("handled", float(count))
    if count == 200:
        log.log("stopped", 1.0)
        os._exit(0)
    signal.setitimer(signal.ITIMER_REAL, 0.0003)
signal.signal(signal.SIGALRM, on)
signal.setitimer(signal.ITIMER_REAL, 0.0003)
while True:
    log.log("loss", 1.0)
"""


def test_a_signal_handler_that_logs(run: RunPaths) -> None:
    assert subprocess.run([sys.executable, "-c", HANDLED, run.root], env=ENV, timeout=60).returncode == 0
    events = check_order(run)
    handled = sorted(event["value"] for event in events if event["name"] == "handled")
    assert handled == [float(n) for n in range(1, 201)] and sum(event["name"] == "stopped" for event in events) == 1


FORKING = """
import os, sys, threading
from espalier.api.job_log import JobLog
log, ended = JobLog(sys.argv[1]), threading.Event()
def work():
    while not ended.is_set():
        log.log("thread", 1.0)
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for number in range(40):
    pid = os.fork()
    if pid == 0:
        log.log("child", float(number))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
ended.set()
"""


def test_forks_while_threads_log(run: RunPaths) -> None:
    assert subprocess.run([sys.executable, "-c", FORKING, run.root], env=ENV, timeout=60).returncode == 0
    assert sum(event["name"] == "child" for event in check_order(run)) == 40


ENDING = """
import atexit, sys, weakref
from espalier.api.job_log import JobLog
log = JobLog(sys.argv[1])
class Thing:
    def __del__(self): log.log("deleted", 1.0)
thing, other = Thing(), Thing()
atexit.register(log.log, "exit", 1.0)
weakref.finalize(other, log.log, "finalized", 1.0)
other.itself = other
kept = [thing]
sys.modules["kept"] = kept
log.log("first", 1.0)
"""


def test_the_end_of_the_interpreter(run: RunPaths) -> None:
    ended = subprocess.run([sys.executable, "-c", ENDING, run.root], env=ENV, timeout=60, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
    names = [event["name"] for event in check_order(run)]
    assert names[0] == "first" and sorted(names[1:]) == ["deleted", "deleted", "exit", "finalized"]


def test_a_deleted_run_is_not_made_anew(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    log = JobLog(run.root)
    shutil.rmtree(run.root)
    for _ in range(3):
        log.log("x", 1.0)
        log.log_list("l", ["x"] * 9000)
    assert not os.path.exists(run.root)
    assert capsys.readouterr().err.count("espalier:") == 1


def test_long_bodies_go_to_a_payload_written_before_the_line(run: RunPaths) -> None:
    writer = EventWriter(run.root)
    writer.event("list", {"name": "l", "kind": "string", "values": ["é" * 20_000]})
    ((header, event),) = logs(run)
    assert event["payload"] == f"payloads/{header['writer']}-0.json"
    assert json.loads(Path(run.root, event["payload"]).read_text("utf-8"))["values"] == ["é" * 20_000]


@pytest.mark.parametrize("size", [LINE_LIMIT - n for n in (400, 201, 200, 199, 100, 1, 0)])
def test_no_line_over_the_limit(run: RunPaths, size: int) -> None:
    EventWriter(run.root).event("list", {"name": "l", "kind": "string", "values": ["x" * (size - 50)]})
    (path,) = Path(run.events).iterdir()
    assert max(map(len, path.read_bytes().splitlines(keepends=True))) <= LINE_LIMIT
    assert len(read_metrics(run)["l"][0]) == size - 50


def test_longest_string_metric(run: RunPaths) -> None:
    writer = EventWriter(run.root)
    longest = ["x" * 16_382, "é" * 8191, "\0" * 2730]  # 16,384 bytes of JSON, as R counts; NUL takes six of them
    for value in longest:
        writer.metric("\u0800" * 255, "string", value)
    (path,) = Path(run.events).iterdir()
    assert max(map(len, path.read_bytes().splitlines(keepends=True))) <= LINE_LIMIT
    assert read_metrics(run)["\u0800" * 255] == longest
    log = JobLog(run.root)
    for value in longest:
        log.log("m", value + value[0])
    shortened = read_metrics(run)["m"]
    assert [text[:2000] for text in shortened] == [value[:2000] for value in longest]
    assert all(text.endswith("...") for text in shortened)


def test_every_line_is_one_write(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    written: List[bytes] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(bytes(data)) or write(fd, data))
    writer = EventWriter(run.root)
    writer.metric("m", "string", "x" * 16_000)
    writer.event("list", {"name": "l", "kind": "string", "values": ["x" * 30_000]})
    writer.event("list", {"name": "l", "kind": "string", "values": ["x" * 60_000]})
    (path,) = Path(run.events).iterdir()
    assert [data for data in written if not data.startswith(b'{"kind"')] == path.read_bytes().splitlines(keepends=True)


def test_text_that_is_no_unicode(run: RunPaths) -> None:
    EventWriter(run.root).metric("m", "string", "\ud800")
    assert read_metrics(run) == {"m": "\ud800"}


def test_a_full_disk_does_not_end_the_job(run: RunPaths, capfd: pytest.CaptureFixture[str]) -> None:
    """A limit on the size of files stands for the disk: a write is cut, the next ones fail, until space is freed."""
    pid = os.fork()
    if pid == 0:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, most))
        log = JobLog(run.root)
        for step in range(100):
            log.log("loss", float(step))
        log.log_list("l", ["x"] * 20_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        log.log("loss", 100.0)
        os._exit(7)
    assert os.waitpid(pid, 0)[1] == 7 << 8
    *values, last = read_metrics(run)["loss"]
    assert 10 < len(values) < 100 and values == [float(step) for step in range(len(values))] and last == 100.0
    assert capfd.readouterr().err.count("can't record metrics") == 1


def test_a_deleted_folder_does_not_end_the_job(run: RunPaths, capfd: pytest.CaptureFixture[str]) -> None:
    os.rmdir(run.root)
    Path(run.root).write_text("in the way")
    JobLog(run.root).log("x", 1.0)
    assert "The script goes on" in capfd.readouterr().err


def test_times_are_finite_and_grow(run: RunPaths) -> None:
    writer = EventWriter(run.root)
    for _ in range(10):
        writer.metric("m", "double", 0.5)
    times = [event["time"] for event in read_events(run, Damage())]
    assert times == sorted(times) and times[0] > 1.6e9


def test_a_log_that_is_closed_holds_no_descriptor_and_the_next_event_begins_another(run: RunPaths) -> None:
    before = len(os.listdir("/proc/self/fd"))
    writer = EventWriter(run.root)
    writer.close()
    writer.metric("m", "integer", 1)
    writer.close()
    writer.close()
    assert len(os.listdir("/proc/self/fd")) == before
    writer.metric("m", "integer", 2)
    writer.close()
    assert sorted(event["value"] for _, event in logs(run)) == [1, 2]
