"""Whether what is to be executed can be changed by another user. Standard library only: the runner loads this file."""

import contextlib
import os
import stat
from typing import Optional, Sequence, Tuple

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths, WorkspacePaths, temporary

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0
# What a file system makes of owner and mode: the owner of what this user creates, and whether modes count.
_Rules = Tuple[int, bool]


def refuse_foreign_run(run: RunPaths) -> Optional[str]:
    """Refuse a run that another user could have written.

    Returns:
        A warning where its file system has no permissions, so that nothing is known; else None.

    Raises:
        EspalierError: `writable_by_others`.
        OSError: one of its records is missing.
    """
    workspace = run.workspace
    records = [run.spec, run.env, run.status]
    return _refuse([*records, run.root, run.shard, workspace.runs, workspace.root], run.shard, workspace.root)


def refuse_foreign_workspace(workspace: WorkspacePaths) -> Optional[str]:
    """Refuse a workspace in which another user could change what is executed. See `refuse_foreign_run`."""
    folders = [folder for folder in (workspace.root, workspace.runs) if os.path.isdir(folder)]
    return _refuse(folders, workspace.root, workspace.root)


def refuse_foreign_folder(folder: str) -> None:
    """Refuse a folder of programs that another user could change. Raises EspalierError `writable_by_others`."""
    _refuse([folder], folder, folder)


def refuse_foreign_code(folder: str, path: str) -> None:
    """Refuse a file of a program that another user could change.

    Args:
        folder: The folder that programs are looked for in.
        path: The file, below it.

    Raises:
        EspalierError: `writable_by_others`.
        OSError: it is missing.
    """
    paths = [path]
    while len(paths[-1]) > len(folder):
        paths.append(os.path.dirname(paths[-1]))
    _refuse(paths, folder, folder)


def refuse_replaceable(folder: str) -> None:
    """Refuse a folder in which another user could put something else in the place of what lies there, as is not so in
    `/tmp`, whose files only their owners rename.

    Raises:
        EspalierError: `writable_by_others`.
        OSError: it is missing.
    """
    found = os.stat(folder)
    if found.st_mode & stat.S_ISVTX and found.st_uid in (os.geteuid(), _ROOT):
        return
    try:
        _refuse([folder], folder, folder)
    except EspalierError as error:
        hint = f"Use a folder of your own in it, or run `chmod go-w {folder}`."
        raise EspalierError(error.code, error.message, hint, path=folder) from error


def _refuse(paths: Sequence[str], writable: str, top: str) -> Optional[str]:
    if not hasattr(os, "geteuid"):  # Windows, where nothing is executed
        return None
    rules = (os.geteuid(), True)
    problems = [problem for problem in (_problem(path, top, rules) for path in paths) if problem]
    if not problems:
        return None
    rules = _rules_of(writable)
    for path in paths:
        problem = _problem(path, top, rules)
        if problem:
            raise _refusal(path, problem, top)
    _, has_modes = rules
    if has_modes:
        return None
    return f"Other users may be able to change what is executed: the file system of {top} has no permissions."


def _problem(path: str, top: str, rules: _Rules) -> Optional[str]:
    # (the workspace itself may lie behind a link of the user's)
    found = os.stat(path) if path == top else os.lstat(path)
    owner, has_modes = rules
    if found.st_uid not in (owner, _ROOT):
        return f"it belongs to {_name_of(found.st_uid)}"
    if has_modes and not stat.S_ISLNK(found.st_mode) and found.st_mode & _OTHERS_WRITE:
        return f"other users can write to it (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def _rules_of(folder: str) -> _Rules:
    """What becomes of a file that this user creates in a folder: on CIFS, FAT or Windows drives of WSL each file has
    the same owner and mode, and on some NFS root is nobody."""
    try:
        path = temporary(folder)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR)
    except OSError:
        return os.geteuid(), True
    try:
        with contextlib.suppress(OSError):
            os.fchmod(fd, stat.S_IRUSR | stat.S_IWUSR)
        found = os.fstat(fd)
    finally:
        os.close(fd)
        os.unlink(path)
    return found.st_uid, not found.st_mode & _OTHERS_WRITE


def _refusal(path: str, problem: str, top: str) -> EspalierError:
    is_owned = problem.startswith("it belongs")
    remedy = f"Look at what lies there, then run `chmod -R go-w {top}`."
    return EspalierError(
        "writable_by_others",
        f"Can't execute what another user may have changed: {path}: {problem}.",
        "Use a folder of your own." if is_owned else remedy,
        path=path,
    )


def _name_of(uid: int) -> str:
    import pwd

    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with the number {uid}"
