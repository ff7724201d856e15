"""The names inside a run's scratch folder, which lies outside of the user's project. Pure, as `paths` is."""

import os
import re
from typing import List, Tuple

from espalier.base.paths import Below, Folder

# The folder of scratch folders, in espalier's folder of state; short, for sockets in TMPDIR have 107 bytes for a path.
SCRATCH = "w"
# The working copy, in a scratch folder.
WORK = "work"
# In that: what the job wrote beside it.
ABOVE_WORK = "above-workdir"
# Beside it: where the run's folder is, once it has been moved.
MOVED = "espalier-moved"
_NAME = r"[0-9a-f]{8}(?:-[0-9a-f]{8})?"


class ScratchPaths(Folder):
    """What only the execution of one run needs: its working copy and its temporary files.

    Args:
        directory: Where in the working copy the job works, with `/`; empty for its top.
    """

    # Names the run; written first, removed last.
    note = Below("run.json")
    # Written when everything is ready for the job: what is changed in the copy is changed after this.
    began = Below("began.json")
    # What that note becomes when the removal of the folder begins: a copy half removed is not compared.
    removed = Below("removed.json")
    # When a run was first missed whose scratch folder this is.
    missed = Below("missed")
    moved = Below(MOVED)
    temporary = Below("tmp")
    work = Below(WORK)

    def __init__(self, root: str, directory: str = "") -> None:
        super().__init__(root)
        self.directory = directory
        self.job_parts: List[str] = [WORK, *(part for part in directory.split("/") if part)]
        self.job = os.path.join(root, *self.job_parts)

    @property
    def own(self) -> Tuple[str, ...]:
        """All that espalier itself puts there."""
        return (self.note, self.began, self.removed, self.missed, self.moved, self.temporary, self.work)


def scratch_name(run_id: str) -> str:
    """The name of a run's scratch folder, unless another run has taken it."""
    return run_id[-8:]


def is_scratch_name(name: str) -> bool:
    """Whether a folder has the name of a run's scratch folder."""
    return re.fullmatch(_NAME, name) is not None
