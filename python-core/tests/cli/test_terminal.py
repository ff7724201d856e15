"""At a terminal: colours, widths, questions, progress, and Ctrl-C."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from espalier import Workspace
from espalier.base.progress import report
from espalier.cli import request as progress

from .conftest import surroundings  # type: ignore[attr-defined]

COMMAND = [sys.executable, "-m", "espalier.cli"]


class Terminal:
    """A command at a terminal of its own.

    Args:
        words: The command line.
        folder: Its working directory.
        columns: How wide the terminal is.
        variables: Further variables.
    """

    def __init__(self, words: List[str], folder: Path, columns: int = 100, **variables: str) -> None:
        self.seen = ""
        self._master, slave = pty.openpty()
        self.resize(columns)
        self.process = subprocess.Popen(
            [*COMMAND, *words], cwd=folder, env=surroundings(**{"TERM": "xterm", **variables}), stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def until(self, pattern: str) -> "re.Match[str]":
        """Wait until something is shown."""
        deadline = time.monotonic() + 30
        while True:
            found = re.search(pattern, self.seen)
            if found:
                return found
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen

    def end(self) -> int:
        """Wait for the end; the exit code."""
        while self._read():
            pass
        code = self.process.wait(30)
        os.close(self._master)  # (a hang-up for whoever is still there)
        return code

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 30)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side was closed
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


@pytest.fixture
def runs(main: Workspace, forest: Path, ended: Any) -> Iterator[Workspace]:
    """One that completed and one that failed."""
    from espalier import Experiment, ScriptRunConfig

    trees = Experiment(main, "trees")
    for command, name in (("true", "a" * 60), ("exit 3", "short")):
        ended(trees.submit(ScriptRunConfig(command=command, display_name=name), {"stage": "test"}))
    yield main


def test_states_have_colours(runs: Workspace, forest: Path) -> None:
    terminal = Terminal(["runs", "list"], forest)
    assert terminal.end() == 0
    assert "\x1b[32mCompleted\x1b[0m" in terminal.seen and "\x1b[31mFailed" in terminal.seen
    shown = Terminal(["runs", "show", "latest"], forest)
    assert shown.end() == 0
    assert "\x1b[31mFailed\x1b[0m" in shown.seen


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(runs: Workspace, forest: Path, variables: Any) -> None:
    terminal = Terminal(["runs", "list"], forest, **variables)
    assert terminal.end() == 0
    assert "\x1b" not in terminal.seen and "Completed" in terminal.seen


@pytest.mark.parametrize("columns", [20, 60, 80, 260])
def test_a_table_is_as_wide_as_the_terminal(runs: Workspace, forest: Path, columns: int) -> None:
    terminal = Terminal(["runs", "list"], forest, columns, NO_COLOR="1")
    assert terminal.end() == 0
    rows = [line for line in terminal.seen.splitlines() if line.startswith(("run_id", "trees_"))]
    assert len(rows) == 3
    assert max(map(len, rows)) <= max(columns, 25)  # (an id is always whole)
    assert ("columns aren't shown" in terminal.seen) == (columns < 260)
    assert ("status" in rows[0]) == (columns > 20)


def test_the_size_counts_when_the_table_is_written(main: Workspace, forest: Path) -> None:
    """The window was made narrower while a question waited."""
    main.snapshots.delete(main.snapshots.take(str(forest)))
    terminal = Terminal(["snapshots", "collect-garbage"], forest, 200, NO_COLOR="1")
    terminal.until(r"Go on\? \[y/N\]: ")
    terminal.resize(40)
    terminal.type("y\n")
    assert terminal.end() == 0
    rows = terminal.seen.split("[y/N]: y\n")[1].splitlines()
    assert len(rows) > 1 and 20 < max(map(len, rows[-3:])) <= 40, terminal.seen


def test_a_question_before_deleting(main: Workspace, forest: Path) -> None:
    for answer, code in (("n\n", 4), ("\x03", 130), ("y\n", 0)):
        assert os.path.isdir(main.path)
        terminal = Terminal(["workspace", "delete"], forest)
        terminal.until(r"can't be undone\. Go on\? \[y/N\]: ")
        terminal.type(answer)
        while answer == "\x03" and terminal.process.poll() is None:
            time.sleep(0.2)  # (Python loses one that comes just before it begins to read)
            terminal.type(answer)
        assert terminal.end() == code, terminal.seen
    assert not os.path.exists(main.path)


def test_a_secret_is_not_shown(main: Workspace, forest: Path) -> None:
    terminal = Terminal(["secrets", "set", "PASSWORD"], forest)
    terminal.until("Value of PASSWORD: ")
    terminal.type("correct horse\n")
    assert terminal.end() == 0
    assert "correct" not in terminal.seen
    assert main.secrets.get_secret("PASSWORD") == "correct horse"


def test_control_c_detaches(main: Workspace, forest: Path) -> None:
    terminal = Terminal(["run", "wait.sh"], forest)
    terminal.until("started\n")
    terminal.type("\x03")
    assert terminal.end() == 130
    run_id = re.findall(r"Submitted (\S+)\.", terminal.seen)[0]
    assert f"i Detached. The run goes on. Come back with `espalier runs logs {run_id} -f`." in terminal.seen
    run = main.runs.get(run_id)
    assert run.get_status() == "Running"
    again = Terminal(["runs", "logs", run_id, "-f"], forest)
    again.until("started\n")
    run.cancel()
    assert again.end() == 1
    assert "was canceled" in again.seen


def test_run_at_a_terminal(main: Workspace, forest: Path) -> None:
    """People see the log and a line about the end; no JSON."""
    terminal = Terminal(["run", "train.py", "--", "0.5", "x"], forest)
    assert terminal.end() == 0
    terminal.seen = re.sub(r"\r[^\n]*\r", "", terminal.seen)  # (progress)
    assert re.fullmatch(r"Submitted \S+\.\ntrees x\nCompleted\. AUC 0\.5\n", terminal.seen), terminal.seen


def test_progress_of_what_takes_long(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_FIRST", 0.0)
    monkeypatch.setattr(progress, "_EACH", 0.001)
    seen = ""
    with progress.shown():
        while "Reading files\\x1b 3 of 1,000" not in seen:
            report("Reading files\x1b", 3, 1000)
            seen += capsys.readouterr().err
    assert capsys.readouterr().err.endswith("\r")
