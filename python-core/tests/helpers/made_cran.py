"""A CRAN-like repository of tiny packages, without R: tarballs made by hand and an index of them."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Dict, Mapping, Optional

NAMESPACE = 'exportPattern("^[^.]")\n'


def description(name: str, version: str, fields: Mapping[str, str]) -> str:
    """A DESCRIPTION that R CMD INSTALL accepts."""
    all_fields = {
        "Package": name,
        "Version": version,
        "Title": "A Test",
        "Description": "For tests.",
        "License": "MIT",
        "Author": "Somebody",
        "Maintainer": "Somebody <a@example.org>",
        **fields,
    }
    return "".join(f"{field}: {value}\n" for field, value in all_fields.items())


def tarball(files: Mapping[str, str]) -> bytes:
    """A .tar.gz with these files."""
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=buffer, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            entry.mode = 0o755 if name.endswith("configure") else 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def package(name: str, version: str, files: Optional[Mapping[str, str]] = None, top: str = "", **fields: str) -> bytes:
    """A source package with a function `<name>_version()`."""
    body = {
        "DESCRIPTION": description(name, version, fields),
        "NAMESPACE": NAMESPACE,
        "R/a.R": f'{name}_version <- function() "{version}"\n',
        **(files or {}),
    }
    return tarball({f"{top or name}/{path}": text for path, text in body.items()})


class Cran:
    """A repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contrib = folder / "src" / "contrib"
        self.contrib.mkdir(parents=True)
        self.records: Dict[str, str] = {}
        self.write()

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def add(self, name: str, version: str = "1.0", files: Optional[Mapping[str, str]] = None, **fields: str) -> Path:
        """A package; the version before, if there is one, goes to the archive."""
        before = next(iter(self.contrib.glob(f"{name}_*.tar.gz")), None)
        if before is not None:
            archive = self.contrib / "Archive" / name
            archive.mkdir(parents=True, exist_ok=True)
            before.rename(archive / before.name)
        data = package(name, version, files, **fields)
        path = self.contrib / f"{name}_{version}.tar.gz"
        path.write_bytes(data)
        kept = {field: value for field, value in fields.items() if field in ("Depends", "Imports", "LinkingTo")}
        lines = {"Package": name, "Version": version, **kept, "MD5sum": hashlib.md5(data).hexdigest()}
        self.records[name] = "".join(f"{field}: {value}\n" for field, value in lines.items())
        self.write()
        return path

    def write(self, text: Optional[str] = None) -> None:
        """The index, or another text in its place."""
        text = "\n".join(self.records.values()) if text is None else text
        (self.contrib / "PACKAGES.gz").write_bytes(gzip.compress(text.encode()))
