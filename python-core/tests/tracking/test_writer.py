import json
import multiprocessing
import os
import resource
import threading
from pathlib import Path
from typing import Any, Dict, List

import pytest
from espalier.errors import EspalierError
from espalier.job_log import JobLog
from espalier.paths import RunPaths
from espalier.tracking.events import read_events
from espalier.tracking.metrics import read_metrics
from espalier.tracking.writer import LINE_LIMIT, EventWriter


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


def test_a_fork_while_another_thread_logs_does_not_hang(run: RunPaths) -> None:
    log = JobLog(run.root)
    log.log("x", 1.0)
    writer: Any = log._writer
    with writer._lock:  # as another thread would hold it at that moment
        pid = os.fork()
        if pid == 0:
            log_in_a_child(log)
    process = multiprocessing.Process(target=os.waitpid, args=(pid, 0))
    del process
    for _ in range(500):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        threading.Event().wait(0.01)
    else:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        pytest.fail("the child waits for a lock that nobody holds")
    assert status == 0


def test_threads_share_a_file(run: RunPaths) -> None:
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
    ((_, *events),) = logs(run)
    assert [event["seq"] for event in events] == list(range(4 * 55))
    metrics = read_metrics(run)
    for number in range(4):
        assert metrics[f"t{number}"] == [float(step) for step in range(50)]
        assert metrics[f"l{number}"] == [f"{number}.{step}" for step in range(0, 50, 10) for _ in range(6000)]


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
    for value in longest:
        with pytest.raises(EspalierError, match="bytes as JSON, a metric takes 16384"):
            writer.metric("m", "string", value + value[0])


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
    assert capfd.readouterr().err.count("metrics cannot be recorded") == 1


def test_a_deleted_folder_does_not_end_the_job(run: RunPaths, capfd: pytest.CaptureFixture[str]) -> None:
    os.rmdir(run.root)
    Path(run.root).write_text("in the way")
    JobLog(run.root).log("x", 1.0)
    assert "the script goes on" in capfd.readouterr().err


def test_times_are_finite_and_grow(run: RunPaths) -> None:
    writer = EventWriter(run.root)
    for _ in range(10):
        writer.metric("m", "double", 0.5)
    times = [event["time"] for event in read_events(run)]
    assert times == sorted(times) and times[0] > 1.6e9
