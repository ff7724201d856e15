"""The earlier run that wrote a file which a job misses. Standard library only: the runner loads this file."""

import os
from typing import Iterator, List, NamedTuple, Optional

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.names import argument_name
from espalier.base.paths import KEPT_FOLDERS, OUTPUTS, WORKDIR, RunPaths, WorkspacePaths, is_run_id
from espalier.base.records import read_record

# The newest runs that are looked at.
_RUNS_LOOKED_AT = 300


class Earlier(NamedTuple):
    """A run, and one of its files."""

    run_id: str
    name: str


def hint_on_earlier(run: RunPaths, directory: str, wanted: str, is_left_out: bool = False) -> Optional[str]:
    """Which run wrote a file that a job misses, and how the job gets it; None if none did.

    Args:
        run: The run of the job.
        directory: Where in its working copy the job worked.
        wanted: The path that the job asked for, seen from there.
        is_left_out: Whether a snapshot of the project would not have it.
    """
    found = earlier_writer(run, directory, wanted)
    if found is None:
        return None
    run_of = f'get_run(ws, "{found.run_id}")'
    if not is_left_out and not os.path.isabs(wanted) and not wanted.startswith(".."):
        path = os.path.normpath(wanted)
        how = f'copy it into the project: download_file_from_run({run_of}, "{found.name}", "{path}")'
    else:
        how = (
            f"give it to the job with inputs = list({argument_name(wanted)} = file.path({run_of}$run_dir, "
            f'"{found.name}")), and read its path with job_params()'
        )
    return f"Run {found.run_id} wrote a file of that name. To submit again, {how}."


def earlier_writer(run: RunPaths, directory: str, wanted: str) -> Optional[Earlier]:
    """The newest completed run that kept such a file: of the same experiment, else of another of the workspace.

    Args:
        run: See `hint_on_earlier`.
        directory: See `hint_on_earlier`.
        wanted: See `hint_on_earlier`.
    """
    names = list(dict.fromkeys(_kept_as(directory, wanted)))
    for run_id in _newest_first(run.workspace, os.path.basename(run.root)):
        other = run.workspace.run(run_id)
        for name in names:
            if _has_kept(other, name) and _is_completed(other):
                return Earlier(run_id, name)
    return None


def _has_kept(run: RunPaths, name: str) -> bool:
    """Whether a run has a file. (What lies behind a link is not the run's.)"""
    path = os.path.join(run.root, name)
    return os.path.isfile(path) and os.path.realpath(path) == os.path.join(os.path.realpath(run.root), name)


def _kept_as(directory: str, wanted: str) -> Iterator[str]:
    """The names under which a run may have kept a file that its job wrote by this path, the likeliest first."""
    path = os.path.normpath(wanted)
    if not os.path.isabs(path) and not path.startswith(".."):
        in_copy = os.path.normpath(os.path.join(directory, path))
        yield path if path.split("/")[0] in KEPT_FOLDERS else f"{WORKDIR}/{in_copy}"
        yield f"{OUTPUTS}/{path}"
    yield f"{OUTPUTS}/{os.path.basename(path)}"


def _newest_first(workspace: WorkspacePaths, run_id: str) -> List[str]:
    """The other runs of a workspace by what their ids say: those of the same experiment first."""
    found: List[str] = []
    for shard in os.scandir(workspace.runs):
        if shard.is_dir(follow_symlinks=False):
            found += [name for name in os.listdir(shard.path) if is_run_id(name) and name != run_id]

    def key(other: str) -> "tuple[bool, int]":
        experiment, seconds, _ = other.rsplit("_", 2)
        return experiment == run_id.rsplit("_", 2)[0], int(seconds)

    return sorted(found, key=key, reverse=True)[:_RUNS_LOOKED_AT]


def _is_completed(run: RunPaths) -> bool:
    try:
        return read_record(run.status).get("state") == states.COMPLETED
    except (OSError, EspalierError):
        return False
