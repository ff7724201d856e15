"""What the engine's build is given: a tar archive whose bytes follow from its files alone."""

import io
import os
import stat
import tarfile
from typing import BinaryIO, Iterator, Mapping, Tuple

from espalier.adapters.docker import files_of_context
from espalier.base.errors import EspalierError
from espalier.base.progress import check

# The Dockerfile's name in an archive of ours.
DOCKERFILE = "Dockerfile"


def recipe_context(dockerfile: str, files: Mapping[str, bytes]) -> BinaryIO:
    """The context of a recipe."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in sorted({**files, DOCKERFILE: dockerfile.encode("utf-8")}.items()):
            tar.addfile(_member(name, len(data), 0o644), io.BytesIO(data))
    out.seek(0)
    return out


def write_context(root: str, dockerfile: str, changed: Mapping[str, str], out: BinaryIO) -> None:
    """The context of a folder: names sorted, times and owners left out.

    Args:
        root: The folder; what its `.dockerignore` says stays out.
        dockerfile: The Dockerfile's path in it.
        changed: Path of a file to the text it is to have in the archive.
        out: Where the archive goes.

    Raises:
        EspalierError: `source_missing`, `script_missing` (no Dockerfile), `source_unreadable`.
    """
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in _files(root, dockerfile):
            check()
            if name in changed:
                data = changed[name].encode("utf-8")
                tar.addfile(_member(name, len(data), 0o644), io.BytesIO(data))
            else:
                _add(tar, name, path)


def read_dockerfile(root: str, dockerfile: str) -> str:
    """The text of a context's Dockerfile. Raises EspalierError: `source_missing`, `script_missing`."""
    if not os.path.isdir(root):
        raise EspalierError(
            "source_missing", f"Can't use the build context {root}: it isn't a folder.", "Correct its path.", path=root
        )
    try:
        with open(os.path.join(root, dockerfile), encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise EspalierError(
            "script_missing", f"Can't read {dockerfile} in the build context {root}: {error}.",
            "Name its Dockerfile.", path=root,
        ) from error  # fmt: skip


def _files(root: str, dockerfile: str) -> Iterator[Tuple[str, str]]:
    read_dockerfile(root, dockerfile)
    for name in sorted(files_of_context(root, dockerfile)):
        if name not in (".", ""):
            yield name.replace(os.sep, "/"), os.path.join(root, name)


def _add(tar: tarfile.TarFile, name: str, path: str) -> None:
    try:
        seen = os.lstat(path)
        if stat.S_ISLNK(seen.st_mode):
            member = _member(name, 0, 0o777, tarfile.SYMTYPE)
            member.linkname = os.readlink(path)
            tar.addfile(member)
        elif stat.S_ISDIR(seen.st_mode):
            tar.addfile(_member(name, 0, 0o755, tarfile.DIRTYPE))
        elif stat.S_ISREG(seen.st_mode):
            mode = 0o755 if seen.st_mode & 0o100 else 0o644
            with open(path, "rb") as file:
                tar.addfile(_member(name, os.fstat(file.fileno()).st_size, mode), file)
    except OSError as error:
        raise EspalierError(
            "source_unreadable", f"Can't read {path} of the build context: {error.strerror or error}.",
            "Make it readable, or leave it out by .dockerignore.", path=path,
        ) from error  # fmt: skip


def _member(name: str, size: int, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.type = size, mode, kind
    return member
