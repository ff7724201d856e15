"""The files of a run: listed, read and stored, never by way of a link out of the run."""

import errno
import os
import shutil
import stat
from typing import BinaryIO, Iterator, List, Set, Tuple

from espalier.errors import EspalierError
from espalier.paths import ARTIFACT_FOLDERS, KEPT_FOLDERS, OUTPUTS, SYSTEM_LOGS, RunPaths
from espalier.progress import advance, report


def file_names(run: RunPaths) -> List[str]:
    """Names of a run's artifacts, sorted. While it runs, also what it wrote to folders that replaced our links."""
    names: Set[str] = set()
    for folder in ARTIFACT_FOLDERS:
        names.update(relative for relative, _ in _walk(os.path.join(run.root, folder), folder))
    for name, path, _ in run.kept:
        if os.path.isdir(path) and not os.path.islink(path):
            names.update(relative for relative, _ in _walk(path, name))
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
    parts = checked_parts(name)
    if parts[0] not in ARTIFACT_FOLDERS:
        raise _missing(run, name)
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
    fd = open_artifact(run, name)
    target = os.path.abspath(os.path.expanduser(destination))
    if os.path.isdir(target):
        target = os.path.join(target, checked_parts(name)[-1])
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.part-{os.urandom(8).hex()}"
    with os.fdopen(fd, "rb") as source:
        try:
            with open(temporary, "xb") as sink:
                _copy(source, sink)
            os.replace(temporary, target)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    return target


def _copy(source: BinaryIO, sink: BinaryIO) -> None:
    report("Copying the file", 0, os.fstat(source.fileno()).st_size)
    while True:
        chunk = source.read(1024 * 1024)
        if not chunk:
            return
        sink.write(chunk)
        advance(len(chunk))


def upload(run: RunPaths, name: str, source: str) -> None:
    """Store a file as an artifact under `outputs/` (a name without that prefix gets it).

    Raises:
        EspalierError: `file_exists`, `artifact_missing` (no such source), `bad_name`.
    """
    parts = checked_parts(name)
    if parts[0] not in KEPT_FOLDERS:
        parts = [OUTPUTS, *parts]
    target = os.path.join(run.root, *parts)
    if not os.path.isfile(source):
        raise EspalierError("artifact_missing", f"There is no file {source} to upload.", "Correct the path.")
    if os.path.lexists(target):
        raise EspalierError("file_exists", f"The run has a file {'/'.join(parts)} already.", "Choose another name.")
    home = os.path.realpath(os.path.dirname(target))
    if os.path.commonpath([home, os.path.realpath(run.root)]) != os.path.realpath(run.root):
        raise EspalierError("artifact_unsafe", f"{'/'.join(parts)} lies behind a link that leaves the run's folder.")
    os.makedirs(home, exist_ok=True)
    shutil.copyfile(source, target)


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
