"""The state of the git repository that a source folder lies in: recorded, never trusted.

Nothing that a repository brings along may run: git is called once, with the drivers, hooks, monitors and
transports of the repository's configuration switched off.
"""

import os
import time
from typing import Any, Dict, List, Optional

from espalier.snapshot.gitconfig import Repository, config_texts, filter_names, find_repository, remote_url

_LIMIT = 1.0
_GRACE = 0.25
GitState = Dict[str, Any]


class GitCall:
    """A call of git that runs while other work is done.

    Args:
        process: The running process, None when there is nothing to ask.
        state: What is known without it; None when there is no repository.
    """

    def __init__(self, process: Optional[Any], state: Optional[GitState]) -> None:
        self._process = process
        self._state = state
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
            _kill(process)
            self._state["problem"] = f"git did not answer within {_LIMIT:g} s"
            return self._state
        if process.returncode != 0:
            self._state["problem"] = f"git refused (exit status {process.returncode})"
            return self._state
        self._state.update(_parse(output))
        return self._state


def start_git(source: str) -> GitCall:
    """Starts asking for the state of the repository that holds a folder.

    `dirty` is about the folder, not the rest of the repository: whether the commit describes it.

    Args:
        source: The source folder.

    Returns:
        The call; its `result()` waits. In no repository, no process is started.
    """
    repository = find_repository(source)
    if repository is None:
        return GitCall(None, None)
    state: GitState = {"commit": None, "branch": None, "dirty": None, "remote": None}
    texts = config_texts(repository)
    names = filter_names(texts) if texts is not None else None
    if texts is None or names is None:
        state["problem"] = "the repository's configuration is not one that git can safely be run with"
        return GitCall(None, state)
    state["remote"] = remote_url(texts)
    import subprocess  # here: 8 ms, and a folder in no repository needs none of it

    try:
        process = subprocess.Popen(
            _command(sorted(names)),
            cwd=source,
            env=_environment(repository),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return GitCall(None, None)
    return GitCall(process, state)


def git_state(source: str) -> Optional[GitState]:
    """The state of the repository that holds a folder.

    Args:
        source: The source folder.

    Returns:
        As `GitCall.result`.
    """
    return start_git(source).result()


def _command(filters: List[str]) -> List[str]:
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
    return [
        *command,
        "status",
        "--porcelain=v2",
        "--branch",
        "--no-ahead-behind",
        "--untracked-files=normal",
        "--ignore-submodules=all",
        "--",
        ".",
    ]


def _environment(repository: Repository) -> Dict[str, str]:
    """Nothing of ours but where things are; the user's own git settings count, GIT_* variables do not."""
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


def _kill(process: Any) -> None:
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (OSError, AttributeError):
        process.kill()
    process.communicate()


def _parse(output: bytes) -> GitState:
    state: GitState = {"commit": None, "branch": None, "dirty": False}
    for line in output.decode("utf-8", "replace").splitlines():
        if line.startswith("# branch.oid "):
            commit = line[len("# branch.oid ") :]
            state["commit"] = None if commit.startswith("(") else commit
        elif line.startswith("# branch.head "):
            branch = line[len("# branch.head ") :]
            state["branch"] = None if branch == "(detached)" else branch
        elif line and not line.startswith("#"):
            state["dirty"] = True
    return state
