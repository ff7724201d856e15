from typing import Any, Dict

import pytest
from espalier.lifecycle.failure_message import failure_line, failure_message

STEPS = "run.get_traceback() shows the calls, run.get_log() the log."


def error(**fields: Any) -> Dict[str, Any]:
    return {"code": "job_failed", "message": "bad (exit status 1)", "call": None, **fields}


def test_the_cause_comes_first() -> None:
    found = error(call="file(f)", hint='Did you mean "data.csv"?', log_before=list("abcde"))
    assert failure_message("e_1", found, "The whole log: /x", STEPS).split("\n") == [
        "Run e_1 failed: bad (exit status 1) [in file(f)]",
        'i Did you mean "data.csv"?',
        "Last lines of its log:",
        "  c",
        "  d",
        "  e",
        f"i {STEPS}",
    ]
    found = error(call="f(x)", place="R/f.R:3")
    assert failure_message("e_1", found, "", STEPS) == "Run e_1 failed: bad (exit status 1) [in f(x), at R/f.R:3]"
    assert failure_message("e_1", error(place="f.R:3"), "", STEPS) == "Run e_1 failed: bad (exit status 1) [at f.R:3]"
    assert failure_message("e_1", error(), "", STEPS) == "Run e_1 failed: bad (exit status 1)"
    assert failure_message("e_1", error(log_tail=["old", "", " "]), "", STEPS).endswith("\n  old")


@pytest.mark.parametrize("char", ["x", "\u4e2d", "\U0001f333"])
@pytest.mark.parametrize("path", [5, 80, 500])
def test_r_shows_all_of_it(char: str, path: int) -> None:
    long, last = char * 3000, "The whole log: /" + "p" * path
    text = failure_message("e_1", error(message=long, call=long, place=long, hint=long, log_before=[long] * 3), last, STEPS)
    assert len((text + "\n" + last).encode()) < 993
    assert text.startswith("Run e_1 failed: " + char) and (path > 5 or ("\n  " + char in text and "…" in text))


def test_no_text_controls_a_terminal() -> None:
    hostile = "\x1b]0;x\x07a\rb\nc"
    text = failure_message("e", error(message=hostile, call=hostile, place=hostile, hint=hostile, log_before=[hostile]), "", STEPS)
    assert not [char for char in text if ord(char) < 32 and char != "\n"]
    assert failure_line(error(message=hostile)) == "b c" and failure_line({}) == "unknown cause"
    assert len(failure_line(error(message="x" * 500), 50)) == 50
