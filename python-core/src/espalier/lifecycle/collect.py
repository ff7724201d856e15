"""After the job: bring back what it wrote where our links were, and remove what is not kept."""

import os
import stat
from typing import List

from espalier.adapters.files import remove_tree
from espalier.adapters.private import remove_private_file
from espalier.paths import RunPaths


def collect_kept_folders(run: RunPaths) -> List[str]:
    """Move `./outputs` and `./logs` home if the job replaced our links by folders of its own.

    Returns:
        Warnings, one for each thing that could not be kept.
    """
    warnings: List[str] = []
    for name, path, home in run.kept:
        try:
            mode = os.lstat(path).st_mode
        except OSError:  # there is none, or the working copy is no folder any more
            continue
        if stat.S_ISDIR(mode):
            merge_folder(path, home, warnings)
        elif stat.S_ISLNK(mode) and os.readlink(path) != home:
            warnings.append(f"./{name} was replaced by a link to {os.readlink(path)}; what lies there was not kept.")
        elif not stat.S_ISLNK(mode):
            _move(path, os.path.join(home, name), warnings)
    return warnings


def merge_folder(source: str, target: str, warnings: List[str]) -> None:
    """Move a folder's entries into another, replacing what is there; iterative, so depth is no limit.

    Args:
        warnings: Gets a line for each entry that could not be moved.
    """
    pending = [(source, target)]
    while pending:
        folder, home = pending.pop()
        try:
            _allow_moving(folder)
            os.makedirs(home, exist_ok=True)
            entries = list(os.scandir(folder))
        except OSError as error:
            warnings.append(f"{folder} could not be kept: {error.strerror}.")
            continue
        for entry in entries:
            destination = os.path.join(home, entry.name)
            both_folders = entry.is_dir(follow_symlinks=False) and _is_folder(destination)
            if both_folders:
                pending.append((entry.path, destination))
            else:
                _move(entry.path, destination, warnings)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _allow_moving(folder: str) -> None:
    """Without write permission, as a copy of a read-only input has it, a folder can neither be moved nor emptied."""
    os.chmod(folder, stat.S_IMODE(os.lstat(folder).st_mode) | stat.S_IRWXU)


def _move(source: str, destination: str, warnings: List[str]) -> None:
    try:
        if _is_folder(destination):
            remove_tree(destination)
        elif _is_folder(source) and os.path.lexists(destination):
            os.unlink(destination)
        if _is_folder(source):
            _allow_moving(source)
        os.replace(source, destination)
    except OSError as error:
        warnings.append(f"{source} could not be kept: {error.strerror}.")


def remove_working_copy(run: RunPaths) -> None:
    """Remove the working copy and the links, so that the run can be prepared again."""
    remove_tree(run.work)
    _remove_job(run)


def _remove_job(run: RunPaths) -> None:
    """What the job alone has been given."""
    remove_tree(run.job)
    remove_private_file(os.path.basename(run.root))


def remove_scratch(run: RunPaths, keep_workdir: bool) -> None:
    """Remove the working copy, the links and the environment of a run that has ended."""
    if keep_workdir:
        _remove_job(run)
    else:
        remove_working_copy(run)
    for path in (run.env, run.runner_log):
        try:
            if path == run.env or os.path.getsize(path) == 0:
                os.unlink(path)
        except OSError:
            continue
