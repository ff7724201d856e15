"""Outputs of one run as inputs of another. They may be written after that one was submitted, so they are looked for
again when its job starts. Standard library only: the runner loads this."""

import contextlib
import difflib
import os
import stat
from typing import Optional

from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import Input, JobSpec
from espalier.base.paths import OUTPUTS, RunPaths, WorkspacePaths
from espalier.store.input_digests import input_at
from espalier.tracking.artifacts import artifact_path, file_names, open_artifact, plain_path


def output_to_come(workspace: WorkspacePaths, name: str, run_id: str, output: str) -> Input:
    """An input that a run has yet to write.

    Args:
        output: The output's name: one that the run declares, or a file or a folder as `Run.get_file_names` lists it.

    Raises:
        EspalierError: `bad_name`.
    """
    run = workspace.run(run_id)
    output = _declared(run, output) or output
    return Input(name, artifact_path(run, output), run=run_id, output=output)


def _declared(run: RunPaths, output: str) -> Optional[str]:
    """The path of an output that a run declares by this name."""
    with contextlib.suppress(OSError, EspalierError):  # (of a damaged run nothing is declared)
        return next((item.path for item in read_as(JobSpec, run.spec).outputs if item.name == output), None)
    return None


def output_path(run: RunPaths, output: str) -> str:
    """Where a file of a run lies, by a name that `found_name` takes. Raises EspalierError: `artifact_missing`,
    `artifact_unsafe`, `bad_name`."""
    return plain_path(run, found_name(run, output))


def found_name(run: RunPaths, output: str) -> str:
    """The name under which a file of a run is listed.

    Args:
        output: The name of an output that the run declares, of a file as `Run.get_file_names` lists it, or of one in
            its `outputs/`.

    Raises:
        EspalierError: `artifact_missing`, `artifact_unsafe`, `bad_name`.
    """
    declared = _declared(run, output)
    if declared is not None:
        return declared
    try:
        os.close(open_artifact(run, output))
        return output
    except EspalierError as error:
        if error.code != "artifact_missing":
            raise
        name = f"{OUTPUTS}/{output}"
        try:
            os.close(open_artifact(run, name))
            return name
        except EspalierError as other:
            raise error if other.code == "artifact_missing" else other from None


def found_output(workspace: WorkspacePaths, item: Input) -> Input:
    """An input that a run has written, as it is now. Raises EspalierError: `input_missing`: there is none, or a link or
    a pipe in its place."""
    path = _path_now(workspace, item)
    try:
        if not (stat.S_ISREG(os.lstat(path).st_mode) or os.path.isdir(path)):
            raise _missing(item, "it isn't a plain file or folder")  # (a pipe is read for ever)
        found = input_at(item.name, path)
    except FileNotFoundError:
        near = difflib.get_close_matches(str(item.output), file_names(workspace.run(str(item.run))), 1)
        raise _missing(item, "that run has no such file", f"Did you mean {near[0]}?" if near else "") from None
    except OSError as error:
        raise _missing(item, f"it can't be read: {error.strerror}") from error
    # (what it leads to is not copied; to a job in a container it leads to nothing)
    if _has_link_out(os.path.realpath(path)):
        found = found._replace(digest=None)
    return found._replace(run=item.run, output=item.output)


def _path_now(workspace: WorkspacePaths, item: Input) -> str:
    """Where it is, for the workspace may have been renamed since submit. Raises EspalierError `input_missing`."""
    run = workspace.run(str(item.run))
    path = artifact_path(run, str(item.output))
    inside = os.path.join(os.path.realpath(run.root), os.path.relpath(path, run.root))
    if os.path.realpath(path) != inside:  # (a job may put a link there, to anything)
        raise _missing(item, "there is a link in its place")
    return path


def _has_link_out(folder: str) -> bool:
    """Whether something in a folder, or in none, is a link that leads out of it: the job that put it there may have
    been in a container, and not allowed to read what it leads to."""
    for parent, folders, files in os.walk(folder):
        for path in (os.path.join(parent, name) for name in (*folders, *files)):
            if os.path.islink(path) and os.path.commonpath((folder, os.path.realpath(path))) != folder:
                return True
    return False


def with_found_outputs(workspace: WorkspacePaths, spec: JobSpec) -> JobSpec:
    """A definition with what has come since submit, and where all outputs of runs among its inputs are now. Raises
    EspalierError: `input_missing`."""
    return spec._replace(inputs=tuple(_now(workspace, item) if item.run else item for item in spec.inputs))


def _now(workspace: WorkspacePaths, item: Input) -> Input:
    return found_output(workspace, item) if item.is_to_come else item._replace(path=_path_now(workspace, item))


def _missing(item: Input, why: str, hint: str = "") -> EspalierError:
    message = f"Can't use {item.output} of the run {item.run} as the input {item.name}: {why}."
    return EspalierError("input_missing", message, hint or "get_run_file_names() lists what a run has.")
