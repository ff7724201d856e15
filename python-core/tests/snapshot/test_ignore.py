"""The ignore rules, compared with git itself."""

import os
import shutil
import subprocess
import tempfile

import pytest
from espalier.base.errors import EspalierError
from espalier.snapshot.ignore import Decision, IgnoreRules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCANS = False

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def rules_of(folder, text, name=".gitignore", defaults=False):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return IgnoreRules.load(str(folder), defaults=defaults)


def git_decisions(folder, paths):
    """What `git check-ignore` says: path -> (excluded, origin)."""
    asked = b"".join(path.encode() + b"\0" for path in paths)
    command = ["git", "-C", str(folder), "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"]
    fields = subprocess.run(command, input=asked, capture_output=True, timeout=10).stdout.split(b"\0")
    found = {}
    for at in range(0, len(fields) - 1, 4):
        _, line, pattern, path = (field.decode() for field in fields[at : at + 4])
        excluded = bool(pattern) and not pattern.startswith("!")
        found[path] = (excluded, f".gitignore:{line}" if line else "")
    return found


def build(folder, paths):
    for path in paths:
        full = os.path.join(folder, path)
        try:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            open(full, "x").close()
        except OSError:
            continue  # a name that is taken by a folder, or a folder's by a file
    for top, folders, files in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        for name in folders + files:
            if not (top == str(folder) and name == ".gitignore"):
                yield os.path.relpath(os.path.join(top, name), folder), name in folders


def compare(folder, text, paths):
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    rules = rules_of(folder, text)
    tree = list(build(str(folder), paths))
    theirs = git_decisions(folder, [path for path, _ in tree])
    ours = {path: rules.decide(path, is_dir) for path, is_dir in tree}
    assert {path: (d.excluded, d.origin) for path, d in ours.items()} == theirs
    return ours


CASES = [
    ("*.csv\n!keep.csv\n", ["a.csv", "keep.csv", "d/keep.csv", "d/b.csv"]),
    ("data/\n!data/keep.csv\n", ["data/keep.csv", "x/data/y", "y/data"]),
    ("data/*\n!data/keep.csv\n", ["data/keep.csv", "data/a.csv", "data/sub/keep.csv"]),
    ("/top\nmid/dle\n", ["top", "x/top", "mid/dle", "x/mid/dle"]),
    ("**/a\nb/**\nc/**/d\n", ["a", "x/a", "b/x/y", "c/d", "c/x/y/d"]),
    ("foo\n!/foo\n", ["foo/foo/x", "foo/y"]),
    ("a?c\n[a-c].R\n[!x]y\nz[^q]\n", ["abc", "a/c", "b.R", "d.R", "xy", "ay", "zq", "zz", "z/z"]),
    ("[[:digit:]]x\n***.log\n", ["1x", "ax", "b.log", "d/c.log"]),
    ("trail  \nkept\\ \ntab\t\n \n# c\n\\#hash\n\\!bang\n", ["trail", "kept ", "tab", "tab\t", "#hash", "!bang"]),
    ("space /\n", ["space /x", "space"]),
    (b"\xef\xbb\xbfbom\r\ncrlf/\r\nlast\r", ["bom", "crlf/x", "last", "last\r"]),
    ("/\n//\n!\nx\\\n[b-a]\n[unclosed\n", ["x", "x\\", "a", "[unclosed"]),
    ("!!odd\n*\n!*/\n!*.R\n", ["a.R", "d/b.R", "d/c.txt", "!odd"]),
]


@needs_git
@pytest.mark.parametrize(("text", "paths"), CASES)
def test_agrees_with_git(tmp_path, text, paths):
    assert any(decision.rule for decision in compare(tmp_path, text, paths).values()) or text.startswith("/\n")


NAMES = st.sampled_from(["é", "[", "]b", "\\a", "a", "b", "ab", "foo", "x.txt", ".a", "a*", "#a", "!a", "b.txt", "-", "(", "+^", "a ", "\ta"])
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=12)
PLAIN = ["a", "b", "ab", "foo", ".", ".txt", "!", "#", "(", "+", "^", "$", "|", " "]
SPECIAL = ["*", "?", "**", "***", "/", "/", "/", "[ab]", "[!a]", "[!/]", "[a-c]", "[]-]", "[[:alpha:]]", "[[:punct:]]",
           "[[:x:]]", "[a-[", "[", "]", "\\*", "\\a", "\\/", "\\", "\r", "é"]  # fmt: skip
PIECES = st.sampled_from(PLAIN + SPECIAL)
LINES = st.tuples(st.sampled_from(["", "", "!"]), st.lists(PIECES, min_size=1, max_size=5).map("".join)).map("".join)


@needs_git
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=1, max_size=5), PATHS)
def test_agrees_with_git_on_random_rules(lines, paths):
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), "\n".join(lines), paths)


def test_our_file_is_read_after_the_first_of_the_others(tmp_path):
    rules_of(tmp_path, "git\n")
    assert IgnoreRules.load(str(tmp_path)).decide("git", False) == Decision(True, "git", ".gitignore:1")
    rules_of(tmp_path, "aml\nboth\n", ".amlignore")
    rules = rules_of(tmp_path, "\nours\n!both\n", ".espalierignore")
    assert rules.decide("ours", False) == Decision(True, "ours", ".espalierignore:2")
    assert rules.decide("aml", False).excluded and not rules.decide("git", False).excluded
    assert not rules.decide("both", False).excluded


@pytest.mark.parametrize("line", ["!/data/", "!data", "!*"])
def test_a_line_of_ours_takes_in_what_git_ignores(tmp_path, line):
    rules_of(tmp_path, "/data/\n")
    rules = rules_of(tmp_path, line + "\n", ".espalierignore", defaults=True)
    assert not rules.decide("data/x.csv", False).excluded


def test_a_fifo_in_place_of_an_ignore_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".amlignore")
    os.mkfifo(tmp_path / ".espalierignore")
    assert rules_of(tmp_path, "x\n").decide("x", False).excluded


def test_an_ignore_file_that_cannot_be_read(tmp_path):
    os.symlink(".gitignore", tmp_path / ".gitignore")
    with pytest.raises(EspalierError) as caught:
        IgnoreRules.load(str(tmp_path))
    assert caught.value.code == "source_unreadable" and ".gitignore" in str(caught.value)


FOLDERS = [
    ".git",
    ".hg",
    ".svn",
    ".Rproj.user",
    "a/.Rproj.user",
    "renv/library",
    "renv/staging",
    "a/renv/sandbox",
    "packrat/lib",
    "packrat/lib-R",
    "venv",
    ".venv",
    "a/__pycache__",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "node_modules",
    ".espalier",
    "outputs",
    "logs",
]
FILES = [
    ".git",
    ".RData",
    "a/.Rhistory",
    ".Ruserdata",
    ".DS_Store",
    "x.pyc",
    ".Renviron",
    ".env",
    "key.pem",
    "id_rsa",
    "a/id_ed25519",
    "id_ecdsa",
    "id_dsa",
    ".netrc",
    "a/.env.local",
    "a/.git-credentials",
    "cert.p12",
    "cert.pfx",
    "putty.ppk",
]
KEPT = [("train.R", False), ("a/outputs", True), ("a/logs", True), ("outputs", False), ("renv/library", False)]
KEPT += [("renv", True), ("library", True), ("env", True), ("id_rsa.pub", False), ("renv/activate.R", False)]


def test_defaults(tmp_path):
    rules = IgnoreRules.load(str(tmp_path))
    asked = [(path, True) for path in FOLDERS] + [(path, False) for path in FILES]
    assert [item for item in asked if not rules.decide(*item).excluded] == []
    assert {rules.decide(*item).origin for item in asked} == {"default"}
    assert [item for item in KEPT if rules.decide(*item).excluded] == []
    assert not IgnoreRules.load(str(tmp_path), defaults=False).decide("venv", True).excluded


def test_the_file_may_take_a_default_back(tmp_path):
    rules = rules_of(tmp_path, "!outputs/\n!.Renviron\n", defaults=True)
    assert rules.decide("outputs", True) == Decision(False, "!outputs/", ".gitignore:1")
    assert not rules.decide("outputs/a.csv", False).excluded
    assert not rules.decide(".Renviron", False).excluded
    assert rules.decide("logs/x", False) == Decision(True, "/logs/", "default")
