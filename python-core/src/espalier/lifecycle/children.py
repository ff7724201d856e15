"""The runs that have a run as their parent: who they are, and what becomes of them when it ends.

Who they are stands in the parent's folder, an entry each in `children/`, so that nobody has to look at all runs. An
entry is written before its run is there, and counts only where the run itself names this parent.
"""

import contextlib
import os
import time
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

from espalier.adapters import posix
from espalier.adapters.inside import replace_inside
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.os_errors import cannot_write
from espalier.base.paths import FORMAT, RunPaths, is_run_id
from espalier.base.records import FILE_MODE, FOLDER_MODE, dump_record, now_iso, read_record, sync_folder
from espalier.lifecycle.signals import wake_runner
from espalier.lifecycle.status import read_status

# What a job chooses for its children (spec.json, `children`).
WAIT = "wait"
DETACH = "detach"
# In status.json, `held_by`: no process holds this run, it lives as long as its parent does.
HELD_BY_PARENT = "parent"
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
        if os.path.exists(above.cancel) and not states.is_final((status_of(above) or {}).get("state", states.FAILED)):
            ask_to_cancel(run, parent=os.path.basename(above.root))
            return True
    return False


def status_of(run: RunPaths) -> Optional[Dict[str, Any]]:
    """A run's status; None when it was deleted or cannot be read, so that nothing can be done for it."""
    try:
        return read_status(run)
    except (OSError, EspalierError):
        return None


def open_children(run: RunPaths) -> List[RunPaths]:
    """Children that are executed, or will be, and have not ended. Those that are recorded by hand are none of them."""
    found = []
    for child in children_of(run):
        status = status_of(child)
        if status is not None and not states.is_final(status["state"]) and "collect_from" not in status:
            found.append(child)
    return found


def choice_of(run: RunPaths) -> str:
    """What a run chose for its children: `wait` or `detach`."""
    try:
        return read_as(JobSpec, run.spec).children
    except (OSError, EspalierError):
        return WAIT


def end_children(run: RunPaths, state: str) -> None:
    """What a run's end means for its children, before the end is written: killed here, whoever ends the run next does
    it again.

    Children recorded by hand end as their parent does. The others are canceled with it; a parent that chose `wait`
    also takes them along when it failed.

    Args:
        state: The final state that the parent is about to have.
    """
    takes_along = state == states.CANCELED or (state == states.FAILED and choice_of(run) == WAIT)
    for child in children_of(run):
        status = status_of(child)
        if status is None or states.is_final(status["state"]):
            continue
        with contextlib.suppress(OSError, EspalierError):  # deleted, or another's: the others must not stay
            if "collect_from" in status:
                end_with_parent(child, status, state)
            elif takes_along:
                ask_to_cancel(child, parent=os.path.basename(run.root))
                wake_runner(child)


def end_with_parent(child: RunPaths, status: Dict[str, Any], state: str) -> None:
    """End a child that is recorded by hand as its parent ends."""
    from espalier.lifecycle.recorded import end_recorded, keep_outputs

    messages = {
        states.FAILED: "Its parent failed before it was completed.",
        states.CANCELED: "Canceled with its parent.",
    }
    end_recorded(child, keep_outputs(child, status), state, messages.get(state))


def end_if_parent_ended(child: RunPaths, status: Dict[str, Any]) -> bool:
    """End a child that lives as long as its parent, and was left by it: whoever ended the parent was killed, or the
    child came too late.

    Returns:
        Whether there was something to end.
    """
    parent = child.workspace.run(parent_of(child) or "")
    above = status_of(parent)
    if above is not None and not states.is_final(above["state"]):
        return False
    if above is None and os.path.isdir(parent.root):  # it cannot be read: nothing is known
        return False
    if not states.is_final(status["state"]):
        end_with_parent(child, status, above["state"] if above is not None else states.FAILED)
    return True


def ask_to_cancel(run: RunPaths, parent: Optional[str] = None) -> None:
    """Write the request by which a run is canceled, unless it has been asked already.

    Args:
        parent: The run with which it is canceled.
    """
    if os.path.exists(run.cancel):
        return
    record = {"format": FORMAT, "requested_at": now_iso(time.time()), "by": posix.user_name()}
    replace_inside(run.root, run.cancel, dump_record({**record, "parent": parent} if parent else record))


def failed_children(run: RunPaths) -> List[str]:
    """A warning for each child that failed, for the parent's own record."""
    told = []
    for child in children_of(run):
        status = status_of(child)
        if status is not None and status["state"] == states.FAILED:
            message = (status.get("error") or {}).get("message", "unknown cause")
            told.append(f"The child run {os.path.basename(child.root)} failed: {message}")
    more = len(told) - _TOLD
    return told[:_TOLD] + ([f"{more} more child runs failed."] if more > 0 else [])
