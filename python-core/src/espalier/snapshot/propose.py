"""The first `.espalierignore` of a project: what its scripts use stays in, what is large and unused may go out."""

import os
from typing import Dict, List, NamedTuple, Set

from espalier.base.errors import EspalierError
from espalier.snapshot.defaults import DEFAULT_ORIGIN, may_be_secret
from espalier.snapshot.entries import Scan
from espalier.snapshot.file_names import ignore_line, shown
from espalier.snapshot.literals import CODE, DOCUMENTS, kind_of
from espalier.snapshot.mentions import left_out_by, lines_to_include, mentioned
from espalier.snapshot.take import readable_size, scan_source

_LARGE = 10 << 20  # bytes from which it is worth leaving something out
_TOO_LARGE = 100 << 20  # bytes above which data is better an input
_MOST = 10


class Proposal(NamedTuple):
    """Lines for the file, and what to tell the user about them."""

    lines: List[str]
    notes: List[str]


def propose(source: str) -> Proposal:
    """Looks at a project, at what its scripts use and at what is large. Nothing is written.

    Returns:
        Lines that take in what scripts use and another ignore file leaves out, and comments that propose to leave out
        what is large and what no script names.
    """
    try:
        found = scan_source(source, outside_links="keep")
    except EspalierError:  # (the first submit reports it, with the remedy)
        return Proposal([], [])
    scripts = [entry.path for entry in found.files if kind_of(entry.path) in CODE + DOCUMENTS]
    named = {path: who for who, path in mentioned(found.source, scripts)}
    taken, out = _taken_in(found, named), _unused(found, {*named, *scripts})
    return Proposal(taken.lines + out.lines, taken.notes + out.notes)


def _taken_in(found: Scan, named: Dict[str, str]) -> Proposal:
    lines: List[str] = []
    notes: List[str] = []
    for path, who in named.items():
        item = left_out_by(path, found)
        if item is None or item.decision.origin == DEFAULT_ORIGIN or may_be_secret(path) or len(notes) == _MOST:
            continue
        more = [line for line in lines_to_include(found.source, path, found.rules) if line not in lines]
        size = _size_of(os.path.join(found.source, path))
        about = f"{shown(who)} uses {shown(path)} ({readable_size(size)}), which {item.decision.origin} leaves out"
        if not more:
            continue
        if size <= _TOO_LARGE:
            lines += [f"# {about}:", *more]
            notes.append(f"{about}. The new .espalierignore takes it in again.")
        else:
            lines += [f"# {about}. Take it in, or give it to jobs with inputs =", *("#" + line for line in more)]
            notes.append(f"{about}. Give it to jobs with inputs =, or uncomment its line in .espalierignore.")
    return Proposal(lines, notes)


def _unused(found: Scan, used: Set[str]) -> Proposal:
    sizes: Dict[str, int] = {}
    for entry in found.files:
        top = entry.path.split("/")[0]
        sizes[top] = sizes.get(top, 0) + entry.size
    used_tops = {path.split("/")[0] for path in used}
    large = [top for top in sizes if sizes[top] >= _LARGE and top not in used_tops]
    large = sorted(large, key=lambda top: -sizes[top])[:_MOST]
    if not large:
        return Proposal([], [])
    lines = ["# No script names what follows. Remove the # to leave it out:"]
    for top in large:
        is_dir = os.path.isdir(os.path.join(found.source, top))
        lines += [f"# {shown(top)}: {readable_size(sizes[top])}", "#" + ignore_line(top, is_dir)]
    names = ", ".join(f"{shown(top)} ({readable_size(sizes[top])})" for top in large)
    note = f"No script names {names}. To leave it out of snapshots, uncomment its line in .espalierignore."
    return Proposal(lines, [note])


def _size_of(path: str) -> int:
    """Bytes of a file, or of the files below a folder."""
    if not os.path.isdir(path):
        return os.lstat(path).st_size
    return sum(os.lstat(os.path.join(top, name)).st_size for top, _, files in os.walk(path) for name in files)
