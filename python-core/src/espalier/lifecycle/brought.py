"""What was in the folders of a working copy when its job began, each read on demand. Standard library only."""

import contextlib
import re
from typing import TYPE_CHECKING, Dict, Iterator, List, Mapping, Optional

from espalier.base.errors import EspalierError
from espalier.base.model.job import JobSpec, WorkingCopy
from espalier.base.paths import RunPaths

if TYPE_CHECKING:
    from espalier.store.trees import Entry, SnapshotFolders

_SNAPSHOT = "sha256:[0-9a-f]{64}"
# What rprojroot looks for in a file that marks a project's top.
_RPROJ = b"Version: 1.0\n"


class Brought:
    """What a job found when it began.

    Args:
        snapshot: The run's snapshot; None if it has none.
        directory: Where in the working copy the snapshot lies, with `/` between its parts; empty for its top.
        stubs: Files that were added to those of the snapshot: path -> size.
        inodes: The inode of each folder, by its path with `/` at the end.
        is_known: False if the run's definition can't be read.
    """

    def __init__(
        self,
        snapshot: "Optional[SnapshotFolders]",
        directory: str,
        stubs: Mapping[str, int],
        inodes: Mapping[str, int],
        is_known: bool,
    ) -> None:
        self.stubs, self.inodes = stubs, inodes
        self._snapshot, self._is_known = snapshot, is_known
        self._top = directory + "/" if directory else ""

    def folder(self, path: str) -> "Optional[Dict[str, Entry]]":
        """The entries of one folder by name: kind (`d` of a folder), digest and size. Empty if it wasn't brought, None
        if that can't be read any more.

        Args:
            path: In the working copy, with `/` at the end; empty for its top.
        """
        if not self._is_known:
            return None
        if self._top.startswith(path) and path != self._top:
            return {self._top[len(path) :].partition("/")[0]: ("d", "", 0)}
        if self._snapshot is None or not path.startswith(self._top):
            return {}
        try:
            return self._snapshot.entries(path[len(self._top) :])
        except (OSError, EspalierError):
            return None


@contextlib.contextmanager
def brought_by(
    run: RunPaths, spec: Optional[JobSpec], directory: str, inodes: Mapping[str, int]
) -> Iterator[Brought]:
    """What a run's job found when it began.

    Args:
        spec: The run's definition; None if it can't be read.
        directory: See `Brought`.
        inodes: See `Brought`.
    """
    stubs = {path: len(stub_content(path)) for path in stubs_of(spec.working_copy if spec else None)}
    try:
        snapshot_id = None if spec is None else snapshot_of(spec)
    except ValueError:
        spec = snapshot_id = None
    if snapshot_id is None:
        yield Brought(None, directory, stubs, inodes, is_known=spec is not None)
        return
    from espalier.store.packs import ObjectReader
    from espalier.store.trees import SnapshotFolders

    with ObjectReader(run.workspace) as reader:
        yield Brought(SnapshotFolders(run.workspace, snapshot_id, reader), directory, stubs, inodes, is_known=True)


def snapshot_of(spec: JobSpec) -> Optional[str]:
    """The id of the snapshot that a run's definition names; None if it has none. Raises ValueError: what is there names
    none."""
    if spec.snapshot is None:
        return None
    if not re.fullmatch(_SNAPSHOT, spec.snapshot.id):
        raise ValueError("no snapshot's id")
    return spec.snapshot.id


def stubs_of(working_copy: Optional[WorkingCopy]) -> List[str]:
    """The paths in a working copy of what is added where its snapshot does not bring it.

    Args:
        working_copy: How it is laid out, by the run's definition.
    """
    return [*working_copy.stubs, ".here"] if working_copy else []


def stub_content(path: str) -> bytes:
    """What is in that file."""
    return _RPROJ if path.endswith(".Rproj") else b""
