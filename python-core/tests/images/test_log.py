"""The log of a build: heard in pieces, copied live by those who wait."""

from pathlib import Path

from espalier.images.log import BuildLog
from espalier.progress import Listener, listening


def test_pieces_become_lines_in_every_file(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("before\n")
    (tmp_path / "a").write_text("of another build\n")
    with BuildLog([str(tmp_path / "a"), str(tmp_path / "sub" / "b")], [str(tmp_path / "own")], print) as log:
        log.hear("one\ntw")
        log.line("note")
        log.hear("end")
        assert list(log.tail) == ["one", "tw", "note"]
    whole = "one\ntw\nnote\nend\n\n"
    assert (tmp_path / "a").read_text() == (tmp_path / "sub" / "b").read_text() == whole
    assert (tmp_path / "own").read_text() == "before\n" + whole


def test_a_line_without_end_is_kept_in_part(tmp_path: Path) -> None:
    with BuildLog([str(tmp_path / "a")], [], print) as log:
        for _ in range(100):
            log.hear("x" * 10_000)
        log.hear("end\nnext\n")
        assert [len(line) for line in log.tail] == [65_536 + 3, 4]
    assert (tmp_path / "a").read_text() == "x" * 1_000_000 + "end\nnext\n"


def test_a_step_is_said_once(tmp_path: Path) -> None:
    said = []  # type: ignore[var-annotated]
    listener = Listener()
    with listening(listener), BuildLog([], [], said.append) as log:
        for done in (0, 0, 1):
            log.step("Installing", done, 3)
        log.step("Pushing")
    assert said == ["Installing (1 of 3)", "Installing (2 of 3)", "Pushing"]
    assert listener.seen == ("Pushing", 0, None)
