"""Jobs as processes of this machine."""

from functools import partial
from typing import TYPE_CHECKING

from espalier.executors.contract import Capabilities, Executor, Job
from espalier.executors.start import start_job

if TYPE_CHECKING:
    from espalier.executors.contract import Launch


class LocalExecutor(Executor):
    """Executes jobs as processes of this machine, with what the session has or in a private environment."""

    name = "local"
    capabilities = Capabilities(
        environments=("session", "user-managed", "private"), gpus=True, secrets=True, relaunches=True
    )

    def prepare(self, job: Job) -> "Launch":
        """See `Executor`."""
        if job.spec.how == "private":
            from espalier.executors.local.private import prepare_private

            return prepare_private(job)
        job.make_folders()
        return partial(
            start_job, folder=job.scratch.job, command=job.command(), env=job.variables(), secrets=job.secrets
        )
