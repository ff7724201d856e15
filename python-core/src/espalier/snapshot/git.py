"""The state of the git repository that a source folder lies in: recorded, never trusted.

Nothing that a repository brings along may run: git is called once, with the drivers, hooks, monitors and
transports of the repository's configuration switched off.
"""

import os
import time
from typing import Any, Dict, List, NamedTuple, Optional

from espalier.snapshot.gitconfig import (
    Repository,
    config_texts,
    filter_names,
    is_anothers,
    remote_url,
    repository_around,
)

_LIMIT = 1.0
_GRACE = 0.25
GitState = Dict[str, Any]


class Changes(NamedTuple):
    """What git found changed below a source folder: paths relative to the top of the repository."""

    repository: Repository
    filters: List[str]
    commit: str
    tracked: List[str]
    untracked: List[str]  # a folder of which nothing is tracked appears once, with a `/` at its end


class GitCall:
    """A call of git that runs while other work is done.

    Args:
        process: The running process, None when there is nothing to ask.
        state: What is known without it; None when there is no repository.
        repository: The repository that the folder lies in, unless it is another user's.
        filters: Its filter drivers, which are switched off.
    """

    def __init__(
        self,
        process: Optional[Any],
        state: Optional[GitState],
        repository: Optional[Repository] = None,
        filters: Optional[List[str]] = None,
    ) -> None:
        self._process = process
        self._state = state
        self.repository = repository
        self._filters = filters or []
        self._output = b""
        self._deadline = time.monotonic() + _LIMIT

    def result(self) -> Optional[GitState]:
        """Waits for the answer, at most until one second after the start.

        Returns:
            `commit`, `branch`, `dirty`, `remote` (None where unknown), and `problem` when git did not
            answer; None without a repository or without git.
        """
        if self._process is None or self._state is None:
            return self._state
        import subprocess

        process, self._process = self._process, None
        # Where more than the limit was spent elsewhere, git gets a moment to hand over what it has.
        left = max(_GRACE, self._deadline - time.monotonic())
        try:
            output, _ = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            kill_git(process)
            self._state["problem"] = f"git did not answer within {_LIMIT:g} s"
            return self._state
        if process.returncode != 0:
            self._state["problem"] = f"git refused (exit status {process.returncode})"
            return self._state
        self._output = output
        self._state.update(_parse(output))
        return self._state

    def changes(self) -> Optional[Changes]:
        """What has changed since the last commit; waits as `result` does.

        Returns:
            The changes; None when there are none, no commit to compare with, or git did not answer.
        """
        state = self.result()
        if not state or self.repository is None or not state["commit"] or not state["dirty"]:
            return None
        tracked, untracked = [], []
        for line in os.fsdecode(self._output).split("\0"):
            if line.startswith("? "):
                untracked.append(line[2:])
            elif line.startswith("1 "):
                tracked.append(line.split(" ", 8)[8])
            elif line.startswith("u "):
                tracked.append(line.split(" ", 10)[10])
        return Changes(self.repository, self._filters, state["commit"], tracked, untracked)


def start_git(source: str) -> GitCall:
    """Starts asking for the state of the repository that holds a folder.

    `dirty` is about the folder, not the rest of the repository: whether the commit describes it.

    Returns:
        The call; its `result()` waits. In no repository, no process is started.
    """
    repository = repository_around(source)
    if repository is None:
        return GitCall(None, None)
    state: GitState = {"commit": None, "branch": None, "dirty": None, "remote": None}
    if is_anothers(repository):
        return GitCall(None, {**state, "problem": "the repository belongs to another user"})
    texts = config_texts(repository)
    names = filter_names(texts) if texts is not None else None
    if texts is None or names is None:
        state["problem"] = "the repository's configuration is not one that git can safely be run with"
        return GitCall(None, state, repository)
    state["remote"] = remote_url(texts)
    import subprocess  # here: 8 ms, and a folder in no repository needs none of it

    try:
        process = subprocess.Popen(
            _command(sorted(names)),
            cwd=source,
            env=git_environment(repository),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return GitCall(None, None)
    return GitCall(process, state, repository, sorted(names))


def guarded_git(filters: List[str]) -> List[str]:
    """The start of a command line of git by which nothing of the repository's runs; `git_environment` goes with it.

    Args:
        filters: Names of the repository's filter drivers.

    Returns:
        The program and its options, up to the subcommand.
    """
    settings = [
        "core.fsmonitor=false",
        "core.hooksPath=/dev/null",
        "core.sshCommand=false",
        "core.untrackedCache=false",
        "status.renames=false",
    ]
    for name in filters:
        settings += [f"filter.{name}.clean=", f"filter.{name}.process=", f"filter.{name}.required=false"]
    command = ["git", "--no-optional-locks", "--no-pager", "--literal-pathspecs"]
    for setting in settings:
        command += ["-c", setting]
    return command


def _command(filters: List[str]) -> List[str]:
    return [
        *guarded_git(filters),
        "status",
        "--porcelain=v2",
        "-z",
        "--branch",
        "--no-ahead-behind",
        "--untracked-files=normal",
        "--ignore-submodules=all",
        "--",
        ".",
    ]


def git_environment(repository: Repository) -> Dict[str, str]:
    """Nothing of ours but where things are; the user's own git settings count, GIT_* variables do not.

    Args:
        repository: The repository git is to look at.

    Returns:
        The variables of the process.
    """
    kept = ("HOME", "XDG_CONFIG_HOME", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    # A relative entry would be looked up in the source folder, where anything may be called git.
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    environment["PATH"] = os.pathsep.join(folder for folder in folders if os.path.isabs(folder))
    environment.update(
        # git must not look for itself: it would take a folder that looks like a bare repository, or pass
        # over a broken one to another whose configuration nobody has read
        GIT_DIR=repository.git_dir,
        GIT_WORK_TREE=repository.top,
        LC_ALL="C",
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_CONFIG_NOSYSTEM="1",
        GIT_NO_LAZY_FETCH="1",
        GIT_ALLOW_PROTOCOL="none",  # a partial clone would fetch what it lacks, by a command of its choice
        GIT_ASKPASS="false",
        GIT_SSH_COMMAND="false",
    )
    return environment


def kill_git(process: Any) -> None:
    """Ends a git that leads a new session, with all it started."""
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (OSError, AttributeError):
        process.kill()
    process.communicate()


def _parse(output: bytes) -> GitState:
    state: GitState = {"commit": None, "branch": None, "dirty": False}
    for line in output.decode("utf-8", "replace").split("\0"):
        if line.startswith("# branch.oid "):
            commit = line[len("# branch.oid ") :]
            state["commit"] = None if commit.startswith("(") else commit
        elif line.startswith("# branch.head "):
            branch = line[len("# branch.head ") :]
            state["branch"] = None if branch == "(detached)" else branch
        elif line and not line.startswith("#"):
            state["dirty"] = True
    return state
