"""The uncommitted diff of a source folder: what had changed since the commit when a run was submitted.

It is for people who look at a run later; the files themselves are in the snapshot. Only files of the snapshot
appear in it, and lines that look like secrets are masked.
"""

import contextlib
import os
import re
import time
from typing import Any, List, NamedTuple, Optional, Tuple

from espalier.adapters.inside import replace_inside
from espalier.base.paths import RunPaths
from espalier.snapshot.entries import Scan
from espalier.snapshot.file_names import shown
from espalier.snapshot.git import Changes, GitCall, git_environment, guarded_git, kill_git
from espalier.snapshot.ignore import IgnoreRules

LIMIT_BYTES = 256 * 1024
_LIMIT_SECONDS = 1.0
# What is given to git by name, in bytes: a command line holds at least 128 KB.
_LIMIT_NAMES = 64 * 1024
_LISTED = 100
# diff-index, not diff: the user's and the repository's settings of `git diff` do not count for it. Files above 4 MB
# are named, not compared.
_OPTIONS = (
    "-c",
    "core.quotePath=false",
    "-c",
    "core.bigFileThreshold=4m",
    "diff-index",
    "--patch",
    "--irreversible-delete",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--no-color",
    "--no-relative",
    "--ignore-submodules=all",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
)
_MASK = b"<masked: this line looks like a secret>"
# As their issuers write them: GitHub, GitLab, Databricks, Slack, AWS, Google, OpenAI, Hugging Face, npm, PyPI, JWT,
# SendGrid, Azure; private keys; passwords in URLs; HTTP authorization.
_TOKENS = (
    rb"\bgh[pousr]_\w{16}|\bgithub_pat_\w{16}|\bglpat-[\w-]{16}|\bdapi[0-9a-f]{24}|\bxox[a-z]-[\w-]{10}"
    rb"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30}|\bsk-[\w-]{16}|\bhf_\w{16}|\bnpm_\w{16}|\bpypi-[\w-]{16}"
    rb"|\beyJ[\w-]{8,400}\.eyJ[\w-]|\bSG\.[\w-]{16}|\bAccountKey=|[?&]sig=[\w%]{16}|-----BEGIN [A-Z ]{0,40}PRIVATE KEY"
    rb"|://[^\s/@:]{0,200}:[^\s/@]{1,200}@|\bBearer +[\w.~+/-]{12}|\bBasic +[\w+/]{12}"
)
_NAME = (
    rb"(?:passw(?:or)?d|passphrase|\bpwd|_pwd|secret|token|credential"
    rb"|(?:api|access|private|account|auth|encryption|signing)[_.-]?key)[\w.-]{0,40}"
)
# Such a name and what is given to it: a text in quotes, or a bare word up to the end of the line (YAML, .env) that is
# neither a number nor a constant.
_BARE = rb"[^\s\"'()\[\]{}<>$,;&]"
_GIVEN = (
    _NAME + rb"[\"'`\])]{0,2}\s{0,20}(?:<-|=>?|:)\s{0,20}(?:[rbfu]?[\"'][^\"'\s]{3}|"
    rb"(?!(?:TRUE|FALSE|NULL|None|NA|[-+\d._e]{1,40})[\s,;]{0,40}$)"
    rb"(?:" + _BARE + rb"{80}|" + _BARE + rb"{4,80}\s{0,20}[,;]?\s{0,20}$))"
)
# Such a name in quotes, and a text after it: set_key("TOKEN", "...").
_PAIR = rb"[\"'][\w.-]{0,40}" + _NAME + rb"[\"']\s{0,20},\s{0,20}[\"'][^\"'\s]{6,}"
_NAMED = re.compile(b"|".join((_TOKENS, _GIVEN, _PAIR)), re.IGNORECASE)
# One of these is in each text that _NAMED finds, in any case: to look for them alone takes a sixth of the time.
_HINT = re.compile(
    rb"gh[pousr]_|github_pat_|glpat-|dapi|xox|akia|asia|aiza|sk-|hf_|npm_|pypi-|eyj|sg[.]|sig=|://|bearer|basic"
    rb"|passw|passphrase|pwd|secret|token|credential|key"
)
# Forty signs with small letters, capitals and digits, and no path: Base64, as cloud providers hand out keys.
_RANDOM = re.compile(
    rb"(?<![\w+/-])(?=[\w+/-]{0,39}\d)(?=[\w+/-]{0,39}[A-Z])(?=[\w+/-]{0,39}[a-z])(?!(?:[\w+-]{0,39}/){3})[\w+/-]{40}"
)


class Asked(NamedTuple):
    """What a diff is to be made of; paths relative to the source folder."""

    source: str
    changes: Changes
    paths: List[str]
    untracked: List[str]
    left_out: int


class DiffCall:
    """A git that writes the diff while other work is done.

    Args:
        process: The running process; None when there is nothing to ask.
        more: How many files it was not asked for, because they are too many.
    """

    def __init__(self, asked: Asked, process: Optional[Any], more: int) -> None:
        self._asked = asked
        self._process = process
        self._more = more
        self._deadline = time.monotonic() + _LIMIT_SECONDS

    def text(self) -> bytes:
        """Waits for the diff, at most until one second after the start.

        Returns:
            The diff, after a head of lines that begin with `#`.
        """
        output, cut = self._read(self._process) if self._process is not None else (b"", "")
        text, masked = mask_secrets(output)
        return "".join(f"# {line}\n" for line in self._head(masked, cut)).encode("utf-8") + text

    def _read(self, process: Any) -> Tuple[bytes, str]:
        """What git wrote, in whole lines, and why that is not all of it."""
        import select

        output, cut = b"", ""
        while not cut:
            left = max(0.0, self._deadline - time.monotonic())
            if not select.select([process.stdout], [], [], left)[0]:
                cut = f"git was not done after {_LIMIT_SECONDS:g} s"
                break
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            output += chunk
            if len(output) > LIMIT_BYTES:
                cut = f"the diff is longer than {LIMIT_BYTES // 1024} KB"
        if cut:
            kill_git(process)
        else:
            process.communicate()
            if process.returncode != 0:
                cut = f"git refused (exit status {process.returncode})"
        output = output[:LIMIT_BYTES]
        return output[: output.rfind(b"\n") + 1], cut

    def _head(self, masked: int, cut: str) -> List[str]:
        asked = self._asked
        lines = [f"Changes since commit {asked.changes.commit}, as they were at submit. Paths are the repository's."]
        if cut:
            lines.append(f"Cut: {cut}.")
        if self._more:
            lines.append(f"Cut, because too many files have changed: {self._more} more are not shown.")
        if masked:
            lines.append(f"Lines that look like secrets and were masked: {masked}.")
        if asked.left_out:
            lines.append(f"Changed files that are left out of the snapshot, and here: {asked.left_out}.")
        if asked.untracked:
            lines.append(f"Files that git does not track, whole in the snapshot: {len(asked.untracked)}.")
            lines += ["  " + shown(path) for path in asked.untracked[:_LISTED]]
        return lines


def ask_for_diff(call: GitCall, found: Scan) -> Optional[Asked]:
    """What a diff is to be made of: what git found changed, as far as it belongs to the snapshot.

    Args:
        call: The call for the state of the repository.
        found: The walk over the source folder.

    Returns:
        None when nothing of the snapshot has changed.
    """
    changes = call.changes()
    if changes is None:
        return None
    inside = os.path.relpath(os.path.realpath(found.source), changes.repository.top)
    start = 0 if inside == os.curdir else len(inside) + 1
    present = {entry.path for entry in found.files}
    tracked = [path[start:] for path in changes.tracked]
    rules = IgnoreRules.load(found.source)
    # (of a file that is gone only the name is shown)
    paths = [path for path in tracked if path in present or _is_gone(found.source, path, rules)]
    new = {path[start:] for path in changes.untracked}
    folders = tuple(path for path in new if not path or path.endswith("/"))
    untracked = [path for path in sorted(present) if path in new or (folders and path.startswith(folders))]
    if not paths and not untracked:
        return None
    return Asked(found.source, changes, paths, untracked, len(tracked) - len(paths))


def _is_gone(source: str, path: str, rules: IgnoreRules) -> bool:
    return not os.path.lexists(os.path.join(source, path)) and not rules.decide(path, False).excluded


def start_diff(asked: Optional[Asked]) -> Optional[DiffCall]:
    """Starts writing a diff, with everything of the repository's that could run switched off.

    Args:
        asked: What it is made of; None for no diff.

    Returns:
        The call; its `text()` waits.
    """
    if asked is None:
        return None
    size, names = 0, []
    for path in asked.paths:
        size += len(os.fsencode(path)) + 1
        if size > _LIMIT_NAMES:
            break
        names.append(path)
    more = len(asked.paths) - len(names)
    if not names:
        return DiffCall(asked, None, more)
    import subprocess

    try:
        process = subprocess.Popen(
            [*guarded_git(asked.changes.filters), *_OPTIONS, asked.changes.commit, "--", *names],
            cwd=asked.source,
            env=git_environment(asked.changes.repository),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:  # the folder or git has just gone
        return None
    return DiffCall(asked, process, more)


def store_diff(run: RunPaths, call: Optional[DiffCall]) -> None:
    """Keeps a diff with its run. What cannot be kept is left out: to repeat the run, its snapshot is enough.

    Args:
        run: The run, in its place; its job does not wait for this.
        call: The call; None for no diff.
    """
    if call is None:
        return
    with contextlib.suppress(OSError):
        text = call.text()
        replace_inside(run.root, run.diff, text)


def mask_secrets(diff: bytes) -> Tuple[bytes, int]:
    """Replaces lines that look like keys, tokens or passwords.

    Args:
        diff: A diff as git writes it.

    Returns:
        The diff, with a remark in place of each such line, and how many they are.
    """
    out, masked, in_hunk, in_key = [], 0, False, False
    for line in diff.split(b"\n"):
        if line.startswith(b"diff --git "):
            in_hunk = in_key = False
        elif line.startswith(b"@@ "):
            in_hunk = True
            if looks_secret(line):  # what git shows after the second @@ is a line of the file
                line = b"@@".join(line.split(b"@@", 2)[:2]) + b"@@"
        elif in_hunk and line and (in_key or looks_secret(line[1:])):
            in_key = (in_key or b"PRIVATE KEY" in line) and b"-----END " not in line
            line = line[:1] + _MASK
            masked += 1
        out.append(line)
    return b"\n".join(out), masked


def looks_secret(line: bytes) -> bool:
    """Whether a line of a file looks as if it held a key, token or password."""
    named = _HINT.search(line.lower()) and _NAMED.search(line)
    return bool(named or _RANDOM.search(line))
