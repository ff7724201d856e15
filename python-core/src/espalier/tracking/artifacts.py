r"""The files of a run: listed, read and stored, never by way of a link out of the run.

A job may name a file as it likes. Bytes that a name must not show (control characters, backslashes, what isn't UTF-8)
are listed as `\x` and two hex digits. No other name has a backslash, so the listed name leads back to the file.
"""

import contextlib
import difflib
import errno
import hashlib
import os
import re
import stat
from typing import BinaryIO, Iterator, List, Set, Tuple

from espalier.adapters import posix
from espalier.adapters.copying import copy_content
from espalier.adapters.moving import opened_below
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.os_errors import naming
from espalier.base.paths import ARTIFACT_FOLDERS, KEPT_FOLDERS, OUTPUTS, SYSTEM_LOGS, UPLOADS, RunPaths
from espalier.base.progress import advance, check, report
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle.failure_message import as_sentence, failure_line
from espalier.lifecycle.scratch import live_scratch
from espalier.lifecycle.status import status_of

# (bytes that aren't text in the file system's encoding: surrogates)
_ODD = re.compile("[\x00-\x1f\x7f\\\\\udc80-\udcff]")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
# Bytes that a file system takes as one part of a name.
_LONGEST_PART = 255


def listed_name(stored: str) -> str:
    """The name under which a file is listed."""
    return _ODD.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0])), stored)


def checked_parts(name: str) -> List[str]:
    """The name of a new artifact split into its parts. Raises EspalierError: `bad_name` (absolute, `..`, empty parts,
    backslashes, control characters)."""
    parts = name.split("/")
    if not _is_encodable(name) or _ODD.search(name) or any(part in ("", ".", "..") for part in parts):
        raise _bad(name)
    return parts


def file_parts(name: str) -> List[str]:
    """A listed name as the parts of the file's path. Raises EspalierError: `bad_name`, for what `listed_name` never
    gives."""
    if "\\" not in name:
        return checked_parts(name)
    if not _is_encodable(name):
        raise _bad(name)
    stored = os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), os.fsencode(name)))
    parts = stored.split("/")
    if listed_name(stored) != name or "\0" in stored or any(part in ("", ".", "..") for part in parts):
        raise _bad(name)
    return parts


def copy_parts(name: str) -> List[str]:
    """The parts of the path of a copy: safe on the system that copies, and no longer than a name may be there."""
    safe = name if os.sep == "/" else name.replace("\\", "%")
    return [_fitting(part) for part in safe.split("/")]


def _fitting(part: str) -> str:
    data = os.fsencode(part)
    if len(data) <= _LONGEST_PART:
        return part
    stem, ending = os.path.splitext(part)
    mark = "-" + hashlib.sha256(data).hexdigest()[:8] + ending[-40:]
    return os.fsencode(stem)[: _LONGEST_PART - len(os.fsencode(mark))].decode("utf-8", "ignore") + mark


def _is_encodable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def _bad(name: str) -> EspalierError:
    return EspalierError(
        "bad_name",
        f"Can't use {name!r} as the name of a run's file.",
        "Names are relative paths with `/`, as get_run_file_names() lists them.",
    )


def file_names(run: RunPaths) -> List[str]:
    """Names of a run's artifacts, sorted. While it runs, also what it has written to `./outputs` and `./logs`."""
    names: Set[str] = set()
    for folder in ARTIFACT_FOLDERS:
        names.update(relative for relative, _ in _walk(os.path.join(run.root, folder), folder))
    scratch = live_scratch(run)
    if scratch is not None:
        for name in KEPT_FOLDERS:
            names.update(_live_names(scratch, name))
    uploaded = (relative[len(UPLOADS) + 1 :] for relative, _ in _walk(os.path.join(run.root, UPLOADS), UPLOADS))
    names.update(name for name in uploaded if name.split("/")[0] not in ARTIFACT_FOLDERS)
    return sorted(map(listed_name, names))


def _walk(folder: str, prefix: str) -> Iterator[Tuple[str, str]]:
    pending = [] if os.path.islink(folder) else [(folder, prefix)]
    while pending:
        parent, name = pending.pop()
        try:
            entries = list(os.scandir(parent))
        except OSError:  # gone, not ours to read, or deeper than a path may be long
            continue
        for entry in entries:
            relative = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, relative))
            elif prefix != SYSTEM_LOGS or _has_content(entry):
                yield relative, entry.path


def _has_content(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_size > 0
    except FileNotFoundError:  # an empty log of a runner goes with it
        return False


def _live_names(scratch: ScratchPaths, name: str) -> List[str]:
    """Names of what a job that runs has in one of its folders that are kept."""
    try:
        with opened_below(scratch.root, [*scratch.job_parts, name], unlock=False) as folder:
            return [relative for relative, _ in _walk(posix.path_through(folder) + "/", name)]
    except OSError:
        return []


def open_artifact(run: RunPaths, name: str) -> int:
    """Open an artifact for reading.

    The opened file is checked, not the name: every folder on the way is opened without following links.

    Raises:
        EspalierError: `artifact_missing`, `artifact_unsafe`, `bad_name`.
    """
    parts = stored_parts(file_parts(name))
    try:
        return _open_below(run.root, parts)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise _unsafe(run, name, error) from error
        scratch = live_scratch(run) if parts[0] in KEPT_FOLDERS else None
        if scratch is not None:
            with contextlib.suppress(OSError):
                return _open_below(scratch.root, [*scratch.job_parts, *parts])
        raise _missing(run, name) from None


def plain_path(run: RunPaths, name: str) -> str:
    """Where an artifact lies that is a plain file in the run's folder, or in that of its job. Raises EspalierError:
    `artifact_missing`, `artifact_unsafe`, `bad_name`."""
    os.close(open_artifact(run, name))
    path = artifact_path(run, name)
    scratch = None if os.path.lexists(path) else live_scratch(run)
    return path if scratch is None else os.path.join(scratch.root, *scratch.job_parts, *stored_parts(file_parts(name)))


def _open_below(root: str, parts: List[str]) -> int:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    owner = os.fstat(folder).st_uid
    try:
        for part in parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            deeper = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = deeper
        # O_NONBLOCK: a FIFO must not stop us
        fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    opened = os.fstat(fd)
    if not stat.S_ISREG(opened.st_mode):
        os.close(fd)
        raise OSError(0, "not a regular file")
    if opened.st_nlink > 1 and opened.st_uid != owner:  # a hard link to what is not the run's
        os.close(fd)
        raise OSError(0, "another user's file")
    return fd


def artifact_path(run: RunPaths, name: str) -> str:
    """Where an artifact lies, by its listed name."""
    return os.path.join(run.root, *stored_parts(file_parts(name)))


def stored_parts(parts: List[str]) -> List[str]:
    """Where in the run's folder an artifact lies, by the parts of its name."""
    return parts if parts[0] in ARTIFACT_FOLDERS else [UPLOADS, *parts]


def download(run: RunPaths, name: str, destination: str) -> str:
    """Copy one artifact to a file, or into a folder under its own name; folders on the way are made.

    Returns:
        The file written, absolute.
    """
    return store(run, name, download_target(name, destination), alone=True)


def download_target(name: str, destination: str) -> str:
    """The file that `download` writes, absolute."""
    target = os.path.abspath(os.path.expanduser(destination))
    return os.path.join(target, copy_parts(name)[-1]) if os.path.isdir(target) else target


def store(run: RunPaths, name: str, target: str, alone: bool = False) -> str:
    """Copy one artifact to exactly this file, replacing what is there.

    Args:
        alone: Tell the progress of this file.
    """
    fd = open_artifact(run, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    # (short: the name of the file itself may be as long as names can be)
    temporary = os.path.join(os.path.dirname(target), f".espalier-{os.urandom(8).hex()}")
    with os.fdopen(fd, "rb") as source:
        try:
            with naming(target), open(temporary, "xb") as sink:
                _copy(source, sink, alone)
            os.replace(temporary, target)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    return target


def _copy(source: BinaryIO, sink: BinaryIO, alone: bool) -> None:
    if alone:
        report("Copying the file", 0, os.fstat(source.fileno()).st_size)
    copy_content(source.fileno(), sink.fileno(), advance if alone else lambda count: check())


def _unsafe(run: RunPaths, name: str, error: OSError) -> EspalierError:
    return EspalierError(
        "artifact_unsafe",
        f"Can't read {name} of this run: it isn't a plain file inside its folder ({error.strerror}).",
        "It is a link or a device. If you trust it, read it in the run's folder.",
        path=artifact_path(run, name),
    )


def _missing(run: RunPaths, name: str) -> EspalierError:
    # names are the job's: no sign that turns text around into a terminal
    known = ["".join(c if c.isprintable() else "?" for c in item) for item in file_names(run)]
    shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    meant = {way.lower(): item for item in known for way in (item, _below_outputs(item))}
    near = difflib.get_close_matches(name.lower()[:_LONGEST_PART], meant, 1)
    hint = f"Did you mean {meant[near[0]]!r}? " if near else ""
    return EspalierError(
        "artifact_missing",
        f"Can't find {name!r} among the run's files{why_there_is_none(run)}",
        f"{hint}It has: {shown}." if known else "",
    )


def _below_outputs(name: str) -> str:
    return name[len(OUTPUTS) + 1 :] if name.startswith(f"{OUTPUTS}/") else name


def why_there_is_none(run: RunPaths) -> str:
    """Why a run has no such file: the end of a sentence."""
    status = status_of(run)
    if status is None or not states.is_final(status.state):
        return " yet."
    has_begun = status.started_at is not None and (status.error or {}).get("code") != "start_failed"
    if status.error is None or status.is_recorded or has_begun:
        return "."
    return ", because its job never began: " + as_sentence(failure_line(status.error))
