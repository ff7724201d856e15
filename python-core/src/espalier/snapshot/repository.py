"""The git repository that a source folder lies in: where its parts are, and whose it is. No process is started."""

import os
from typing import NamedTuple, Optional, Tuple

from espalier.records import read_plain


class Repository(NamedTuple):
    """Where a repository's parts lie: its top folder, its git folder, the one its worktrees share."""

    top: str
    git_dir: str
    common_dir: str


def owned_repository(source: str) -> Tuple[Optional[Repository], bool]:
    """Look for the repository that holds a folder.

    Args:
        source: The folder.

    Returns:
        The repository; None when the folder lies in none, or in one of another user: git gets its path, so that it
        does not refuse, and that user could change its settings at any moment. And whether it is another user's.
    """
    repository = _repository_around(source)
    is_anothers = repository is not None and _is_anothers(repository)
    return None if is_anothers else repository, is_anothers


def _is_anothers(repository: Repository) -> bool:
    """Whether a repository belongs to another user, who is not root: `/tmp/.git` may be anybody's."""
    if not hasattr(os, "geteuid"):
        return False
    places = (repository.git_dir, repository.common_dir, os.path.join(repository.top, ".git"))
    owners = {os.stat(place).st_uid for place in places if os.path.exists(place)}
    return not owners <= {os.geteuid(), 0}


def _repository_around(source: str) -> Optional[Repository]:
    folder = os.path.realpath(source)
    while True:
        dot = os.path.join(folder, ".git")
        if os.path.isfile(dot):  # a worktree or a submodule
            line = _text(dot)
            if not line.startswith("gitdir:"):
                return None
            dot = os.path.normpath(os.path.join(folder, line[len("gitdir:") :].strip()))
        if os.path.isfile(os.path.join(dot, "HEAD")):
            shared = _text(os.path.join(dot, "commondir"))
            return Repository(folder, dot, os.path.normpath(os.path.join(dot, shared)) if shared else dot)
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _text(path: str) -> str:
    try:
        return os.fsdecode(read_plain(path, follow=True)).strip()
    except OSError:
        return ""
