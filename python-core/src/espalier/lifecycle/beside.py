"""What a job wrote beside its working copy, as `../results.csv` from its top. Standard library only."""

import contextlib
import os
from typing import List

from espalier.adapters.moving import Mover, made, opened_below
from espalier.base.paths import is_temporary, partial
from espalier.base.scratch_paths import ABOVE_WORK, WORK, ScratchPaths


def take_in(scratch: ScratchPaths, warnings: List[str]) -> None:
    """Move what lies in a scratch folder and isn't espalier's into a folder of the working copy, where it is found and
    kept like all that the job wrote there. May be done again.

    Args:
        warnings: Gets a line for each entry that can't be moved.

    Raises:
        OSError: nothing can be written now.
    """
    own = {*map(os.path.basename, scratch.own), partial(WORK)}
    names = [name for name in os.listdir(scratch.root) if name not in own and not is_temporary(name)]
    if not names:
        return
    with contextlib.suppress(FileExistsError):  # else the job removed it
        os.mkdir(scratch.work)
    mover = Mover(warnings, (scratch.root, os.path.basename(scratch.temporary)))
    work_of = opened_below(scratch.root, (WORK,))
    with opened_below(scratch.root, ()) as above, work_of as work, made(ABOVE_WORK, work) as folder:
        for name in sorted(names):
            mover.move(above, name, folder, name, f"../{name}")
