"""Source packages as they come from strangers: their DESCRIPTION is read, and nothing is unpacked on this machine."""

import gzip
import io
import tarfile
from pathlib import PurePosixPath
from typing import BinaryIO, Dict, Iterator, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.base.progress import check
from espalier.provision.packages.versions import is_package_name, is_version, read_dcf

_LARGEST_DESCRIPTION = 1 << 20
_MOST_BYTES = 8 << 30
_MOST_FILES = 200_000


def read_description(path: str, shown: str) -> Dict[str, str]:
    """The DESCRIPTION of a source package, with at least a good `Package` and `Version`.

    Args:
        path: The package, a `.tar.gz` (or otherwise compressed) file.
        shown: What to call it in an error.

    Raises:
        EspalierError: `lock_failed`, it isn't a source package.
    """
    try:
        with tarfile.open(path, "r:*") as archive:
            for member, inside in _members(archive, shown):
                if len(inside.parts) == 2 and inside.name == "DESCRIPTION" and member.isfile():
                    return _description(archive, member, shown)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _no_package(shown, str(error)) from None
    raise _no_package(shown, "it has no DESCRIPTION")


def repack(path: str, subdir: Optional[str], target: BinaryIO, shown: str) -> Dict[str, str]:
    """Write the package in a repository's archive as a source package whose bytes depend on its files alone.

    Args:
        path: The archive, with one folder at its top.
        subdir: Where in the repository the package lies; None: at its top.
        target: The new `.tar.gz`.
        shown: What to call the archive in an error.

    Raises:
        EspalierError: `lock_failed`, there is no package.
    """
    prefix = PurePosixPath(subdir or ".").parts
    try:
        with tarfile.open(path, "r:*") as archive:
            chosen = {}
            for member, inside in _members(archive, shown):
                rest = inside.parts[1:]
                if rest[: len(prefix)] == prefix and len(rest) > len(prefix):
                    chosen[PurePosixPath(*rest[len(prefix) :])] = member
            top = chosen.get(PurePosixPath("DESCRIPTION"))
            if top is None or not top.isfile():
                where = f"its folder {subdir}" if subdir else "its top folder"
                raise _no_package(shown, f"it has no DESCRIPTION in {where}")
            fields = _description(archive, top, shown)
            _write(archive, {f"{fields['Package']}/{name}": member for name, member in chosen.items()}, target)
            return fields
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _no_package(shown, str(error)) from None


def _members(archive: tarfile.TarFile, shown: str) -> Iterator[Tuple[tarfile.TarInfo, PurePosixPath]]:
    """The files, folders and harmless links of an archive, up to a limit that no honest package comes near."""
    size = 0
    for number, member in enumerate(archive):
        check()
        size += max(0, member.size)
        if number >= _MOST_FILES or size > _MOST_BYTES:
            raise _no_package(shown, "it is unreasonably large")
        inside = PurePosixPath(member.name)
        if inside.is_absolute() or ".." in inside.parts or "\0" in member.name:
            raise _no_package(shown, f"it has a file named {member.name!r}")
        if member.isfile() or member.isdir() or member.issym():
            yield member, inside


def _description(archive: tarfile.TarFile, member: tarfile.TarInfo, shown: str) -> Dict[str, str]:
    file = archive.extractfile(member)
    if file is None or member.size > _LARGEST_DESCRIPTION:
        raise _no_package(shown, "its DESCRIPTION is unreasonably large")
    fields = next(read_dcf(file.read().decode("utf-8", "replace")), {})
    if not is_package_name(fields.get("Package", "")) or not is_version(fields.get("Version", "")):
        raise _no_package(shown, "its DESCRIPTION gives no valid name and version")
    return fields


def _write(archive: tarfile.TarFile, files: Dict[str, tarfile.TarInfo], target: BinaryIO) -> None:
    with gzip.GzipFile("", "wb", 6, target, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as new:
        for name in sorted(files):
            member = files[name]
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            entry.type = member.type
            if member.isfile():
                file = archive.extractfile(member)
                assert file is not None
                entry.type, entry.size = tarfile.REGTYPE, member.size
                new.addfile(entry, file)
            elif member.isdir():
                new.addfile(entry)
            else:  # a link inside the package stays one; R's own unpacking refuses others no less than this
                link = PurePosixPath(member.linkname)
                depth = len(PurePosixPath(name).parts) - 2
                if not link.is_absolute() and _stays_inside(link, depth):
                    entry.linkname = member.linkname
                    new.addfile(entry, io.BytesIO())


def _stays_inside(link: PurePosixPath, depth: int) -> bool:
    """Whether a link never leaves the folder that it lies `depth` folders below."""
    for part in link.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _no_package(shown: str, why: str) -> EspalierError:
    hint = "Give the address of a package made by `R CMD build`, or of a repository with a package."
    return EspalierError("lock_failed", f"Can't read {shown} as an R source package: {why}.", hint)
