"""Patterns of git that test_ignore.py, which asks git itself, is unlikely to come upon."""

import os

import pytest
from espalier.base import accel
from espalier.snapshot.wildmatch import compile_pattern
from hanging import not_hanging

SCANS = False
# pattern, whether it is about names, what it matches, what it does not
CASES = [
    (b"[!/]b", False, [b"xb"], [b"b", b"x/b", b"/b"]),
    (b"[a-[[:alpha:]]", True, [b"A", b"b"], [b"(", b"[", b""]),
    (b"[[:punct:]][[:cntrl:]][[:graph:]]", True, [b"!\x01a", b"~\x7f~"], [b"a\x01a", b"!!a"]),
    (b"[[:nonsense:]]", True, [], [b"n", b":", b"[[:nonsense:]]"]),
    (b"[[:alpha:]", True, [], [b"a", b"["]),
    (b"[[:alpha]", True, [b"a", b":", b"["], [b"b"]),
    (b"[:alpha:][a\\-z]", True, [b"a-", b":z"], [b"ab", b"a\\"]),
    (b"[]-]", True, [b"]", b"-"], [b"a"]),
    (b"[c-a]x", True, [], [b"bx", b"ax"]),
    (b"[a", True, [], [b"[a", b"a"]),
    (b"a\\", True, [], [b"a", b"a\\"]),
    (b"?", True, [b"a", b"\xff"], ["é".encode(), b""]),
    ("[é]".encode(), True, [b"\xc3", b"\xa9"], ["é".encode()]),
    (b"a**/b", False, [b"a/b", b"ac/b", b"a/x/b"], [b"ac/x/y", b"b"]),
    (b"x/a**", False, [b"x/a", b"x/ab", b"x/ab/c"], [b"x", b"y/x/a"]),
    (b"x/*a**", False, [b"x/a", b"x/cab"], [b"x/a/b"]),
    (b"**\\/b", False, [b"a/b", b"a/c/b", b"/b"], [b"b", b"ab"]),
    (b"a/**/b/*c*/**/d", False, [b"a/b/c/d", b"a/x/b/b/xcx/y/d"], [b"a/b/x/d", b"a/b/c/x"]),
    (b"*.tar.*", True, [b"x.tar.gz", b".tar.tar."], [b"x.tar"]),
]


@pytest.mark.parametrize(("pattern", "names_only", "yes", "no"), CASES)
def test_patterns(pattern, names_only, yes, no):
    matches = compile_pattern(pattern, names_only) or (lambda text: None)
    assert [text for text in yes if not matches(text)] == []
    assert [text for text in no if matches(text)] == []


SLOW = [
    (b"*a" * 40 + b"b", True, b"a" * 250),
    (b"**/" + b"*a" * 40 + b"b", False, b"a" * 250),
    (b"**/*a/" * 30 + b"b", False, b"aa/" * 700 + b"c"),
    (b"**/" * 40 + b"b", False, b"a/" * 700 + b"c"),
    (b"**/*a*a*b/" * 10 + b"x", False, b"aaaaaab/" * 400 + b"c"),
    (b"*[ab]" * 50, True, b"ab" * 100 + b"c"),
]


@pytest.mark.parametrize(("pattern", "names_only", "text"), SLOW)
def test_hostile_patterns_take_no_long_time(pattern, names_only, text):
    with not_hanging():
        assert not compile_pattern(pattern, names_only)(text)


@pytest.mark.parametrize("scanner", ["native"], indirect=True)
@pytest.mark.parametrize(("pattern", "names_only", "text"), SLOW)
def test_nor_do_they_in_the_native_scanner(tmp_path, scanner, pattern, names_only, text):
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        *folders, name = text.split(b"/")
        for folder in folders:
            os.mkdir(folder)
            os.chdir(folder)
        open(name, "x").close()
    finally:
        os.fchdir(here)
        os.close(here)
    given = [(pattern, False, False)]
    with not_hanging():
        native = accel.native()
        walk = native.walk(os.fsencode(tmp_path), 0, native.Rules(given), False, set(), lambda _: -1, {}, lambda _: None)
    assert (len(walk.entries(False)), walk.left_out()) == (1, [])
