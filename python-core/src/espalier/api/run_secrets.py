"""The secrets of a run. Standard library, Python 3.8 or later."""

import os
from typing import Mapping, Sequence

from espalier.api.job_requests import own_run
from espalier.base.errors import EspalierError
from espalier.base.model.job import JobSpec
from espalier.base.operation import operation
from espalier.base.paths import RunPaths
from espalier.vault.channel import given_secrets
from espalier.vault.known import remember


class RunSecrets:
    """The methods of `Run` that give secrets."""

    _paths: RunPaths
    _id: str

    def get_secret(self, name: str) -> str:
        """A secret that was attached to the run.

        Args:
            name: Its name.

        Raises:
            EspalierError: `secret_missing`.
        """
        return self.get_secrets([name])[name]

    @operation("POST /runs/{id}/secrets", long=True, command="")
    def get_secrets(self, names: Sequence[str]) -> Mapping[str, str]:
        """Secrets that were attached to the run: inside its job those the job was given, elsewhere those the keyvault
        has now.

        Args:
            names: The names.

        Raises:
            EspalierError: `secret_missing`: there is no such secret, or it is not attached to the run.
        """
        wanted = [names] if isinstance(names, str) else list(names)
        job = own_run()
        inside = job is not None and os.path.basename(job.root) == self._id
        given = given_secrets() or {} if inside else None
        attached = list(given) if given is not None else list(self._spec().secrets)
        missing = [name for name in wanted if name not in attached]
        if missing:
            message = f"Can't read the secret {', '.join(map(str, missing))}: it isn't attached to the run {self._id}."
            hint = "Attach secrets at submit: `secrets` takes names of the workspace's keyvault."
            raise EspalierError("secret_missing", message, hint)
        if given is None:
            from espalier.vault.store import values_of

            given = values_of(self._paths.workspace, wanted)
        remember(self._paths.workspace, {name: given[name] for name in wanted})
        return {name: given[name] for name in wanted}

    def _spec(self) -> JobSpec:
        raise NotImplementedError
