"""Outputs that a job declares: files and folders of its run that others may name, and without which it has failed."""

from typing import List, Mapping

from espalier.base.errors import EspalierError
from espalier.base.model.job import Output
from espalier.base.names import check_name
from espalier.base.paths import KEPT_FOLDERS, WORKDIR
from espalier.tracking.artifacts import checked_parts

_FOLDERS = (*KEPT_FOLDERS, WORKDIR)


def declared_outputs(outputs: Mapping[str, str]) -> List[Output]:
    """The outputs of a job, by their names.

    Raises:
        EspalierError: `bad_name`; `bad_argument`: one lies where no job writes.
    """
    return [_declared(check_name("output", name), path) for name, path in sorted(outputs.items())]


def _declared(name: str, path: str) -> Output:
    parts = checked_parts(path)
    if parts[0] not in _FOLDERS:
        message = f"The output {name} is declared as {path!r:.200}; the files of a run lie in {', '.join(_FOLDERS)}."
        hint = f'What the job writes as "{path:.200}" is "{WORKDIR}/{path:.200}".'
        raise EspalierError("bad_argument", message, hint)
    return Output(name, path)
