"""The formats of what is to be changed: whoever writes into a run looks at them first."""

from espalier.errors import EspalierError
from espalier.paths import RunPaths
from espalier.records import read_record


def check_formats(run: RunPaths) -> None:
    """Refuse a run, or a workspace, of a newer espalier. What is missing or damaged is for others to find.

    Raises:
        EspalierError: `newer_format`.
    """
    _check(run.workspace.record, run.spec, run.status)


def check_run_format(run: RunPaths) -> None:
    """The same of the run alone, for those who execute it: one that was queued before its workspace was upgraded still
    is what they know.

    Raises:
        EspalierError: `newer_format`.
    """
    _check(run.spec, run.status)


def check_definition(run: RunPaths) -> None:
    """The same, for those who read the run's status anyway."""
    _check(run.spec)


def _check(*paths: str) -> None:
    for path in paths:
        try:
            read_record(path)
        except OSError:
            continue
        except EspalierError as error:
            if error.code == "newer_format":
                raise
