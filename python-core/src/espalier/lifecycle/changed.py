"""What a job changed in its working copy: times first, then the folders they name. Standard library only."""

import os
import time
from typing import Any, Dict, List, Optional

from espalier.adapters.posix import elapsed
from espalier.base.paths import KEPT_FOLDERS
from espalier.base.records import readable_record
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle.scratch import was_begun
from espalier.lifecycle.status import Known
from espalier.lifecycle.touched import Found, Period, Touched, touched_folders

# A clock that was set back by less is taken for one that runs. Seconds.
_CORRECTED = 0.02


def changed_files(known: Known, scratch: ScratchPaths, warnings: List[str]) -> Found:
    """Find what a job that has ended left in its working copy, but for `./outputs`, `./logs` and caches.

    Args:
        warnings: Gets a line for each folder that cannot be read.
    """
    if not was_begun(known.status, scratch):
        return Found({}, [], [])
    job = scratch.directory + "/" if scratch.directory else ""
    skipped = {".git", *(job + name for name in KEPT_FOLDERS)}
    began = _began(scratch)
    period = _period(scratch, began)
    touched = touched_folders(scratch, period, skipped) if period is not None else Touched([], [""])
    if not (touched.folders or touched.unseen):
        return Found({}, [], [])
    # (modules that a job that touched nothing does without: those of the store alone take 5 ms to load)
    from espalier.lifecycle.brought import brought_by
    from espalier.lifecycle.comparison import Comparison

    with brought_by(known.run, known.spec, scratch.directory, began.get("folders", {})) as brought:
        return Comparison(scratch, brought, period, skipped, warnings).found(touched)


def _began(scratch: ScratchPaths) -> Dict[str, Any]:
    began = readable_record(scratch.began)  # (the machine may have stopped before it was on the disk)
    is_whole = isinstance(began.get("time"), (int, float)) and isinstance(began.get("folders", {}), dict)
    return began if is_whole else {}


def _period(scratch: ScratchPaths, began: Dict[str, Any]) -> Optional[Period]:
    """When the working copy was made; None where times say nothing, because the clock was set back or the job's
    beginning isn't known."""
    if not began or time.time() - began["time"] < elapsed(began) - _CORRECTED:
        return None
    end = os.stat(scratch.began).st_mtime_ns
    try:
        begin = os.stat(scratch.note).st_mtime_ns
    except OSError:  # the job can remove the note
        return Period(0, end)
    return Period(begin, end) if begin <= end else None
