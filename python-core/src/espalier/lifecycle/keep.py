"""Keeping what a job wrote outside of `./outputs` and `./logs`, as files of its run. Standard library only."""

import os
from functools import partial
from typing import Any, Dict, List, Optional, Set, Tuple

from espalier.adapters.below import files_below
from espalier.adapters.files import open_regular
from espalier.adapters.inside import append_text, folder_inside
from espalier.adapters.moving import Mover, opened_below, shortened
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import WORKDIR, RunPaths
from espalier.base.records import read_record
from espalier.base.resources import bytes_of, size_text
from espalier.base.scratch_paths import WORK, ScratchPaths
from espalier.lifecycle.changed import changed_files
from espalier.lifecycle.collect import aside_of
from espalier.lifecycle.found import Found

# The job's variable by which a user sets how many bytes are kept; what is kept without one, and how many files.
LIMIT_VARIABLE = "ESPALIER_KEEP_LIMIT"
LIMIT_BYTES = 1 << 30
LIMIT_FILES = 10_000
# How much of the runner's log is searched for what was reported before.
_LOG_BYTES = 1 << 20
# How many names a record or a warning has at most.
_NAMED = 20


def find_files(run: RunPaths, scratch: ScratchPaths, warnings: List[str]) -> Found:
    """Find what a job left in its working copy outside of `./outputs` and `./logs`. See `changed_files`."""
    return changed_files(run, scratch, partial(_definition, run), warnings)


def keep_files(
    run: RunPaths, scratch: ScratchPaths, found: Found, mover: Mover, warnings: List[str], target: str
) -> Optional[Dict[str, Any]]:
    """Move what the job wrote to the run's files, up to a size: the smallest first. May be done again.

    Args:
        found: What was found.
        warnings: Gets a line on what is not kept.
        target: The folder that gets it.

    Returns:
        `count` and `bytes` of what is kept, `too_large` (`name` and `bytes` of each), `deleted` and `skipped`; None if
        there is none of all that.

    Raises:
        OSError: nothing can be written now.
    """
    # (what was copied before this process took over is found again, and is not counted twice)
    inside = os.path.relpath(target, run.root)
    names = {folder + name for folder, files in found.files.items() for name, _ in files}
    there = [(name, size) for name, size in files_below(run.root, inside) if name not in names]
    if not (there or any(found)):
        return None
    limit = _limit(run, warnings)
    wanted, too_large = _choose(found, limit - sum(size for _, size in there), LIMIT_FILES - len(there))
    spec = _definition(run) if wanted else None
    if wanted and (spec is None or spec.keep_workdir):
        mover = Mover(warnings, aside_of(run), copies=True)
    for folder, each in wanted.items():
        _move(run, scratch, mover, target, folder, each)
    kept = files_below(run.root, inside)
    kept_names = {name for name, _ in kept}
    deleted = [path for path in found.deleted if path not in kept_names]
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
    _report(run, record, kept_names, len(deleted), inside)
    return record


def _limit(run: RunPaths, warnings: List[str]) -> int:
    variables = (_record(run.env) or {}).get("variables")
    text = variables.get(LIMIT_VARIABLE) if isinstance(variables, dict) else None
    if not isinstance(text, str):
        return LIMIT_BYTES
    try:
        return bytes_of(int(text) if text.isdigit() else text, LIMIT_VARIABLE)
    except EspalierError as error:
        warnings.append(error.message)
    except (ValueError, OverflowError):  # more digits than a number has
        warnings.append(f"{LIMIT_VARIABLE} must be a size such as '4 GB', not {text!r:.100}.")
    return LIMIT_BYTES


def _definition(run: RunPaths) -> Optional[JobSpec]:
    try:
        return read_as(JobSpec, run.spec)
    except (OSError, EspalierError):
        return None


def _record(path: str) -> Optional[Dict[str, Any]]:
    try:
        return read_record(path)
    except (OSError, EspalierError):
        return None


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
