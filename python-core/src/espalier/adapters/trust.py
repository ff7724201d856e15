"""Whether what is to be executed can be changed by another user. Standard library only: the runner loads this file."""

import contextlib
import os
import stat
from typing import List, Optional, Sequence, Tuple

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths, WorkspacePaths, temporary

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0
# A package with more files isn't looked through.
_MANY = 2000
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
    """Refuse a module that another user could change, or any of the package that it belongs to: it may import each
    file of that, and Python reads bytecode in the place of a file.

    Args:
        folder: The folder that programs are looked for in.

    Raises:
        EspalierError: `writable_by_others`.
        OSError: it is missing.
    """
    paths = _up(path, folder)
    paths += [*_files_of(_package_of(folder, path)), *_bytecode_of(path)]
    paths += [above for link in filter(os.path.islink, paths) for above in _up(os.path.realpath(link), os.sep)]
    _refuse([each for each in paths if each == folder or not _is_shared(each)], folder, folder)


def _up(path: str, top: str) -> List[str]:
    """A path and the folders above it, up to one of them."""
    paths = [path]
    while len(paths[-1]) > len(top):
        paths.append(os.path.dirname(paths[-1]))
    return paths


def _is_shared(path: str) -> bool:
    """Whether it is a folder as `/tmp`, whose files only their owners rename."""
    found = os.lstat(path)
    return stat.S_ISDIR(found.st_mode) and bool(found.st_mode & stat.S_ISVTX) and found.st_uid == _ROOT


def _package_of(folder: str, path: str) -> str:
    """The outermost package that a file is in, which isn't a folder that packages share; the file if there is none."""
    parts = os.path.relpath(path, folder).split(os.sep)
    for count in range(1, len(parts)):
        place = os.path.join(folder, *parts[:count])
        if os.path.isfile(os.path.join(place, "__init__.py")):
            return place
    return path


def _files_of(package: str) -> List[str]:
    """All that is in a package."""
    found: List[str] = []
    for place, folders, files in os.walk(package, followlinks=True):
        found += [os.path.join(place, name) for name in (*folders, *files)]
        if len(found) > _MANY:
            raise EspalierError(
                "writable_by_others",
                f"Can't tell whether another user may have changed {package}: it has more than {_MANY} files.",
                "Move the executor to a separate package.",
                path=package,
            )
    return found


def _bytecode_of(path: str) -> List[str]:
    """The bytecode of a module that is in no package, and its folder."""
    place, stem = os.path.join(os.path.dirname(path), "__pycache__"), os.path.basename(path)[: -len("py")]
    try:
        return [place, *(os.path.join(place, name) for name in os.listdir(place) if name.startswith(stem))]
    except FileNotFoundError:
        return []


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
    the same owner and mode, and on some NFS root is mapped to another user."""
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
    remedy = f"Check the files there, then run `chmod -R go-w {top}`."
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
