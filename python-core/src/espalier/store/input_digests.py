"""What an input consists of, the process that asks: submit, the runner that copies it, the end of the run.

A link to a file counts as that file, a link to a folder inside the input as a link; other links, pipes and devices
aren't part of it. Standard library only: the runner loads this before the job starts.
"""

import contextlib
import hashlib
import os
from typing import BinaryIO, Iterator, List, Tuple

from espalier.base import records
from espalier.base.model.job import Input
from espalier.base.progress import check
from espalier.base.records import now_iso

# Up to here an input is read for its digest at submit, and the job is given a private copy of it; beyond, size and
# time stand for the content and the job reads the original. Each run waits for its copies, at its start and end: 0.2 s
# for 64 MB in one file, 1 s for 10,000 small ones on a local disk. A large data set would take minutes, and its disk.
INPUT_COPY_LIMIT_BYTES = 64 * 1024 * 1024
INPUT_COPY_LIMIT_FILES = 10_000


class LeadsOutside(Exception):
    """A link in an input folder leads to a folder outside: what lies there has no bounds."""


def files_below(folder: str) -> Iterator[Tuple[str, str]]:
    """The plain files of a folder: path relative to it, and whole path."""
    for parent, _, names in os.walk(folder):
        check()
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path):
                yield os.path.relpath(path, folder), path


def measure(path: str) -> Tuple[int, float, int]:
    """Size in bytes, newest time of change (seconds since 1970) and number of files of a file or folder. Raises
    OSError: it is missing, or a file went away meanwhile."""
    files = [item for _, item in files_below(path)] if os.path.isdir(path) else [path]
    stats = [os.stat(item) for item in files]
    return sum(one.st_size for one in stats), max((one.st_mtime for one in stats), default=0.0), len(files)


def input_at(name: str, path: str) -> Input:
    """An input as it lies there now, with its digest where a job gets a copy of it.

    Args:
        path: Its path, absolute.

    Raises:
        OSError: it is missing, or can't be read.
    """
    is_folder = os.path.isdir(path)
    size, changed, count = measure(path)
    found = Input(name, path, "directory" if is_folder else "file", size, now_iso(changed), count)
    # a pipe or device has no content to read twice
    readable = is_folder or os.path.isfile(path)
    if readable and size <= INPUT_COPY_LIMIT_BYTES and count <= INPUT_COPY_LIMIT_FILES:
        with contextlib.suppress(LeadsOutside):
            found = found._replace(digest=content_digest(path))
    return found


def content_digest(path: str) -> str:
    """Digest of names and contents, as `sha256:<64 hex digits>`; where the input lies does not matter.

    Raises:
        LeadsOutside: the content is not all there.
        OSError: a file cannot be read, or isn't a plain file.
    """
    parts: List[Tuple[str, bytes]] = []
    if os.path.isdir(path):
        parts += [(relative, b"\0" + _file_digest(file)) for relative, file in files_below(path)]
        # (two NUL bytes set a link apart from a file of that name)
        parts += [(name, b"\0\0" + hashlib.sha256(os.fsencode(to)).digest()) for name, to in folder_links(path)]
    else:
        parts.append(("", b"\0" + _file_digest(path)))
    return _digest(parts)


def digest_of_file(sha256: str) -> str:
    """The content digest of a file, from the SHA-256 of its bytes as hex digits."""
    return _digest([("", b"\0" + bytes.fromhex(sha256))])


def _digest(parts: List[Tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for relative, content in sorted(parts):
        whole.update(os.fsencode(relative) + content)
    return "sha256:" + whole.hexdigest()


def folder_links(folder: str) -> Iterator[Tuple[str, str]]:
    """The links to folders inside: path relative to the folder, and the target relative to where the link lies. Raises
    LeadsOutside: one leads to a folder that is not inside."""
    top = os.path.realpath(folder)
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                continue
            target = os.path.realpath(path)
            if os.path.commonpath((top, target)) != top:
                raise LeadsOutside(path)
            yield os.path.relpath(path, folder), os.path.relpath(target, os.path.realpath(parent))


def open_plain(path: str) -> BinaryIO:
    """Open a plain file, or the one a link leads to; a pipe in its place is not waited for. Raises OSError: it is
    missing, cannot be read, or isn't a plain file."""
    return os.fdopen(records.open_plain(path, follow=True), "rb", buffering=0)


def _file_digest(path: str) -> bytes:
    sha = hashlib.sha256()
    with open_plain(path) as file:
        while True:
            data = file.read(1 << 20)
            if not data:
                return sha.digest()
            sha.update(data)
            check()
