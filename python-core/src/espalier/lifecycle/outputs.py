"""Whether a run has the outputs that it declared; looked at when its job has ended well."""

import os
import stat
from typing import List, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.base.model.job import Output
from espalier.base.paths import KEPT_FOLDERS, WORKDIR, RunPaths
from espalier.lifecycle.near_names import files_below

_SHOWN = 5


def missing_output(run: RunPaths, outputs: Sequence[Output]) -> Optional[EspalierError]:
    """What to say of the first declared output that the run doesn't have; None if it has all."""
    missing = [item for item in outputs if not _has(run, item.path)]
    return _missing(run, missing) if missing else None


def _has(run: RunPaths, path: str) -> bool:
    """Whether a run has a plain file or folder. (What lies behind a link is not the run's.)"""
    place = os.path.join(os.path.realpath(run.root), path)
    try:
        mode = os.lstat(place).st_mode
    except (OSError, ValueError):
        return False
    return os.path.realpath(place) == place and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _missing(run: RunPaths, missing: Sequence[Output]) -> EspalierError:
    import difflib  # only where a job has failed

    first, others = missing[0], len(missing) - 1
    files = _files(run)
    near = difflib.get_close_matches(first.path, files, 1)
    found = ", ".join(files[:_SHOWN])
    left = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    more = f" {others} more of its outputs {'is' if others == 1 else 'are'} missing." if others else ""
    message = f"The job ended well, and its output {first.name}, {first.path}, isn't there.{more}"
    if near:
        return EspalierError("output_missing", message, f"Did you mean {near[0]}, which is there?")
    seen = f" The run has {found}{left}." if files else " The run has no files."
    return EspalierError("output_missing", message + seen, "Write it there, or leave it out of `outputs`.")


def _files(run: RunPaths) -> List[str]:
    folders = (*KEPT_FOLDERS, WORKDIR)
    return [f"{folder}/{path}" for folder in folders for path in files_below(os.path.join(run.root, folder))]
