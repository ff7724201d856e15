"""What stands for the run where there is none: a script that logs works outside a job too."""

from typing import NoReturn

from espalier.errors import EspalierError
from espalier.job_log import JobLog
from espalier.paths import RunPaths
from espalier.run import Run


class OfflineRun(Run):
    """Stands for a run outside a job: the log methods work and record nothing, all others refuse."""

    def __init__(self) -> None:
        JobLog.__init__(self, None)
        self._workspace_path, self._id, self._paths = "", "offline", _Nowhere()


class _Nowhere(RunPaths):
    """The files of no run."""

    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> NoReturn:
        raise EspalierError("run_not_active", "This process is no job of espalier.", "Submit the script as a run.")
