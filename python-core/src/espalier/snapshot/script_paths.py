"""Paths in a job's scripts that don't lead into its working copy, and a warning of each.

Absolute paths of the project: with them a job works in the project itself, not in its copy. Paths that lead out of the
source folder, such as `../R/x.R` and `here("R", "x.R")`: the job doesn't find what is there.
"""

import os
from functools import partial
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from espalier.base.names import is_within
from espalier.base.project import folders_up, project_root
from espalier.snapshot.file_names import shown
from espalier.snapshot.literals import DOCUMENTS, kind_of
from espalier.snapshot.mentions import Literals, existing, path_in

_MOST_WARNINGS = 3
_MOST_PATHS = 3
_LONGEST = 1024
_MOST_NAMED = 3


def absolute_mentions(source: str, scripts: Sequence[Literals], given: Sequence[str] = ()) -> List[str]:
    """A warning for each script of a job that names absolute paths of the project, three at most.

    Args:
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
        paths = [path for path in named if not any(is_within(os.path.realpath(path), at) for at in allowed)]
        paths = list(dict.fromkeys(paths))
        if paths and len(found) < _MOST_WARNINGS:
            found.append(f"{shown(file)} names {_listed(paths, tops)}")
    if found:
        found[0] += (
            " A job works in a copy, and files that it writes there aren't kept with the run. Use relative paths."
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
        if any(is_within(path, top) for top in tops):
            return path
    return None


def _is_absolute(literal: str) -> bool:
    return literal.startswith(("/", "~/"))


def mentions_above(
    source: str, scripts: Sequence[Literals], given: Sequence[str] = (), words: Sequence[Tuple[str, str]] = ()
) -> List[str]:
    """A warning, if a job names what exists outside of its source folder, by a path that begins with `..`, or at its
    project's top.

    Args:
        scripts: The job's scripts, the entry script first; none for a command.
        given: Paths that the job may use: its inputs, the workspace.
        words: What else names files, with who names them: `("The command", "../data/x.csv")`.
    """
    if not words and not any(file.chains for file in scripts):
        return []
    source = os.path.realpath(source)
    mentions = list(_mentioned(source, scripts, words))
    allowed = [source, *map(os.path.realpath, given)] if mentions else []
    found: Dict[str, Tuple[str, str]] = {}
    for who, path, written in mentions:
        place = os.path.realpath(os.path.join(source, path))
        if not any(is_within(place, folder) for folder in allowed):
            found.setdefault(path, (who, written))
    if not found:
        return []
    (who, _), *_ = found.values()
    paths = {path: written for path, (_, written) in list(found.items())[:_MOST_NAMED]}
    lie = "lies" if len(paths) == 1 else "lie"
    remedy = _remedy(source, scripts[0].file, paths) if scripts else ""
    return [
        f"{who} names {_quoted(paths.values())}, which {lie} outside of the source folder. A job gets a copy of the "
        f'source folder alone. {remedy}Data can be given with inputs = list(name = "path").'
    ]


def _mentioned(
    source: str, scripts: Sequence[Literals], words: Sequence[Tuple[str, str]]
) -> Iterator[Tuple[str, str, str]]:
    """Who names a path, the path from the source folder, and as it is written."""
    for who, word in words:
        for path in existing([word], partial(_above, source, "", "")):
            yield who, path, path
    root = (project_root(source) if any(script.finds_root for script in scripts) else None) or source
    for file, chains, finds_root in scripts:
        folder = os.path.dirname(file)
        # (a document works in its own folder)
        base = folder if kind_of(file) in DOCUMENTS else ""
        for chain in chains:
            for path in existing(chain, partial(_above, source, base, folder)):
                yield shown(file), path, path
            for path in existing(chain, partial(_at_top, source, root)) if finds_root and root != source else ():
                yield shown(file), os.path.relpath(os.path.join(root, path), source), path


def _above(source: str, base: str, folder: str, literal: str) -> Optional[str]:
    """A literal as the path, from the source folder, of what exists above it.

    Args:
        base: Where in the source folder its script works.
        folder: Where its script lies. The user may work there, and then the path may lead into the source folder.
    """
    named = path_in(literal)
    path, beside = (os.path.normpath(os.path.join(at, named or "")) for at in (base, folder))
    if not path.startswith("../") or set(path.split("/")) == {".."}:
        return None
    if not beside.startswith("..") and os.path.lexists(os.path.join(source, beside)):
        return None
    return path if os.path.exists(os.path.join(source, path)) else None


def _at_top(source: str, root: str, literal: str) -> Optional[str]:
    """A literal as the path, from the project's top, of a file that the source folder doesn't have."""
    path = os.path.normpath(path_in(literal) or "/")
    if os.path.isabs(path) or path.startswith("..") or os.path.lexists(os.path.join(source, path)):
        return None
    return path if os.path.isfile(os.path.join(root, path)) else None


def _remedy(source: str, script: str, paths: Mapping[str, str]) -> str:
    """Which folder to submit instead; empty if that would be more than a project."""
    up = max(path.split("/").count("..") for path in paths)
    root, above = project_root(source), list(folders_up(source))
    if up >= len(above) or root == source or (root is not None and not is_within(above[up], root)):
        return ""
    top = root or above[up]
    text = f'Submit {shown(top)} with entry_script = "{shown(os.path.relpath(os.path.join(source, script), top))}"'
    from_top = {os.path.relpath(os.path.join(source, path), top): written for path, written in paths.items()}
    changed = [path for path, written in from_top.items() if path != written]
    if not changed or kind_of(script) in DOCUMENTS:
        return f"{text}. "
    return f"{text}, and name {_quoted(changed)} in the script. "


def _quoted(paths: Iterable[str]) -> str:
    return " and ".join(f'"{shown(path)}"' for path in paths)
