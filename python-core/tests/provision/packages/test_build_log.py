"""Logs of builds that others make."""

from pathlib import Path
from typing import List

from espalier.provision.packages.build_log import LogCopy, tail_of


def test_what_comes_is_copied_and_told_once(tmp_path: Path) -> None:
    theirs, own, said = tmp_path / "theirs", tmp_path / "folder" / "own", []  # type: ignore[var-annotated]
    copy = LogCopy(str(theirs), str(own), said.append)
    copy.wait()
    assert copy.waited and not own.exists()
    for text in ("one\n", "one\ntwo\n", "new\n"):
        theirs.write_text(text)
        copy.wait()
    copy.more()
    assert own.read_text() == "one\ntwo\nnew\n"
    assert len(said) == 1


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("one\n")
    said: List[str] = []
    for target in (None, str(tmp_path), str(theirs / "below")):
        LogCopy(str(theirs), target, said.append).more()
    assert said == [] and theirs.read_text() == "one\n"


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail_of(str(log)) == ""
    log.write_bytes(b"a" * 10 + b"\xff" + b"end")
    assert tail_of(str(log), 4) == "\ufffdend"
