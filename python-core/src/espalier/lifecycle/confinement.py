"""Whether a run's job sees of this machine only what is made for it, by what its executor has noted. Standard library
only."""

import os

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.records import read_record


def is_confined(run: RunPaths) -> bool:
    """Whether a run's job is, or was, in a container."""
    return os.path.exists(run.container)


def first_process(run: RunPaths) -> int:
    """The first process of a confined job, as this machine numbers it; 0 where that is not known."""
    try:
        pid = read_record(run.container).get("pid")
    except (OSError, EspalierError):
        return 0
    return pid if isinstance(pid, int) else 0
