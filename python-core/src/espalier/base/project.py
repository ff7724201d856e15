"""The top of a project: the folder that root finders (here, rprojroot, usethis, git) would name."""

import os
from typing import FrozenSet, Iterator, Optional

# Names that mark the top of a project; a file `*.Rproj` does too.
MARKS = frozenset((".git", ".here", "DESCRIPTION", "renv.lock", "_targets.R", "pyproject.toml"))


def project_root(folder: str) -> Optional[str]:
    """The nearest folder, at or above `folder`, that is marked as the top of a project.

    Args:
        folder: An absolute path.

    Returns:
        The top's path, or None if no folder on the way up has a mark. The user's home folder and those above it
        count only if `folder` is that folder: a stray mark there must not capture every project below.
    """
    return next((at for at in folders_up(folder) if is_marked(at)), None)


def folders_up(folder: str) -> Iterator[str]:
    """A folder and those above it, as far as a project may reach: the user's home folder and those above it never.

    Args:
        folder: An absolute path. It always comes first, also where it is the home folder.
    """
    home = os.path.realpath(os.path.expanduser("~"))
    at = os.path.realpath(folder)
    while True:
        yield at
        above = os.path.dirname(at)
        if above == at or home == above or home.startswith(os.path.join(above, "")):
            return
        at = above


def is_marked(folder: str, marks: FrozenSet[str] = MARKS) -> bool:
    """Whether a folder holds a mark of a project's top; False if it can't be read.

    Args:
        marks: The names that count. A file `*.Rproj` counts with the default.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    # (a source folder may have thousands of names, which one search sees at once; none has a `/`)
    return not marks.isdisjoint(names) or (marks is MARKS and ".Rproj/" in "/".join([*names, ""]))
