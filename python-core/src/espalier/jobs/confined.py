"""What a job in a container may give a child that it asks for: a container, and no more than it has itself.

The measure is the definition of the run that asks, which its job can't write. What the request says is text of the
job's. Paths in it are paths in the container. What the job can write is copied, by descriptors, before anybody looks
into it: a folder could be swapped for a link meanwhile.
"""

import contextlib
import errno
import os
import stat
from dataclasses import replace
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from espalier.adapters.copying import Copier
from espalier.adapters.files import remove_tree
from espalier.adapters.moving import opened, opened_below
from espalier.adapters.posix import path_through
from espalier.base.errors import EspalierError
from espalier.base.model.job import JobEnvironment, JobSpec
from espalier.base.names import is_within
from espalier.base.paths import ARTIFACT_FOLDERS, UPLOADS, RunPaths, is_run_id, temporary
from espalier.base.scratch_paths import ScratchPaths
from espalier.environment.definition import Environment
from espalier.environment.registered import registered
from espalier.executors.contract import TooWide
from espalier.executors.registry import executor_of
from espalier.jobs.environment import read_environment
from espalier.jobs.inputs import Given
from espalier.lifecycle.children import is_descendant
from espalier.lifecycle.scratch import live_scratch

# What a job may hand on as an input, or as a source folder: as much as inputs are copied, and a large project.
_INPUT_BYTES, _INPUT_FILES, _SOURCE_FILES = 64 << 20, 10_000, 200_000
# Where a link out of the copy of a source folder leads: to nothing that anybody could read.
_NOWHERE, _LONGEST_LINK = "/dev/null/", 4095
# A repository that the job wrote is none that git may be run in: its settings name programs.
_NOT_COPIED = frozenset((".git",))
_NO_MORE = "A child gets no more rights than the job that submits it."


class Source(NamedTuple):
    """The copy of a source folder, and where the job has it."""

    copy: str
    original: str
    is_whole: bool


def in_parents_container(asked: Mapping[str, Any], spec: JobSpec) -> Dict[str, Any]:
    """The fields of the job that is asked for, in a container as its parent is.

    Args:
        asked: The fields as the request has them.
        spec: The definition of the run that asks.

    Raises:
        EspalierError: `bad_argument`: the options are none, or wider than the parent's; `not_supported`.
    """
    try:
        values = executor_of(spec).narrowed(asked, spec)
    except TooWide as wide:
        raise _wider(str(wide)) from None
    values["compute_target"] = spec.target
    if values.get("environment") is None:
        values["environment"] = _own_environment(spec)
    # what lies outside of its folder is nothing that the job sees; git knows of a copy what it knew of the original
    return {**values, "outside_links": "refuse", "record_diff": False}


def _own_environment(spec: JobSpec) -> Dict[str, Any]:
    """The environment of the run that asks, by name and version."""
    own = spec.environment or JobEnvironment()
    return {"name": str(own.name), "version": own.version}


def known_environment(run: RunPaths, spec: JobSpec, given: Mapping[str, Any]) -> Dict[str, Any]:
    """The environment of a child: its parent's, or another that is registered in the workspace.

    Args:
        given: The environment as the request has it.

    Returns:
        The same by name and version.

    Raises:
        EspalierError: `environment_missing`: the job itself has defined it; `bad_argument`: it sets variables that the
            job wasn't given.
    """
    wanted = read_environment(run.workspace, given, spec.experiment)
    own = registered(run.workspace, **_own_environment(spec))
    for known in (own, *_registered(run, wanted)):
        if replace(known, version=None) == replace(wanted, version=None):
            others = sorted(name for name, value in known.variables.items() if own.variables.get(name) != value)
            if others:
                raise _wider(f"the environment {known.name}, which sets {', '.join(others)}")
            return {"name": known.name, "version": known.version}
    message = f"Can't use the environment {wanted.name!r}: it's neither registered nor this job's."
    hint = "Register it in the workspace before you submit the job, or leave `environment` out."
    raise EspalierError("environment_missing", message, hint)


def _registered(run: RunPaths, environment: Environment) -> Iterator[Environment]:
    for version in dict.fromkeys((environment.version, None)):
        with contextlib.suppress(EspalierError):
            yield registered(run.workspace, environment.name, version)


@contextlib.contextmanager
def copied_source(run: RunPaths, source: Optional[str]) -> Iterator[Optional[Source]]:
    """The source folder of a child, as a copy that the job can't reach, for as long as it is needed.

    Args:
        source: The folder, by its path in the container; it must be in the job's working copy.

    Raises:
        EspalierError: `bad_argument`, `source_missing`, `source_unreadable`.
    """
    scratch = live_scratch(run)
    if source is None:
        yield None
        return
    if scratch is None or not _is_within(source, scratch.work):
        hint = "Copy the files there."
        raise EspalierError(
            "bad_argument", f"Can't use the source directory {source}: it isn't in the job's working copy.", hint
        )
    aside = temporary(scratch.root)
    os.mkdir(aside, 0o700)
    try:
        place = _copied_source(scratch, source, aside)
        try:
            yield Source(place, source, is_whole=os.path.normpath(source) == os.path.normpath(scratch.job))
        except EspalierError as error:  # (the job knows of the original only)
            message, hint = (text.replace(place, source).replace(_NOWHERE, "") for text in (error.message, error.hint))
            raise EspalierError(error.code, message, hint) from error
    finally:
        remove_tree(aside)


def _copied_source(scratch: ScratchPaths, source: str, aside: str) -> str:
    copier = Copier(_SOURCE_FILES, leaves_out=_NOT_COPIED, links=True)
    try:
        copy = _copy(scratch.work, _parts(source, scratch.work), aside, copier)
        with opened_below(copy, ()) as top:
            _cut_links(top, os.readlink(path_through(top)))
        return copy
    except OSError as error:
        code = "source_missing" if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP) else "source_unreadable"
        raise EspalierError(code, f"Can't copy the source directory {source}: {error.strerror}.") from error


def _cut_links(folder: int, top: str) -> None:
    """Let the links of a copy that lead out of it lead nowhere. The walk refuses those that are not left out, but files
    are looked into by their paths, before it and after it.

    Args:
        folder: The folder, open.
        top: Where the copy lies.
    """
    for name in os.listdir(folder):
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            with opened(name, folder) as inner:
                _cut_links(inner, top)
        elif stat.S_ISLNK(mode) and not _leads_inside(name, folder, top):
            target = os.readlink(name, dir_fd=folder)
            os.unlink(name, dir_fd=folder)
            os.symlink(f"{_NOWHERE}{target}"[:_LONGEST_LINK], name, dir_fd=folder)


def _leads_inside(name: str, folder: int, top: str) -> bool:
    """Whether a link leads to something in the copy, or to nothing."""
    try:
        fd = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
    try:
        return _is_within(os.readlink(path_through(fd)), top)
    except OSError:  # longer than a path may be
        return False
    finally:
        os.close(fd)


def refuse_others_runs(run: RunPaths, wanted: Sequence[str], field: str) -> None:
    """Refuse to let a child wait for runs that are not below the job's: it would show how they end.

    Args:
        field: The field of the request that names them.

    Raises:
        EspalierError: `bad_argument`.
    """
    own = os.path.basename(run.root)
    others = [each for each in wanted if not is_descendant(run.workspace.run(each), own)]
    if others:
        message = f"Can't use {', '.join(others)} in `{field}`: it isn't below the run of this job."
        raise EspalierError("bad_argument", message, "A child of a job in a container can wait for its siblings only.")


def refuse_to_collect(folder: str) -> None:
    """Refuse to collect the outputs of a child from a folder by its path: it may be any of this host's by then. Raises
    EspalierError: `not_supported`."""
    message = f"Can't collect a child's outputs from {folder} in a container."
    raise EspalierError("not_supported", message, "Log into the child, and store its files with the job's own run.")


def handed_on(run: RunPaths, spec: JobSpec, inputs: Mapping[str, Given]) -> Dict[str, Given]:
    """Where the inputs of a child lie on this host: none that its parent can't read.

    Args:
        inputs: Name -> path in the container, or an output of a run, which must be below this one.

    Raises:
        EspalierError: `bad_argument`, `input_missing`.
    """
    references = [given for given in inputs.values() if not isinstance(given, str)]
    refuse_others_runs(run, [given["run"] for given in references if "run" in given], "input")
    _refuse_to_fetch(spec, references)
    return {
        name: _input(run, spec, name, os.path.normpath(given)) if isinstance(given, str) else given
        for name, given in inputs.items()
    }


def _refuse_to_fetch(spec: JobSpec, references: Sequence[Mapping[str, str]]) -> None:
    """What has an address is fetched by this host, which reaches more than most containers: its own ports, others in
    its network. Raises EspalierError `bad_argument`."""
    if spec.container.network != "host" and any("run" not in given for given in references):
        own = spec.container.network
        message = f"Can't give a child a URL as input: this job's container has the network {own}."
        hint = f"{_NO_MORE} Download the file in the job, and give the child its path."
        raise EspalierError("bad_argument", message, hint)


def _input(run: RunPaths, spec: JobSpec, name: str, path: str) -> str:
    for item in spec.inputs:
        if not item.url and path in (item.path, run.input_copy(item.name, item.path)):
            return item.path
    found = _job_file(run, path)
    if found is not None:
        return _kept_copy(run, name, path, *found)
    for there, here in _readable(run, spec):
        if _is_within(path, there):
            return _kept_copy(run, name, path, os.path.realpath(here), _parts(path, there))
    hint = "Its inputs are files of the job's working copy, its own inputs and mounts, and files of its children."
    raise EspalierError(
        "bad_argument", f"Can't use the input {name} ({path}): this job can't read it. {_NO_MORE}", hint
    )


def _readable(run: RunPaths, spec: JobSpec) -> Iterator[Tuple[str, str]]:
    """What the job reads and can't write: path there, path here."""
    for here, there in spec.container.mounts.items():
        yield there, here
    for item in spec.inputs:
        place = os.path.dirname(run.input_copy(item.name, item.path)) if item.is_copied else item.path
        yield place, place


def _job_file(run: RunPaths, path: str) -> Optional[Tuple[str, Sequence[str]]]:
    """A file or folder that jobs have written: a folder that none of them can replace, and the path from there."""
    scratch: Optional[ScratchPaths] = live_scratch(run)
    if scratch is not None and _is_within(path, scratch.work):
        return scratch.work, _parts(path, scratch.work)
    own, runs = os.path.basename(run.root), run.workspace.runs
    parts = _parts(path, runs) if _is_within(path, runs) else []
    if len(parts) < 3 or not is_run_id(parts[1]) or parts[2] not in (*ARTIFACT_FOLDERS, UPLOADS):
        return None
    other = run.workspace.run(parts[1])
    is_below = parts[1] == own or is_descendant(other, own)
    return (other.root, parts[2:]) if is_below and _is_within(path, other.root) else None


def _kept_copy(run: RunPaths, name: str, path: str, root: str, parts: Sequence[str]) -> str:
    """Copy an input that a job wrote to where none can change it; it is there until the run ends."""
    try:
        os.makedirs(run.handed_on, mode=0o700, exist_ok=True)
        aside = temporary(run.handed_on)
        os.mkdir(aside, 0o700)
        return _copy(root, parts, aside, Copier(_INPUT_FILES, _INPUT_BYTES))
    except OSError as error:
        code = "input_missing" if error.errno == errno.ENOENT else "bad_argument"
        limit = f"An input has at most {_INPUT_BYTES >> 20} MB and {_INPUT_FILES:,} files, without links."
        raise EspalierError(code, f"Can't copy the input {name} ({path}): {error.strerror}.", limit) from error


def _copy(root: str, parts: Sequence[str], aside: str, copier: Copier) -> str:
    """Copy what lies below a folder that no job can replace; a whole such folder under the name of it."""
    above, last = (root, parts) if parts else (os.path.dirname(root), [os.path.basename(root)])
    with opened_below(above, last[:-1], unlock=False) as source, opened_below(aside, ()) as target:
        copier.copy(source, last[-1], target, last[-1])
    return os.path.join(aside, last[-1])


def _is_within(path: str, folder: str) -> bool:
    return is_within(os.path.normpath(path), folder)


def _parts(path: str, folder: str) -> List[str]:
    relative = os.path.relpath(os.path.normpath(path), folder)
    return [] if relative == os.curdir else relative.split(os.sep)


def _wider(what: str) -> EspalierError:
    message = f"Can't submit a child with {what} from a container."
    return EspalierError(
        "bad_argument", message, f"{_NO_MORE} Leave the option out, or submit the child from a session."
    )
