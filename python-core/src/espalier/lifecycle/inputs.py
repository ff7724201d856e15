"""At the end of a run: whether its inputs are still what was submitted (the second line, after read-only copies), and,
where its job has ended well, whether it has the outputs that it declared."""

import os
import stat
from typing import List, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.base.model.job import Input, Output
from espalier.base.paths import KEPT_FOLDERS, WORKDIR, RunPaths
from espalier.base.records import now_iso
from espalier.lifecycle.near_names import files_below
from espalier.lifecycle.status import Known
from espalier.store.input_digests import LeadsOutside, content_digest, measure

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
    message = f"Can't find {first.path}, the output {first.name}, though the job succeeded.{more}"
    if near:
        return EspalierError("output_missing", message, f"Did you mean {near[0]}, which is there?")
    seen = f" The run has {found}{left}." if files else " The run has no files."
    return EspalierError("output_missing", message + seen, "Write it there, or leave it out of `outputs`.")


def _files(run: RunPaths) -> List[str]:
    folders = (*KEPT_FOLDERS, WORKDIR)
    return [f"{folder}/{path}" for folder in folders for path in files_below(os.path.join(run.root, folder))]


def changed_inputs(known: Known) -> List[str]:
    """A warning for each input that changed, and for each copy that the job wrote to."""
    try:
        # (an output of another run is final, and its copy was made when this one began; what was fetched may be huge)
        inputs = known.spec.inputs if known.spec else ()
        return [text for item in inputs if not (item.is_to_come or item.url) for text in _warnings(known.run, item)]
    except Exception:  # a damaged spec: the end of the run does not depend on it
        return []


def _warnings(run: RunPaths, item: Input) -> List[str]:
    found = []
    what = f"The input {item.name} ({item.path})"
    copied = item.is_copied
    if copied and not _is_intact(run, item):
        found.append(f"{what} was changed by the job in its private copy; the original is not affected by that.")
    if not _is_unchanged(item):
        read = "; the job had a copy of what was submitted" if copied else ""
        found.append(f"{what} changed between submit and the end of the run{read}.")
    return found


def _is_unchanged(item: Input) -> bool:
    try:
        size, changed, files = measure(item.path)
    except OSError:
        return False
    return (size, now_iso(changed), files) == (item.size, item.modified_at, item.files)


def _is_intact(run: RunPaths, item: Input) -> bool:
    copy = run.input_copy(item.name, item.path)
    inside = os.path.join(os.path.realpath(run.root), os.path.relpath(copy, run.root))
    try:
        if os.path.realpath(copy) != inside:  # a link in its place may lead anywhere, and to any amount
            return False
        size, _, files = measure(copy)
        return (size, files) == (item.size, item.files) and content_digest(copy) == item.digest
    except (OSError, LeadsOutside):
        return False
