import subprocess

import pytest
from espalier.snapshot.textdiff import link_diff, text_diff
from hypothesis import given, settings
from hypothesis import strategies as st

SCANS = False

TEXT = st.lists(st.sampled_from(["1\n", "2\n", "3\n", "\n"]), max_size=30).map("".join)


def test_a_change_in_the_middle():
    before = "".join(f"{n}\n" for n in range(1, 21))
    diff = text_diff("sub/a.R", before.encode(), before.replace("10\n", "ten\n").encode())
    assert diff.note is None
    assert diff.text == (
        "--- a/sub/a.R\n+++ b/sub/a.R\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"
    )


def test_far_changes_are_hunks_of_their_own():
    before = "".join(f"{n}\n" for n in range(1, 41))
    diff = text_diff("a", before.encode(), before.replace("5\n", "five\n", 1).replace("35", "x").encode()).text
    assert [line for line in diff.splitlines() if line.startswith("@@")] == ["@@ -2,7 +2,7 @@", "@@ -32,7 +32,7 @@"]


@given(TEXT, TEXT, st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_git_makes_of_the_diff_what_it_is_of(tmp_path_factory, before, after, cut_before, cut_after):
    before, after = before[: len(before) - cut_before], after[: len(after) - cut_after]
    diff = text_diff("file", before.encode(), after.encode())
    if before == after:
        assert diff.text is None
        return
    folder = tmp_path_factory.mktemp("apply")
    (folder / "file").write_text(before)
    subprocess.run(["git", "apply", "-p1"], input=diff.text.encode(), cwd=folder, check=True, timeout=20)
    assert (folder / "file").exists() is (after != "" or (folder / "file").exists())
    assert ((folder / "file").read_text() if (folder / "file").exists() else "") == after


def test_added_and_removed():
    assert text_diff("a", None, b"x\n").text == "--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+x\n"
    assert text_diff("a", b"x\ny", None).text == (
        "--- a/a\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n\\ No newline at end of file\n"
    )
    assert text_diff("a", None, b"") == (None, "empty")


def test_binary_is_said():
    assert text_diff("a", b"\0", b"x\n") == (None, "binary")
    assert text_diff("a", b"x\n", "x\n".encode("utf-16")) == (None, "binary")


def test_other_encodings_are_shown_as_escapes():
    diff = text_diff("a", b"caf\xe9\n", "café\n".encode())
    assert diff.note == "not all UTF-8"
    assert diff.text.endswith("-caf\\xe9\n+café\n")


@pytest.mark.parametrize("hostile", ["\x1b[31m", "\x07", "\u202e", "\x9b1m", "\x85", "\u2028"])
def test_control_characters_do_nothing(hostile):
    diff = text_diff(f"a{hostile}", b"", f"x{hostile}\ty\n".encode()).text
    assert hostile not in diff
    assert diff.count(hostile.encode("unicode_escape").decode()) == 3
    assert "\ty\n" in diff
    assert len(diff.split("\n")) == 5


def test_line_ends():
    assert text_diff("a", b"1\r\n2\r\n", b"1\n2\n") == (None, "only line ends differ (CRLF before, LF after)")
    assert text_diff("a", b"1\r\n2\n", b"1\n2\n") == (None, "only line ends differ (mixed before, LF after)")
    # the same on both sides: not worth showing
    assert text_diff("a", b"1\r\n2\r\n", b"1\r\n3\r\n").text.endswith(" 1\n-2\n+3\n")
    assert text_diff("a", b"1\r\n2\r\n", b"1\n3\n").text.endswith("-1\\r\n-2\\r\n+1\n+3\n")


def test_links():
    assert link_diff("l", "a", "b").text == "--- a/l\n+++ b/l\n@@ -1 +1 @@\n-a\n+b\n"
