import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.lifecycle.failure import job_error, log_tail
from espalier.paths import RunPaths

TRACEBACK = """\
starting
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
  File "train.py", line 2, in main
    raise ValueError("no rows: " + name)
ValueError: no rows: a.csv
"""


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path))
    os.makedirs(os.path.dirname(paths.log))
    return paths


def error_of(run: RunPaths, text: str, code: int = 1) -> Dict[str, Any]:
    Path(run.log).write_text(text)
    error = job_error(run, code, None)
    assert set(error) == {"code", "message", "call", "class", "traceback", "log_tail"}
    json.dumps(error)
    return error


def test_python_traceback(run: RunPaths) -> None:
    error = error_of(run, TRACEBACK)
    assert error["message"] == "ValueError: no rows: a.csv (exit status 1)"
    assert error["class"] == ["ValueError"] and error["traceback"][0].startswith("Traceback")


def test_last_of_two_tracebacks(run: RunPaths) -> None:
    text = TRACEBACK + "\nDuring handling of the above exception, another exception occurred:\n\n" + TRACEBACK.replace(
        "ValueError", "my.pkg.CustomError"
    )
    error = error_of(run, text)
    assert error["class"] == ["my.pkg.CustomError"]


def test_traceback_longer_than_the_tail(run: RunPaths) -> None:
    frames = "".join(f'  File "x.py", line {n}, in f\n    f()\n' for n in range(100))
    error = error_of(run, f"Traceback (most recent call last):\n{frames}RecursionError: too deep\n")
    assert error["class"] == ["RecursionError"]


@pytest.mark.parametrize("last,name", [("KeyboardInterrupt", "KeyboardInterrupt"), ("SystemExit: 3", "SystemExit"), ("AssertionError", "AssertionError")])
def test_exceptions_without_message(run: RunPaths, last: str, name: str) -> None:
    assert error_of(run, f'Traceback (most recent call last):\n  File "x.py", line 1\n{last}\n')["class"] == [name]


def test_r_error_without_prelude(run: RunPaths) -> None:
    error = error_of(run, "x\nError in train(3) : no such\n  column\nCalls: f -> train\nExecution halted\n")
    assert error["message"] == "Error in train(3) : no such\n  column (exit status 1)"
    assert error_of(run, "Error: plain\nExecution halted\n")["message"] == "Error: plain (exit status 1)"


def test_recorded_r_error_wins(run: RunPaths) -> None:
    os.makedirs(run.events)
    events = [
        {"type": "error", "time": 1.0, "message": "first", "call": "f()", "class": ["simpleError"], "traceback": ["f()"]},
        {"type": "error", "time": 2.0, "message": "last", "call": "g()", "class": ["my", "error"], "traceback": []},
    ]
    Path(run.events, "rprelude-1-00000000.jsonl").write_text("broken\n[1]\n" + "".join(json.dumps(e) + "\n" for e in events))
    Path(run.events, "r-1-00000000.jsonl").write_text(json.dumps({**events[0], "time": 9.0}) + "\n")
    error = error_of(run, TRACEBACK)
    assert (error["message"], error["call"], error["class"]) == ("last (exit status 1)", "g()", ["my", "error"])


def test_a_long_r_error_lies_in_a_payload(run: RunPaths) -> None:
    os.makedirs(run.events)
    os.makedirs(run.payloads)
    line = {"type": "error", "seq": 0, "time": 1.0, "payload": "payloads/rprelude-1-00000000-0.json"}
    Path(run.events, "rprelude-1-00000000.jsonl").write_text(json.dumps(line) + "\n")
    body = {"message": "long " * 300, "call": "f()", "class": ["simpleError"], "traceback": ["f()"] * 49}
    payload = Path(run.root, line["payload"])
    payload.write_text(json.dumps(body))
    error = error_of(run, "")
    assert error["message"].startswith("long long") and len(error["traceback"]) == 49
    payload.write_text(json.dumps({**body, "message": "x" * 100_000}))  # more than the prelude writes
    assert error_of(run, "")["message"] == "The job ended with exit status 1."
    payload.unlink()
    os.mkfifo(payload)
    assert error_of(run, "")["message"] == "The job ended with exit status 1."


@pytest.mark.parametrize("event", ['{"type":"error"}', '{"type":"error","time":1,"message":5,"class":3,"traceback":null}', '{"type":"error","time":"x"}', "[" * 100_000])
def test_a_damaged_record_of_the_error_still_gives_one(run: RunPaths, event: str) -> None:
    os.makedirs(run.events)
    Path(run.events, "rprelude-1-00000000.jsonl").write_text(f"{event}\n{event}\n")
    error = error_of(run, "")
    assert "exit status 1" in error["message"]
    assert isinstance(error["class"], list) and isinstance(error["traceback"], list)


@pytest.mark.parametrize("text", ["", "\n\n", "all good\n", "Errors: 3\n", "ValueError: not from a traceback\n"])
def test_nothing_said(run: RunPaths, text: str) -> None:
    assert error_of(run, text, 3)["message"] == "The job ended with exit status 3."


def test_signals(run: RunPaths) -> None:
    error = job_error(run, None, 9)
    assert error["code"] == "job_killed" and error["message"] == "The job ended with signal 9, SIGKILL."
    assert job_error(run, None, 40)["message"].startswith("The job ended with signal 40")


def test_long_messages_are_cut(run: RunPaths) -> None:
    assert len(error_of(run, f"Error: {'x' * 5000}\n" * 10)["message"]) <= 3000


def test_log_tail(run: RunPaths) -> None:
    path = Path(run.log)
    assert log_tail(str(path)) == []
    path.write_text("".join(f"{n}\r\n" for n in range(100)) + "\n \n")
    assert log_tail(str(path)) == [str(n) for n in range(80, 100)]
    path.write_bytes(b"\xff\xfe\x00bad\n")
    assert log_tail(str(path))[0].endswith("bad")


def test_log_tail_of_a_line_without_end(run: RunPaths) -> None:
    Path(run.log).write_bytes(b"x" * 5_000_000)
    (line,) = log_tail(run.log)
    assert len(line) == 500
