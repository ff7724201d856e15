"""An attempt at a run, as its executor gets it."""

import os
from typing import Any, Dict, Iterator, List, Mapping, Optional

from espalier.base.paths import RunPaths
from espalier.executors.contract import Job
from espalier.runner.ahead import load_next
from espalier.runner.prepare import job_command, job_environment, link_espalier, prepare_folders


class RunnersJob(Job):
    """See `Job`."""

    _has_folders = False

    def make_folders(self) -> None:
        """See `Job`."""
        if not self._has_folders:
            self._has_folders = True
            prepare_folders(self.run, self.scratch, self._workspace, self.spec, self.env.get("links", {}))

    def link_espalier(self, run: RunPaths) -> None:
        """See `Job`."""
        link_espalier(run, self.env.get("links", {}))

    def variables(self, prepared: Optional[Mapping[str, Any]] = None) -> Dict[str, str]:
        """See `Job`."""
        run, scratch = self.run, self.scratch
        return job_environment(run, scratch, self._workspace, self.spec, self.env, self.gpu_ids, prepared)

    def command(self) -> List[str]:
        """See `Job`."""
        return job_command(self.run, self.spec)

    def idle(self) -> Iterator[None]:
        """See `Job`."""
        return load_next(is_ready=True)

    @property
    def _workspace(self) -> str:
        return os.path.dirname(os.path.dirname(self.run.shard))
