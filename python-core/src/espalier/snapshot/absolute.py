"""Absolute paths of the project in a job's scripts: with them a job works in the project itself, not in its copy."""

import os
from typing import List, Optional, Sequence

from espalier.base.project import project_root
from espalier.snapshot.mentions import Literals
from espalier.snapshot.names import shown

_MOST_WARNINGS = 3
_MOST_PATHS = 3
_LONGEST = 1024


def absolute_mentions(source: str, scripts: Sequence[Literals], given: Sequence[str] = ()) -> List[str]:
    """A warning for each script of a job that names absolute paths of the project, three at most.

    Args:
        source: The source folder.
        scripts: The job's scripts.
        given: Paths that the job may use: its inputs, the workspace.

    Returns:
        The warnings, in the order of the scripts.
    """
    if not any(_is_absolute(literal) for file in scripts for chain in file.chains for literal in chain):
        return []
    source = os.path.abspath(source)
    tops = [source, os.path.realpath(source)]
    tops.append(project_root(source) or source)
    allowed = [os.path.realpath(path) for path in given]
    found: List[str] = []
    for file, chains, _ in scripts:
        named = [path for path in (_in_project(chain, tops) for chain in chains) if path is not None]
        paths = [path for path in named if not any(is_below(os.path.realpath(path), at) for at in allowed)]
        paths = list(dict.fromkeys(paths))
        if paths and len(found) < _MOST_WARNINGS:
            found.append(f"{shown(file)} names {_listed(paths, tops)}")
    if found:
        found[0] += (
            " A job works in a copy, and what it writes by such a path isn't kept with the run. Use relative paths."
        )
    return found


def _listed(paths: List[str], tops: Sequence[str]) -> str:
    """The paths, of many the first three."""
    if len(paths) == 1:
        where = "the project itself" if paths[0] in tops else "which lies in the project itself"
        return f'"{shown(paths[0])}", {where}.'
    more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
    return "paths of the project itself: " + ", ".join(f'"{shown(path)}"' for path in paths[:_MOST_PATHS]) + f"{more}."


def _in_project(chain: List[str], tops: Sequence[str]) -> Optional[str]:
    """The path that literals in a row name, if it is in the project: `file.path("/home/me", "project")`."""
    for count in range(1, len(chain) + 1):
        literal = "/".join(chain[:count])
        if not _is_absolute(literal) or len(literal) > _LONGEST or "\n" in literal or "\0" in literal:
            return _in_project(chain[1:], tops) if count == 1 else None
        path = os.path.normpath(os.path.expanduser(literal))
        if any(is_below(path, top) for top in tops):
            return path
    return None


def _is_absolute(literal: str) -> bool:
    return literal.startswith(("/", "~/"))


def is_below(path: str, top: str) -> bool:
    """Whether a path is that of a folder, or of something in it."""
    return path == top or path.startswith(os.path.join(top, ""))
