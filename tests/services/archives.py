"""Archives whose bytes follow from their content alone: the same package has the same digest each time."""

import gzip
import io
import tarfile
import zipfile
from typing import Mapping

EPOCH = (1980, 1, 1, 0, 0, 0)


def tar(files: Mapping[str, bytes], links: Mapping[str, str] = {}) -> bytes:
    """A tar of files, and of symbolic links with their targets; scripts (`#!`) are executable."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o755 if data.startswith(b"#!") else 0o644
            archive.addfile(member, io.BytesIO(data))
        for name, target in sorted(links.items()):
            member = tarfile.TarInfo(name)
            member.type = tarfile.SYMTYPE
            member.linkname = target
            archive.addfile(member)
    return out.getvalue()


def tar_gz(files: Mapping[str, bytes]) -> bytes:
    """The same, compressed."""
    return gzip.compress(tar(files), mtime=0)


def zipped(files: Mapping[str, bytes], compressed: bool = True) -> bytes:
    """A zip of files, in the order in which they are given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data)
    return out.getvalue()
