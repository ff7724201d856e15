"""The runs that have a run as their parent: who they are. What becomes of them when it ends: `end.py`.

Who they are stands in the parent's folder, an entry each in `children/`, so that readers needn't look at all runs. An
entry is written before its run is there, and counts only where the run itself names this parent.
"""

import contextlib
import os
from typing import Any, Iterator, List, Mapping, Optional, Set

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths, is_run_id
from espalier.base.records import readable_record
from espalier.lifecycle.ask import ask_to_cancel
from espalier.lifecycle.status import status_of

# What a job chooses for its children (spec.json, `children`).
WAIT = "wait"
DETACH = "detach"
# How many failed children are told one by one.
_TOLD = 10


@contextlib.contextmanager
def opened_entries(path: str) -> Iterator[int]:
    """A folder that a job may have replaced by a link, which is not followed."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def children_of(run: RunPaths) -> List[RunPaths]:
    """The runs whose parent this is; entries of what was never placed, or is another's, are left out."""
    try:
        with opened_entries(run.children) as folder:
            names = sorted(os.listdir(folder))
    except OSError:  # there are none, or what lies there is no folder
        return []
    own, workspace = os.path.basename(run.root), run.workspace
    return [child for child in map(workspace.run, filter(is_run_id, names)) if parent_of(child) == own]


def parent_of(run: RunPaths) -> Optional[str]:
    """The run's parent, by its own definition; None where it has none or cannot be read."""
    return _parent_in(readable_record(run.spec))


def _parent_in(definition: Mapping[str, Any]) -> Optional[str]:
    parent = definition.get("parent")
    return parent if isinstance(parent, str) and is_run_id(parent) else None


def descendants_of(run: RunPaths) -> List[RunPaths]:
    """Children, their children and so on, parents first."""
    found: List[RunPaths] = []
    seen: Set[str] = {run.root}
    pending = [run]
    while pending:
        for child in children_of(pending.pop(0)):
            if child.root not in seen:
                seen.add(child.root)
                found.append(child)
                pending.append(child)
    return found


def ancestors_of(run: RunPaths) -> Iterator[RunPaths]:
    """The run's parent, that one's parent, and so on."""
    seen: Set[str] = set()
    parent = parent_of(run)
    while parent is not None and parent not in seen:
        seen.add(parent)
        above = run.workspace.run(parent)
        yield above
        parent = parent_of(above)


def is_descendant(run: RunPaths, ancestor_id: str) -> bool:
    """Whether a run is below another one, at any depth."""
    return any(os.path.basename(above.root) == ancestor_id for above in ancestors_of(run))


def is_canceled(run: RunPaths, definition: Mapping[str, Any]) -> bool:
    """Whether a run must not be started: it was asked to be canceled, or one above it was and has not ended yet, which
    then is written here too.
    """
    if os.path.exists(run.cancel):
        return True
    for above in ancestors_of(run) if _parent_in(definition) else ():
        status = status_of(above) if os.path.exists(above.cancel) else None
        if status is not None and not states.is_final(status.state):
            ask_to_cancel(run, parent=os.path.basename(above.root))
            return True
    return False


def open_children(run: RunPaths) -> List[RunPaths]:
    """Children that are executed, or will be, and have not ended. Those that are recorded by hand are none of them."""
    found = []
    for child in children_of(run):
        status = status_of(child)
        if status is not None and not states.is_final(status.state) and not status.is_recorded:
            found.append(child)
    return found


def choice_of(run: RunPaths) -> str:
    """What a run chose for its children: `wait` or `detach`."""
    try:
        return read_as(JobSpec, run.spec).children
    except (OSError, EspalierError):
        return WAIT


def failed_children(run: RunPaths) -> List[str]:
    """A warning for each child that failed, for the parent's own record."""
    told = []
    for child in children_of(run):
        status = status_of(child)
        if status is not None and status.state == states.FAILED:
            message = (status.error or {}).get("message", "unknown cause")
            told.append(f"The child run {os.path.basename(child.root)} failed: {message}")
    more = len(told) - _TOLD
    return told[:_TOLD] + ([f"{more} more child runs failed."] if more > 0 else [])
