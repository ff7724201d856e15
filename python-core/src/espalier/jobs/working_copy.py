"""How a run's working copy is laid out: as the project that its source folder lies in."""

import os
from typing import List, Optional, Tuple

from espalier.base.model.job import CopyRepository, WorkingCopy
from espalier.base.project import project_root
from espalier.base.records import read_plain
from espalier.snapshot.gitconfig import Repository

# An index of git that is larger is not copied.
_LARGEST_INDEX = 64 << 20


def working_copy(source: str, repository: Optional[Repository], commit: Optional[str]) -> WorkingCopy:
    """The layout of a run's working copy.

    Its top is that of the git repository, whose paths begin there, else the nearest folder that is marked as the top
    of a project, else the source folder.

    Args:
        repository: The git repository it lies in.
        commit: The commit that is current in it.

    Returns:
        Where the source folder lies in it, which files mark the top of a project (they are made empty where the
        snapshot does not bring them) and what the copy's own repository is made from.
    """
    place = os.path.realpath(source)
    root = repository.top if repository is not None else project_root(place)
    top = root or place
    directory = "" if place == top else os.path.relpath(place, top)
    if not _is_text(directory):
        top, directory, repository = place, "", None
    git = CopyRepository(commit, repository.common_dir) if repository and _is_text(repository[2]) else None
    # (a folder with such a mark would be the root)
    marks = _marks(top, directory) if root else []
    return WorkingCopy(directory, tuple(marks), git)


def read_index(repository: Optional[Repository]) -> bytes:
    """The index of a repository; empty if there is none that could be copied."""
    if repository is None:
        return b""
    path = os.path.join(repository.git_dir, "index")
    try:
        return read_plain(path, follow=True, follow_folder=True, limit=_LARGEST_INDEX)
    except OSError:
        return b""


def _marks(top: str, directory: str) -> List[str]:
    """Marks for R's root finders at the top and on the way to the source folder, by their paths from the top."""
    found: List[str] = []
    for folder, prefix in _way(top, directory):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        # (a source folder may have thousands of names)
        marks = [name for name in names if name == ".here" or name.endswith(".Rproj")]
        found += [prefix + name for name in sorted(marks) if _is_text(name)]
    return found


def _way(top: str, directory: str) -> List[Tuple[str, str]]:
    """Each folder from the top to the source folder, and its path from the top with a `/` at its end."""
    way = [(top, "")]
    for part in directory.split("/") if directory else ():
        folder, prefix = way[-1]
        way.append((os.path.join(folder, part), f"{prefix}{part}/"))
    return way


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\n" not in path
