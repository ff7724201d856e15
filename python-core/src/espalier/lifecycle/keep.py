"""Keeping what a job wrote outside of `./outputs` and `./logs`, as files of its run. Standard library only."""

import contextlib
import os
from typing import Any, Dict, List, Optional, Set, Tuple

from espalier.adapters.files import open_regular
from espalier.adapters.inside import append_text, folder_inside
from espalier.adapters.moving import Mover, files_below, made, opened_below, shortened
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobEnv
from espalier.base.paths import WORKDIR, RunPaths, is_temporary, partial
from espalier.base.resources import bytes_of, size_text
from espalier.base.scratch_paths import ABOVE_WORK, WORK, ScratchPaths
from espalier.lifecycle.status import Known
from espalier.lifecycle.touched import Found

# The job's variable by which a user sets how many bytes are kept; what is kept without one, and how many files.
LIMIT_VARIABLE = "ESPALIER_KEEP_LIMIT"
LIMIT_BYTES = 1 << 30
LIMIT_FILES = 10_000
# How much of the runner's log is searched for what was reported before.
_LOG_BYTES = 1 << 20
# How many names a record or a warning has at most.
_NAMED = 20


def take_in(scratch: ScratchPaths, warnings: List[str]) -> None:
    """Move what lies in a scratch folder and isn't espalier's into a folder of the working copy, where it is found and
    kept like all that the job wrote there. May be done again.

    Args:
        warnings: Gets a line for each entry that can't be moved.

    Raises:
        OSError: nothing can be written now.
    """
    own = {*map(os.path.basename, scratch.own), partial(WORK)}
    names = [name for name in os.listdir(scratch.root) if name not in own and not is_temporary(name)]
    if not names:
        return
    with contextlib.suppress(FileExistsError):  # else the job removed it
        os.mkdir(scratch.work)
    mover = Mover(warnings, (scratch.root, os.path.basename(scratch.temporary)))
    work_of = opened_below(scratch.root, (WORK,))
    with opened_below(scratch.root, ()) as above, work_of as work, made(ABOVE_WORK, work) as folder:
        for name in sorted(names):
            mover.move(above, name, folder, name, f"../{name}")


def keep_files(
    known: Known, scratch: ScratchPaths, found: Found, mover: Mover, warnings: List[str], target: str
) -> Optional[Dict[str, Any]]:
    """Move what the job wrote to the run's files, up to a size: the smallest first. May be done again.

    Args:
        warnings: Gets a line on what is not kept.
        target: The folder that gets it.

    Returns:
        `count` and `bytes` of what is kept, `too_large` (`name` and `bytes` of each), `deleted` and `skipped`; None if
        there is none of all that.

    Raises:
        OSError: nothing can be written now.
    """
    run = known.run
    # (what was copied before this process took over is found again, and is not counted twice)
    inside = os.path.relpath(target, run.root)
    names = {folder + name for folder, files in found.files.items() for name, _ in files}
    there = [(name, size) for name, size in files_below(run.root, inside) if name not in names]
    if not (there or found.files or found.deleted or found.skipped):
        return None
    limit = _limit(run, warnings)
    wanted, too_large = _choose(found, limit - sum(size for _, size in there), LIMIT_FILES - len(there))
    if wanted and (known.spec is None or known.spec.keep_workdir):
        mover = Mover(warnings, run.aside, copies=True)
    for folder, each in wanted.items():
        _move(run, scratch, mover, target, folder, each)
    kept = files_below(run.root, inside)
    names_kept = {name for name, _ in kept}
    deleted = [path for path in found.deleted if path not in names_kept]
    if not (kept or too_large or deleted or found.skipped):
        return None
    if too_large:
        warnings.append(_warning(too_large, limit))
    record = {
        "count": len(kept),
        "bytes": sum(size for _, size in kept),
        "too_large": [{"name": name, "bytes": size} for name, size in too_large[:_NAMED]],
        "deleted": deleted[:_NAMED],
        "skipped": found.skipped[:_NAMED],
    }
    _report(run, record, names_kept, len(deleted), inside)
    return record


def _limit(run: RunPaths, warnings: List[str]) -> int:
    try:
        text = read_as(JobEnv, run.env).variables[LIMIT_VARIABLE]
    except (OSError, EspalierError, KeyError):
        return LIMIT_BYTES
    try:
        return bytes_of(int(text) if text.isdecimal() else text, LIMIT_VARIABLE)
    except EspalierError as error:
        warnings.append(error.message)
    except (ValueError, OverflowError):  # more digits than a number has
        warnings.append(f"{LIMIT_VARIABLE} must be a size such as '4 GB', not {text!r:.100}.")
    return LIMIT_BYTES


def _choose(found: Found, size: int, count: int) -> "Tuple[Dict[str, List[str]], List[Tuple[str, int]]]":
    """What is kept, by folder, and what is not, the largest first."""
    every = sorted((size, folder, name) for folder, files in found.files.items() for name, size in files)
    wanted: Dict[str, List[str]] = {}
    for at, (each, folder, name) in enumerate(every):
        if each > size or at >= count:
            rest = [(f"{folder}{name}", each) for each, folder, name in every[at:]]
            return wanted, rest[::-1]
        size -= each
        wanted.setdefault(folder, []).append(name)
    return wanted, []


def _move(run: RunPaths, scratch: ScratchPaths, mover: Mover, target: str, folder: str, names: List[str]) -> None:
    parts = [part for part in folder.split("/") if part]
    below = os.path.relpath(target, run.root).split(os.sep)
    home_of = folder_inside(run.root, [*below, *parts])
    with opened_below(scratch.root, [WORK, *parts]) as source, home_of as home:
        for name in names:
            mover.move(source, name, home, name, folder + name)


def _warning(too_large: List[Tuple[str, int]], limit: int) -> str:
    shown = ", ".join(f"{shortened(name)} ({size_text(size)})" for name, size in too_large[:3])
    more = f" and {len(too_large) - 3} more" if len(too_large) > 3 else ""
    return (
        f"Not kept, because all files outside of ./outputs may have {size_text(limit)} and {LIMIT_FILES:,} in number: "
        f"{shown}{more}. Write them to ./outputs, or set the job's variable {LIMIT_VARIABLE}."
    )


def _report(run: RunPaths, record: Dict[str, Any], names: "Set[str]", deleted: int, where: str) -> None:
    """Lines in the runner's log, each once: another process may do the end of a run again.

    Args:
        where: The folder that got the files, below the run's.
    """
    lines = []
    shown = ", ".join(shortened(f"{where}/{name}") for name in sorted(names)[:5])
    shown += ", ..." if len(names) > 5 else ""
    if names:
        count, size = _files(len(names)), size_text(record["bytes"])
        lines.append(f"Kept {count} ({size}) that the job wrote outside of ./outputs and ./logs: {shown}\n")
    if deleted:
        attempt = "" if where == WORKDIR else f" ({os.path.dirname(where)})"
        shown = ", ".join(map(shortened, record["deleted"][:5]))
        lines.append(f"The job deleted {_files(deleted)} of its working copy: {shown}{attempt}\n")
    known = _lines_of(run.runner_log)
    new = [line for line in lines if line.encode("utf-8", "replace") not in known]
    append_text(run.root, run.runner_log, "".join(new))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _lines_of(path: str) -> "Set[bytes]":
    try:
        with open_regular(path) as file:
            return set(file.read(_LOG_BYTES).splitlines(keepends=True))
    except OSError:
        return set()
