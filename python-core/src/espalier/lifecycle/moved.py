"""Where a job's own run is, whose workspace was renamed after the job began. Standard library, Python 3.8 or later."""

import os
import time
from typing import Optional

from espalier.base.records import read_plain
from espalier.base.scratch_paths import MOVED

# The runner looks where its run is several times in so many seconds.
_PATIENCE_SECONDS = 2.0
# No path is longer.
_PATH_BYTES = 1 << 16
_given_up: "set[str]" = set()


def job_folder() -> Optional[str]:
    """The folder of the run that this process is a job of, where it is now; the variables follow."""
    folder = os.environ.get("ESPALIER_RUN_DIR")
    if not folder or folder in _given_up or os.path.isdir(folder):
        return folder or None
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = _noted(os.environ.get("ESPALIER_WORK_DIR", ""))
        if os.path.basename(found) == os.path.basename(folder) and os.path.isdir(found):
            os.environ["ESPALIER_RUN_DIR"] = found
            os.environ["ESPALIER_WORKSPACE"] = os.path.dirname(os.path.dirname(os.path.dirname(found)))
            return found
        if time.monotonic() > end:
            _given_up.add(folder)
            return folder
        time.sleep(0.05)


def _noted(folder: str) -> str:
    """What the runner has noted in the scratch folder that a working directory lies in; empty if nothing."""
    while len(folder) > 1:
        folder = os.path.dirname(folder)
        try:
            return os.fsdecode(read_plain(os.path.join(folder, MOVED), limit=_PATH_BYTES)).rstrip("\n")
        except OSError:
            continue
    return ""
