"""The files of a run: listed, read and stored, never by way of a link out of the run."""

import errno
import os
import stat
from typing import BinaryIO, Iterator, List, Set, Tuple

from espalier.errors import EspalierError
from espalier.paths import ARTIFACT_FOLDERS, KEPT_FOLDERS, SYSTEM_LOGS, UPLOADS, RunPaths
from espalier.progress import advance, check, report


def file_names(run: RunPaths) -> List[str]:
    """Names of a run's artifacts, sorted. While it runs, also what it wrote to folders that replaced our links."""
    names: Set[str] = set()
    for folder in ARTIFACT_FOLDERS:
        names.update(relative for relative, _ in _walk(os.path.join(run.root, folder), folder))
    for name, path, _ in run.kept:
        if os.path.isdir(path) and not os.path.islink(path):
            names.update(relative for relative, _ in _walk(path, name))
    uploaded = (relative[len(UPLOADS) + 1 :] for relative, _ in _walk(os.path.join(run.root, UPLOADS), UPLOADS))
    names.update(name for name in uploaded if name.split("/")[0] not in ARTIFACT_FOLDERS)
    return sorted(names)


def _walk(folder: str, prefix: str) -> Iterator[Tuple[str, str]]:
    pending = [] if os.path.islink(folder) else [(folder, prefix)]
    while pending:
        here, name = pending.pop()
        try:
            entries = list(os.scandir(here))
        except OSError:  # gone, not ours to read, or deeper than a path may be long
            continue
        for entry in entries:
            relative = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, relative))
            elif prefix != SYSTEM_LOGS or entry.stat(follow_symlinks=False).st_size:
                yield relative, entry.path


def open_artifact(run: RunPaths, name: str) -> int:
    """Open an artifact for reading.

    The opened file is checked, not the name: every folder on the way is opened without following links.

    Raises:
        EspalierError: `artifact_missing`, `artifact_unsafe`, `bad_name`.
    """
    parts = stored_parts(checked_parts(name))
    try:
        return _open_below(run.root, parts)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise _unsafe(run, name, error) from error
        if parts[0] in KEPT_FOLDERS and os.path.isdir(run.work):
            try:
                return _open_below(run.work, parts)
            except OSError:
                pass
        raise _missing(run, name) from None


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


def checked_parts(name: str) -> List[str]:
    """An artifact's name split into its parts.

    Raises:
        EspalierError: `bad_name` (absolute, `..`, empty parts, backslashes, control characters).
    """
    parts = name.split("/")
    bad = not name or not _is_encodable(name) or "\\" in name or any(part in ("", ".", "..") for part in parts)
    if bad or any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise EspalierError(
            "bad_name",
            f"{name!r} is no name of a run's file.",
            "Names are relative paths with `/`, as get_run_file_names() lists them.",
        )
    return parts


def stored_parts(parts: List[str]) -> List[str]:
    """Where in the run's folder an artifact lies, by the parts of its name."""
    return parts if parts[0] in ARTIFACT_FOLDERS else [UPLOADS, *parts]


def _is_encodable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def download(run: RunPaths, name: str, destination: str) -> str:
    """Copy one artifact to a file; folders on the way are made.

    Returns:
        The file written, absolute.
    """
    target = os.path.abspath(os.path.expanduser(destination))
    if os.path.isdir(target):
        target = os.path.join(target, checked_parts(name)[-1])
    return store(run, name, target, alone=True)


def store(run: RunPaths, name: str, target: str, alone: bool = False) -> str:
    """Copy one artifact to exactly this file, replacing what is there.

    Args:
        alone: Tell the progress of this file.

    Returns:
        The file.
    """
    fd = open_artifact(run, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.part-{os.urandom(8).hex()}"
    with os.fdopen(fd, "rb") as source:
        try:
            with open(temporary, "xb") as sink:
                _copy(source, sink, alone)
            os.replace(temporary, target)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    return target


def _copy(source: BinaryIO, sink: BinaryIO, alone: bool) -> None:
    if alone:
        report("Copying the file", 0, os.fstat(source.fileno()).st_size)
    while True:
        chunk = source.read(1024 * 1024)
        if not chunk:
            return
        sink.write(chunk)
        if alone:
            advance(len(chunk))
        else:
            check()


def _unsafe(run: RunPaths, name: str, error: OSError) -> EspalierError:
    return EspalierError(
        "artifact_unsafe",
        f"{name} of this run is no plain file inside its folder ({error.strerror}).",
        "It is a link or a device; look at the run's folder yourself if you trust it.",
        path=os.path.join(run.root, name),
    )


def _missing(run: RunPaths, name: str) -> EspalierError:
    # names are the job's: no control characters into a terminal
    known = ["".join(c if c.isprintable() else "?" for c in item) for item in file_names(run)]
    shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    return EspalierError(
        "artifact_missing",
        f"The run has no file {name!r}.",
        f"It has: {shown}." if known else "It has no files yet.",
    )
