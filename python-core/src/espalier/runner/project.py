"""What makes the working copy look like the project it is a copy of: marks of its top, and a git repository.

Programs that climb from the job's folder to find their project (here, rprojroot, renv, git) so end inside the copy.
Nothing is ever written to the user's repository: the one in the copy borrows its objects. Loaded only for runs with a
source folder, standard library only.
"""

import contextlib
import os
from typing import List

from espalier.base.model.job import CopyRepository, WorkingCopy
from espalier.base.paths import RunPaths
from espalier.base.records import FILE_MODE, make_folders
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle.brought import stub_content, stubs_of

# Larger parts of a repository are not copied.
_LARGEST = 64 << 20


def dress_up(run: RunPaths, scratch: ScratchPaths, working_copy: WorkingCopy) -> None:
    """Add to the working copy what its snapshot did not bring."""
    added = [stub for stub in stubs_of(working_copy) if _add_stub(scratch, stub)]
    git = working_copy.git
    if git is not None:
        with contextlib.suppress(OSError, UnicodeError):  # a job is not to fail for want of it
            _make_repository(run, os.path.join(scratch.work, ".git"), git, added)


def _add_stub(scratch: ScratchPaths, stub: str) -> bool:
    if {"", ".", ".."} & set(stub.split("/")):
        return False
    try:
        path = os.path.join(scratch.work, stub)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    except OSError:  # the snapshot brought it
        return False
    try:
        os.write(fd, stub_content(stub))
    finally:
        os.close(fd)
    return True


def _make_repository(run: RunPaths, place: str, git: CopyRepository, hidden: List[str]) -> None:
    """A repository with the commit that was current at submit and the index of then.

    Args:
        git: `commit` (None before the first one) and `common_dir`, the user's repository.
        hidden: What `git status` is not to mention.
    """
    commit, common = git.commit, git.common_dir
    for folder in ("refs/heads", "objects/info", "objects/pack", "info"):
        make_folders(os.path.join(place, folder), exist_ok=False)
    is_sha256 = commit is not None and len(commit) == 64
    # (what git asks of a repository's format it reads without includes; of other settings the last counts)
    config = f'[include]\n\tpath = "{_quoted(common)}/config"\n'
    config += f"[core]\n\trepositoryformatversion = {int(is_sha256)}\n\tbare = false\n"
    config += "[extensions]\n\tobjectFormat = sha256\n" if is_sha256 else ""
    _write(place, "config", config)
    if not any(char in common for char in '\n"#'):
        _write(place, "objects/info/alternates", os.path.join(common, "objects") + "\n")
    _copy(os.path.join(common, "shallow"), os.path.join(place, "shallow"))
    exclude = os.path.join(place, "info", "exclude")
    _copy(os.path.join(common, "info", "exclude"), exclude)
    with open(exclude, "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write("".join(f"\n/{path}" for path in hidden) + "\n")
    _copy(run.git_index, os.path.join(place, "index"))
    _write(place, "HEAD", f"{commit or 'ref: refs/heads/main'}\n")  # last: without it, it is no repository


def _quoted(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _write(place: str, name: str, text: str) -> None:
    with open(os.path.join(place, name), "x", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _copy(source: str, target: str) -> None:
    """Copy a small file, if there is one."""
    with contextlib.suppress(FileNotFoundError), open(source, "rb") as file:
        data = file.read(_LARGEST + 1)
        if len(data) <= _LARGEST:
            with open(target, "xb") as copy:
                copy.write(data)
