"""The formats of what is to be changed: whoever writes into a run looks at them first."""

from typing import Any, Dict

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.records import read_record


def check_formats(run: RunPaths) -> None:
    """Refuse a run, or a workspace, of a newer espalier. What is missing or damaged is for others to find.

    Raises:
        EspalierError: `newer_format`.
    """
    for path in (run.workspace.record, run.spec, run.status):
        _checked(path)


def check_run_format(run: RunPaths) -> None:
    """The same of the run alone, for those who execute it: one that was queued before its workspace was upgraded still
    is what they know.

    Raises:
        EspalierError: `newer_format`.
    """
    for path in (run.spec, run.status):
        _checked(path)


def check_definition(run: RunPaths) -> Dict[str, Any]:
    """The same, for those who read the run's status anyway.

    Returns:
        The run's definition; empty where it is missing or damaged.
    """
    return _checked(run.spec)


def _checked(path: str) -> Dict[str, Any]:
    try:
        return read_record(path)
    except OSError:
        return {}
    except EspalierError as error:
        if error.code == "newer_format":
            raise
        return {}
