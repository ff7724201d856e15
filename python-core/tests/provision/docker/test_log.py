"""The log of a build: heard in pieces, copied live by those who wait."""

import os
from pathlib import Path

import pytest
from espalier.base.progress import Listener, listening
from espalier.provision.docker.log import BuildLog
from espalier.provision.packages.hidden import Hidden
from espalier.provision.packages.log_copy import LogCopy
from espalier.provision.packages.sources import no_secrets


def test_pieces_become_lines_in_every_file(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("before\n")
    (tmp_path / "a").write_text("of another build\n")
    with BuildLog([str(tmp_path / "a"), str(tmp_path / "sub" / "b")], [str(tmp_path / "own")], print, Hidden(no_secrets)) as log:
        log.hear("one\ntw")
        log.line("note")
        log.hear("end")
        assert list(log.tail) == ["one", "tw", "note"]
    whole = "one\ntw\nnote\nend\n\n"
    assert (tmp_path / "a").read_text() == (tmp_path / "sub" / "b").read_text() == whole
    assert (tmp_path / "own").read_text() == "before\n" + whole


def test_a_line_without_end_is_kept_in_part(tmp_path: Path) -> None:
    with BuildLog([str(tmp_path / "a")], [], print, Hidden(no_secrets)) as log:
        for _ in range(100):
            log.hear("x" * 10_000)
        log.hear("end\nnext\n")
        assert [len(line) for line in log.tail] == [65_536 + 18, 4]
    assert (tmp_path / "a").read_text() == "x" * 1_000_000 + "end\nnext\n"


def test_a_step_is_said_once(tmp_path: Path) -> None:
    said = []  # type: ignore[var-annotated]
    listener = Listener()
    with listening(listener), BuildLog([], [], said.append, Hidden(no_secrets)) as log:
        for done in (0, 0, 1):
            log.step("Installing", done, 3)
        log.step("Pushing")
    assert said == ["Installing (1 of 3)", "Installing (2 of 3)", "Pushing"]
    assert listener.seen == ("Pushing", 0, None)


def test_no_umask_lets_others_write_to_it_and_no_link_is_followed(tmp_path: Path) -> None:
    paths = [tmp_path / "ws", tmp_path / "own", tmp_path / "copy"]
    before = os.umask(0)
    try:
        with BuildLog([str(paths[0])], [str(paths[1])], print, Hidden(no_secrets)) as log:
            log.line("x")
        LogCopy(str(paths[0]), str(paths[2])).more()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o644] * 3
    os.symlink(tmp_path / "planted", tmp_path / "link")
    with pytest.raises(OSError):
        BuildLog([str(tmp_path / "link")], [], print, Hidden(no_secrets))
    assert not (tmp_path / "planted").exists()
