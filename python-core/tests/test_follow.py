import io
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, List

import pytest
from espalier import EspalierError
from espalier.api.follow import failure_of, follow
from espalier.base.paths import RunPaths
from espalier.base.records import replace_record
from espalier.lifecycle.log_text import plain_text
from hanging import not_hanging
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def run(home: Path) -> RunPaths:
    paths = RunPaths(str(home / "ab" / "e_1_abcdef01"))
    os.makedirs(os.path.dirname(paths.log))
    state(paths, "Running")
    return paths


def state(run: RunPaths, word: str) -> None:
    replace_record(run.status, {"format": 1, "state": word}, run.shard)


def append(run: RunPaths, data: bytes) -> None:
    with open(run.log, "ab") as file:
        file.write(data)


def test_no_log_yet(run: RunPaths) -> None:
    assert tuple(follow(run, 0, 0))[:4] == ("Running", False, "", 0)


def test_growth(run: RunPaths) -> None:
    append(run, b"one\n")
    seen = follow(run, 0, 0)
    append(run, b"two\n")
    assert seen.log == "one\n" and follow(run, seen.offset, 0).log == "two\n"
    assert follow(run, seen.offset + 4, 0).log == ""
    assert follow(run, 10**9, 0).log == "", "beyond the end"


def test_it_answers_when_something_happens(run: RunPaths) -> None:
    threading.Timer(0.1, append, (run, b"x\n")).start()
    with not_hanging():
        assert follow(run, 0, 600).log == "x\n"


def test_it_answers_at_the_end(run: RunPaths) -> None:
    threading.Timer(0.1, state, (run, "Completed")).start()
    with not_hanging():
        seen = follow(run, 0, 600)
    assert (seen.status, seen.final) == ("Completed", True)


def test_an_end_within_the_clocks_tick(run: RunPaths) -> None:
    """The new record has the mtime of the old one; it is another file."""

    def end() -> None:
        old = os.stat(run.status)
        state(run, "Completed")
        os.utime(run.status, ns=(old.st_atime_ns, old.st_mtime_ns))

    threading.Timer(0.05, end).start()
    with not_hanging():
        assert follow(run, 0, 600).final


def test_it_gives_up_in_time(run: RunPaths) -> None:
    before = time.monotonic()
    assert not follow(run, 0, 0.1).final
    assert time.monotonic() - before > 0.09


def read_in_pieces(run: RunPaths, pieces: List[bytes]) -> str:
    text, offset = "", 0
    for piece in pieces:
        append(run, piece)
        seen = follow(run, offset, 0)
        text, offset = text + seen.log, seen.offset
    state(run, "Completed")
    while True:
        seen = follow(run, offset, 0)
        if seen.offset == offset:
            return text
        text, offset = text + seen.log, seen.offset


@pytest.mark.parametrize(
    "data,text",
    [
        ("é😀\n".encode(), "é😀\n"),
        (b"a\r\nb\rc\n", "a\nc\n"),
        (b"\x1b[1;31mred\x1b[0m\n", "red\n"),
        (b"\x1b]0;title\x07x\x1b]52;c;AAAA\x1b\\y\n", "xy\n"),
        (b"\xff\xfe bad \xc3\n", "\ufffd\ufffd bad \ufffd\n"),
        (b"ends in the middle \xf0\x9f", "ends in the middle \ufffd"),
        (b"bell\x07 nul\x00 tab\t\n", "bell nul tab\t\n"),
        (b"\x1b", ""),
        (b"x\r", "x"),
        (b"10%\r\x1b[K 20%\r\x1b[32m100%\x1b[0m\r      \r\r\n", "100%\n"),
        (b"one  1%\b\b\b 2%\b\b\b 3%\ntwo", "one  3%\ntwo"),
        (b"\r  |=  | 50%\r  |==| 100%\ndone\n", "  |==| 100%\ndone\n"),
        (b"10%\x1b[1G20%\x1b[2K30%", "30%"),
        (b"\xc2\x9b31m csi of one byte\n", "31m csi of one byte\n"),
        (b"\x1b]8;;http://x\nnever ended, and still seen\n", "\nnever ended, and still seen\n"),
    ],
)
def test_text_is_the_same_however_it_arrives(run: RunPaths, data: bytes, text: str) -> None:
    assert read_in_pieces(run, [data[i : i + 1] for i in range(len(data))]) == text
    os.unlink(run.log)
    state(run, "Running")
    assert read_in_pieces(run, [data]) == text


def test_of_a_long_line_beginning_and_end_are_shown(run: RunPaths) -> None:
    pieces = [b"begin", *[b"x" * 900_000] * 4, b"the end", b"\nnext\n"]
    text = read_in_pieces(run, pieces)
    assert text.startswith("beginxxx") and text.endswith("xxxthe end\nnext\n") and " [...] x" in text
    assert len(text) < 70_000
    os.unlink(run.log)
    state(run, "Running")
    assert read_in_pieces(run, [b"".join(pieces)]) == text
    os.unlink(run.log)
    state(run, "Running")
    assert read_in_pieces(run, pieces[:-1]).endswith("xxxthe end")


def test_one_look_passes_over_much_of_a_long_line(run: RunPaths) -> None:
    with open(run.log, "wb") as file:
        file.truncate(300_000_000)
    state(run, "Completed")
    looks, offset = 0, 0
    while offset < 300_000_000:
        offset = follow(run, offset, 0).offset
        looks += 1
    assert looks < 10


def test_a_progress_bar_that_goes_on_for_long_shows_its_last_state(run: RunPaths) -> None:
    bar = b"".join(b"\r%3d%% %s" % (n // 100, b"=" * 50) for n in range(10_001))
    assert read_in_pieces(run, [bar[i : i + 50_000] for i in range(0, len(bar), 50_000)] + [b"\ndone\n"]) == f"100% {'=' * 50}\ndone\n"


def test_an_escape_that_never_ends_holds_nothing_back_for_long(run: RunPaths) -> None:
    append(run, b"\x1b[" + b"1;" * 50_000)
    assert follow(run, 0, 0).offset > 0


@given(st.text())
def test_plain_text_cannot_control_a_terminal(text: str) -> None:
    shown = plain_text(text)
    assert not [char for char in shown if (ord(char) < 32 and char not in "\t\n") or 127 <= ord(char) < 160]


@given(st.text(st.characters(exclude_categories=("Cc",))))
def test_plain_text_leaves_plain_text_alone(text: str) -> None:
    assert plain_text(text) == text


def test_the_waiter_needs_no_queue(run: RunPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("espalier.queue.nudge._last", float("-inf"))
    assert follow(run, 0, 0).status == "Running"


def test_it_ends_soon_after_the_job(submit: Any) -> None:
    run = submit("sleep 0.3")
    run.wait_for_completion()
    details = run.get_details()
    seen = time.time()
    from espalier.base.records import seconds_of

    assert seen - (seconds_of(details["endTimeUtc"]) or 0) < 0.3


def test_wait_shows_the_log_as_it_grows(submit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = submit("echo one; sleep 0.1; printf '\\033[31mtw\\303\\251\\033[0m\\n'; echo three >&2; printf end")
    assert run.wait_for_completion(show_output=True)["status"] == "Completed"
    assert capsys.readouterr().out == "one\ntwé\nthree\nend"


def test_wait_on_a_terminal_that_is_not_utf_8(submit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    submit("echo 'é'").wait_for_completion(show_output=True)
    sys.stdout.flush()
    assert buffer.getvalue() == b"\\xe9\n"


def test_a_failed_run_raises_with_its_cause(submit: Any) -> None:
    run = submit("for i in $(seq 30); do echo line $i; done; printf '\\033]0;title\\007oops\\n'; exit 4")
    with pytest.raises(EspalierError) as caught:
        run.wait_for_completion()
    error = caught.value
    assert error.code == "run_failed" and error.fields["run_id"] == run.id
    assert error.fields["cause"]["code"] == "job_failed"
    text = str(error)
    assert "exit status 4" in text and "  line 30\n  oops" in text and "line 1\n" not in text and "\033" not in text
    assert f"{run.run_dir}/user_logs/std_log.txt" in text
    assert run.wait_for_completion(raise_on_error=False)["exitCode"] == 4


def test_of_a_run_whose_environment_could_not_be_made_the_log_is_that_of_making_it(tmp_path: Path) -> None:
    run = RunPaths(str(tmp_path / "e_1_abcdef01"))
    status = {"error": {"message": "no"}}
    assert str(failure_of(run, status)) == "Run e_1_abcdef01 failed: no"
    logs = ((run.runner_log, 'name="system_logs/runner.log"'), (run.build_log, 'name="system_logs/environment.log"'), (run.log, ""))
    for name, call in logs:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("")
        assert name not in str(failure_of(run, status)), "an empty log has nothing to say"
        Path(name).write_text("bad")
        message = f"Run e_1_abcdef01 failed: no\ni run.get_log({call}) shows the log.\nThe whole log: {name}"
        assert str(failure_of(run, status)) == message
