"""The names inside a run's scratch folder, which lies outside of the user's project. Pure, as `paths` is."""

import os
import re
from typing import List

# The folder of scratch folders, in espalier's folder of state; short, for sockets in TMPDIR have 107 bytes for a path.
SCRATCH = "w"
# The working copy, in a scratch folder.
WORK = "work"
# In that: what the job wrote beside it.
ABOVE_WORK = "above-workdir"
# Beside it: where the run's folder is, once it has been moved.
MOVED = "espalier-moved"
_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{8})?")


class ScratchPaths:
    """What only the execution of one run needs: its working copy and its temporary files.

    Args:
        root: The scratch folder.
        directory: Where in the working copy the job works, with `/`; empty for its top.
    """

    def __init__(self, root: str, directory: str = "") -> None:
        self.root = root
        # Names the run; written first, removed last.
        self.note = os.path.join(root, "run.json")
        # Written when everything is ready for the job: what is changed in the copy is changed after this.
        self.began = os.path.join(root, "began.json")
        # What that note becomes when the removal of the folder begins: a copy half removed is not compared.
        self.removed = os.path.join(root, "removed.json")
        # When a run was first missed whose scratch folder this is.
        self.missed = os.path.join(root, "missed")
        self.moved = os.path.join(root, MOVED)
        self.temporary = os.path.join(root, "tmp")
        self.work = os.path.join(root, WORK)
        # All that espalier itself puts there.
        self.own = (self.note, self.began, self.removed, self.missed, self.moved, self.temporary, self.work)
        self.directory = directory
        self.job_parts: List[str] = [WORK, *(part for part in directory.split("/") if part)]
        self.job = os.path.join(root, *self.job_parts)


def scratch_name(run_id: str) -> str:
    """The name of a run's scratch folder, unless another run has taken it."""
    return run_id[-8:]


def is_scratch_name(name: str) -> bool:
    """Whether a folder has the name of a run's scratch folder."""
    return _NAME.fullmatch(name) is not None
