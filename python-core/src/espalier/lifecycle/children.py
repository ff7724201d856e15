"""The runs that have a run as their parent: who they are. What becomes of them when it ends: `end.py`.

Who they are stands in the parent's folder, an entry each in `children/`, so that nobody has to look at all runs. An
entry is written before its run is there, and counts only where the run itself names this parent.
"""

import contextlib
import os
from typing import Any, Iterator, List, Mapping, Optional, Set

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.os_errors import cannot_write
from espalier.base.paths import RunPaths, is_run_id
from espalier.base.records import FILE_MODE, FOLDER_MODE, read_record, sync_folder
from espalier.lifecycle.ask import ask_to_cancel
from espalier.lifecycle.status import status_of

# What a job chooses for its children (spec.json, `children`).
WAIT = "wait"
DETACH = "detach"
# How many failed children are told one by one.
_TOLD = 10


def record_child(parent: RunPaths, child_id: str) -> None:
    """Enter a run as a child, durable, before its folder is put in its place.

    Raises:
        EspalierError: `run_missing`, `workspace_read_only`.
    """
    try:
        _enter(parent, child_id)
    except OSError as error:
        if not os.path.isdir(parent.root):
            message = f"The parent run {os.path.basename(parent.root)} is gone."
            raise EspalierError("run_missing", message, "See list_runs().") from error
        raise cannot_write(parent.workspace.root, error) from error


def _enter(parent: RunPaths, child_id: str) -> None:
    made = not os.path.lexists(parent.children)
    if made:
        with contextlib.suppress(FileExistsError):
            os.mkdir(parent.children, FOLDER_MODE)
    with _folder(parent.children) as folder:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(child_id, flags, FILE_MODE, dir_fd=folder))
        os.fsync(folder)
    if made:
        sync_folder(parent.root)


@contextlib.contextmanager
def _folder(path: str) -> Iterator[int]:
    """A folder that a job may have replaced by a link, which is not followed."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def children_of(run: RunPaths) -> List[RunPaths]:
    """The runs whose parent this is; entries of what was never placed, or is another's, are left out."""
    try:
        with _folder(run.children) as folder:
            names = sorted(os.listdir(folder))
    except OSError:  # there are none, or what lies there is no folder
        return []
    own, workspace = os.path.basename(run.root), run.workspace
    return [child for child in map(workspace.run, filter(is_run_id, names)) if parent_of(child) == own]


def parent_of(run: RunPaths) -> Optional[str]:
    """The run's parent, by its own definition; None where it has none or cannot be read."""
    try:
        return _parent_in(read_record(run.spec))
    except (OSError, EspalierError):
        return None


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

    Args:
        definition: The run's own.
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
