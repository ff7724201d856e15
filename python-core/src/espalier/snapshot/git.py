"""What git knows of a source folder: the current commit and its files there, the branch, the remote.

git is asked for objects, references and settings, and which names its ignore rules match. It neither reads nor compares
a file of the user's, so nothing that a repository brings along gets to run: no filter, hook, monitor or diff program.
"""

import os
import re
import time
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from espalier.snapshot.git_index import Index, read_index
from espalier.snapshot.repository import Repository, owned_repository

LIMIT_SECONDS = 1.0
# Where more than the limit was spent elsewhere, git gets a moment all the same.
_GRACE = 0.25
# (of the repository's programs none is needed for what is asked here)
_GIT = ("git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_SETTINGS = r"^(remote\..*\.url|core\.filemode|extensions\.objectformat)$"
_BRANCHES = "refs/heads/"
_TOKEN = re.compile(r"\b(gh[pousr]_|github_pat_|glpat-|dapi)[A-Za-z0-9_-]{8,}")
GitState = Dict[str, Any]
File = Tuple[str, str]


class GitProblem(Exception):
    """Why git did not answer, as the run's record has it."""


class GitMissing(Exception):
    """There is no git to ask."""


class Git:
    """Calls of git about one source folder, which together may take a second.

    Args:
        source: The folder.
        repository: The repository it lies in.
    """

    def __init__(self, source: str, repository: Repository) -> None:
        self._source = source
        self._repository = repository
        self._deadline = time.monotonic() + LIMIT_SECONDS

    def refuse_late(self) -> None:
        """Raise GitProblem if the time is over."""
        if time.monotonic() > self._deadline:
            raise GitProblem(f"comparing with the commit took longer than {LIMIT_SECONDS:g} s")

    def run(self, *arguments: str, given: bytes = b"", accept: Tuple[int, ...] = (0,)) -> bytes:
        """Run a command of git.

        Args:
            arguments: The command and its arguments.
            given: What it reads.
            accept: Exit statuses that are an answer.

        Returns:
            What it writes.

        Raises:
            GitProblem: it took too long, or another exit status.
            GitMissing: there is no git.
        """
        import subprocess  # here: 8 ms, and a folder in no repository needs none of it

        try:
            process = subprocess.Popen(
                [*_GIT, *arguments],
                cwd=self._source,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise GitMissing("there is no git") from error
        try:
            output, _ = process.communicate(given, max(_GRACE, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(process)
            raise GitProblem(f"git did not answer within {LIMIT_SECONDS:g} s") from None
        if process.returncode not in accept:
            raise GitProblem(f"git refused (exit status {process.returncode})")
        return output

    def _environment(self) -> Dict[str, str]:
        """Nothing of ours but where things are; the user's own git settings count, GIT_* variables do not."""
        kept = ("HOME", "XDG_CONFIG_HOME", "TMPDIR")
        # A relative entry would be looked up in the source folder, where anything may be called git.
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PATH": os.pathsep.join(folder for folder in folders if os.path.isabs(folder)),
            # git must not look for itself: it would take a folder that looks like a bare repository, or pass over a
            # broken one to another
            "GIT_DIR": self._repository.git_dir,
            "GIT_WORK_TREE": self._repository.top,
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",  # a partial clone would fetch what it lacks, by a command of its choice
            "GIT_ASKPASS": "false",
            "GIT_SSH_COMMAND": "false",
        }

    def contents(self, ids: Iterable[str], largest: int) -> Tuple[Dict[str, int], Dict[str, bytes]]:
        """Look up objects; those that the repository lacks are in neither part of the answer.

        Args:
            ids: Their ids.
            largest: Larger ones are not read, bytes.

        Returns:
            Their sizes, and their contents.
        """
        rows = [line.split() for line in self.run("cat-file", "--batch-check", given=_lines(ids)).splitlines()]
        sizes = {row[0].decode(): int(row[2]) for row in rows if len(row) == 3}
        small = [name for name, size in sizes.items() if size <= largest]
        output, at, contents = self.run("cat-file", "--batch", given=_lines(small)) if small else b"", 0, {}
        for name in small:
            at = output.index(b"\n", at) + 1
            contents[name] = output[at : at + sizes[name]]
            at += sizes[name] + 1
        return sizes, contents

    def ignored(self, paths: List[str]) -> Set[str]:
        """Those of the paths (from the source folder) that git's ignore rules match."""
        if not paths:
            return set()
        # (what begins with a colon would be more than a path)
        given = "".join(f"./{path}\0" for path in paths).encode("utf-8", "surrogateescape")
        output = self.run("check-ignore", "--no-index", "-z", "--stdin", given=given, accept=(0, 1))
        return {path[2:] for path in _text(output).split("\0")}

    def settings(self) -> Dict[str, str]:
        """The settings that matter here, of several values the last; of a remote's URLs the first, as git fetches."""
        settings: Dict[str, str] = {}
        for item in _text(self.run("config", "-z", "--get-regexp", _SETTINGS, accept=(0, 1))).split("\0")[:-1]:
            name, _, value = item.partition("\n")
            if not (name.startswith("remote.") and name in settings):
                settings[name] = value
        return settings

    def current(self) -> Tuple[Optional[str], Optional[str]]:
        """The current commit, None before the first one, and the branch, None where there is none."""
        lines = _text(self.run("rev-parse", "HEAD", "--symbolic-full-name", "HEAD", accept=(0, 128))).split()
        commit, name = lines if len(lines) == 2 else (None, _text(self.run("symbolic-ref", "HEAD")).strip())
        return commit, name[len(_BRANCHES) :] if name.startswith(_BRANCHES) else None

    def staged(self, commit: str) -> Dict[str, Optional[File]]:
        """What a commit has in place of files of the index; see `GitCall`."""
        options = ("--cached", "--raw", "-z", "--relative", "--ignore-submodules=all")
        parts = _text(self.run("diff-index", *options, commit, "--", ".")).split("\0")
        rows = [(row[1:].split(" "), path) for row, path in zip(parts[::2], parts[1::2])]
        # (of a conflict the index has the commit's)
        return {path: as_file(int(row[0], 8), row[2]) for row, path in rows if row[4] != "U"}


class GitCall:
    """Asks for what is current in a folder's repository while other work is done.

    `state` is for the run's record, None where something is not known. After `wait`, `index` and `staged` are what a
    snapshot is compared with; both are empty before the first commit. `staged` is what the commit has in place of files
    of the index, None for nothing, by their paths from the folder.

    Args:
        source: The source folder.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.repository, is_anothers = owned_repository(source)
        self.index_file = self.index = read_index(self.repository)
        self.state: GitState = {"commit": None, "branch": None, "dirty": None, "remote": None}
        self.staged: Dict[str, Optional[File]] = {}
        self.algorithm, self.modes_count = "sha1", True
        self._failure: Optional[Exception] = None
        self._thread: Optional[Any] = None
        if self.repository is not None:
            import threading

            self._thread = threading.Thread(target=self._ask, args=(self.git(),), daemon=True)
            self._thread.start()
        else:
            self._failure = GitProblem("the repository belongs to another user") if is_anothers else GitMissing()

    def _ask(self, git: Git) -> None:
        try:
            settings = git.settings()
            self.state["remote"] = _remote(settings)
            self.algorithm = settings.get("extensions.objectformat", "sha1").lower()
            self.modes_count = settings.get("core.filemode", "true").lower() != "false"
            commit, self.state["branch"] = git.current()
            self.state["commit"] = commit
            if commit:
                self.staged = git.staged(commit)
            else:
                self.index = Index(b"", 0)
        except Exception as error:  # raised where it is waited for
            self._failure = error

    def wait(self) -> None:
        """Wait for the answer.

        Raises:
            GitProblem: git did not answer, or must not be asked.
            GitMissing: there is no repository, or no git.
            ValueError, IndexError: an answer is not understood.
        """
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def git(self) -> Git:
        """For more calls; after `wait`."""
        assert self.repository is not None
        return Git(self.source, self.repository)

    def prefix(self) -> str:
        """The path of the folder from the top of its repository, with `/` at its end; empty for the top."""
        inside = os.path.relpath(os.path.realpath(self.source), self.repository.top) if self.repository else os.curdir
        return "" if inside == os.curdir else inside + "/"


def as_file(mode: int, name: str) -> Optional[File]:
    """The kind of a file by git's mode (`f`, `x`, `l`, or `m` for a submodule), and its id; None without a mode."""
    kinds = {0o120000: "l", 0o160000: "m"}
    return (kinds.get(mode, "x" if mode & 0o100 else "f"), name) if mode else None


def _remote(settings: Dict[str, str]) -> Optional[str]:
    """The URL of `origin`, else of the first remote, without anything secret."""
    urls = [value for name, value in settings.items() if name.startswith("remote.")]
    url = settings.get("remote.origin.url") or next(iter(urls), None)
    return strip_credentials(url) if url else None


def _text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")


def _lines(ids: Iterable[str]) -> bytes:
    return "".join(name + "\n" for name in ids).encode("ascii")


def _kill(process: Any) -> None:
    """End a git that leads a session, with all it started."""
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (OSError, AttributeError):
        process.kill()
    process.communicate()


def strip_credentials(url: str) -> str:
    """A remote's URL without user, password, token, query and fragment.

    Args:
        url: Any form git takes: a URL, `host:path`, `helper::address`, a path.

    Returns:
        What is left; of `ext::<command>` nothing but the scheme.
    """
    url = "".join(c for c in url if c.isprintable()).strip()
    helper, colons, address = url.partition("::")
    if colons and re.fullmatch(r"[A-Za-z0-9+.-]+", helper):
        return "ext::" if helper.lower() == "ext" else helper + "::" + strip_credentials(address)
    scheme, slashes, rest = url.partition("://")
    if slashes:
        rest = re.split(r"[?#]", _without_user(rest), maxsplit=1)[0]
        url = scheme + slashes + rest
    elif re.match(r"[^/]*@[^/]*:", url):  # user@host:path; the user may be a token, only `git` never is
        user, _, host = url.rpartition("@") if url.index(":") > url.index("@") else ("", "", url.split("@", 1)[1])
        url = f"git@{host}" if user == "git" else host
    return _TOKEN.sub("***", url)


def _without_user(rest: str) -> str:
    """What follows `://` without its user part, also where a password contains `/`, `?`, `#` or `@`."""
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in host:
        return rest[host.rindex("@") + 1 :]
    _, colon, port = host.partition(":")
    if colon and port and not port.isdigit() and "@" in rest and not host.startswith("["):
        return rest[rest.rindex("@") + 1 :]
    return rest
