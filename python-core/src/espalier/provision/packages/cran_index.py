"""Which packages a CRAN-like repository has: its index, read without R, checked, and kept between calls."""

import difflib
import gzip
import io
import os
import re
import zlib
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import digest_bytes
from espalier.base.errors import EspalierError
from espalier.base.records import make_folders, readable_record, replace_file, replace_record
from espalier.environment.definition import RSide
from espalier.provision.packages.fetch import NotThere, Unchanged, open_url, without_credentials
from espalier.provision.packages.versions import (
    Dependency,
    dependencies,
    is_package_name,
    is_version,
    read_dcf,
    version_key,
)

CRAN = "https://cloud.r-project.org"
# CRAN as it was on a day.
DATED_CRAN = "https://packagemanager.posit.co/cran/{snapshot_date}"
_LARGEST = 256 << 20
_PACKAGE = re.compile(r"^Package:[ \t]*(\S+)", re.MULTILINE)
_MD5 = re.compile(r"[0-9a-f]{32}")
_FILE = re.compile(r"[A-Za-z0-9_.+-]+\.tar\.gz")
_FOLDER = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
# R -> the Bioconductor that belongs to it.
_BIOCONDUCTOR = {"3.6": "3.10", "4.0": "3.12", "4.1": "3.14", "4.2": "3.16", "4.3": "3.18", "4.4": "3.20"}
_BIOCONDUCTOR["4.5"] = "3.22"
_BIOCONDUCTOR_PARTS = ("bioc", "data/annotation", "data/experiment", "workflows")
# Bioconductor as it was on a day.
DATED = "https://packagemanager.posit.co/bioconductor"


@dataclass(frozen=True)
class Entry:
    """One version of a package in an index."""

    name: str
    version: str
    url: str
    md5: Optional[str]
    needs: Tuple[Dependency, ...]
    origin: str = "cran"

    def installable(self, r_version: Optional[str]) -> bool:
        """Whether it says that it works with that R; a version without a patch level stands for its last one."""
        if r_version is None:
            return True
        full = r_version if r_version.count(".") > 1 else r_version + ".99"
        return all(need.met_by(full) for need in self.needs if need.name == "R")


class Index:
    """A repository's packages."""

    def __init__(self, url: str, text: str, origin: str = "cran") -> None:
        self.url = url
        self._origin = origin
        # read in full only when they are asked for: CRAN has 20000 packages
        self._records: Dict[str, List[str]] = {}
        for record in text.replace("\r\n", "\n").split("\n\n"):
            match = _PACKAGE.search(record)
            if match:
                self._records.setdefault(match[1], []).append(record)

    def names(self) -> Sequence[str]:
        """Of all its packages."""
        return tuple(self._records)

    def entries(self, name: str) -> List[Entry]:
        """The versions it has of a package, the newest first; what is malformed is none."""
        found = []
        for record in self._records.get(name, []):
            fields = next(read_dcf(record), {})
            version = fields.get("Version", "")
            file = fields.get("File", f"{name}_{version}.tar.gz")
            folder = fields.get("Path", "")
            if not is_package_name(name) or not is_version(version) or not _FILE.fullmatch(file):
                continue
            if folder and (not _FOLDER.fullmatch(folder) or ".." in folder.split("/")):
                continue
            md5 = fields.get("MD5sum", "").lower()
            found.append(
                Entry(
                    name,
                    version,
                    "/".join(part for part in (self.url, "src/contrib", folder, file) if part),
                    f"md5:{md5}" if _MD5.fullmatch(md5) else None,
                    tuple(dependencies(fields)),
                    self._origin,
                )
            )
        return sorted(found, key=lambda entry: version_key(entry.version), reverse=True)

    def archived(self, name: str, version: str) -> str:
        """Where an older version lies, if it is there."""
        return f"{self.url}/src/contrib/Archive/{name}/{name}_{version}.tar.gz"


def cran_repositories(side: RSide) -> List[str]:
    """Where CRAN's packages are looked for, in that order: all repositories but Bioconductor's."""
    return [url.rstrip("/") for name, url in repositories(side).items() if not _is_bioconductor(name)]


def bioconductor_repositories(side: RSide, r_version: Optional[str]) -> List[str]:
    """Where Bioconductor's packages are looked for: those of the definition whose names begin with `Bioc`, else
    Bioconductor's own for that R. Raises EspalierError: `lock_failed`, it is not known which Bioconductor belongs to
    that R."""
    chosen = [url.rstrip("/") for name, url in repositories(side).items() if _is_bioconductor(name)]
    if chosen:
        return chosen
    release = _BIOCONDUCTOR.get(".".join((r_version or "").split(".")[:2]))
    if release is None:
        message = f"Can't tell which Bioconductor belongs to R {r_version or '(of an unknown version)'}."
        raise EspalierError("lock_failed", message, "Give its address in `repositories`, named BioCsoft.")
    home = f"{DATED}/{side.snapshot_date}" if side.snapshot_date else "https://bioconductor.org"
    return [f"{home}/packages/{release}/{part}" for part in _BIOCONDUCTOR_PARTS]


def _is_bioconductor(name: str) -> bool:
    return name.lower().startswith("bioc")


def read_index(cache: CachePaths, url: str, origin: str = "cran", certificate: Optional[str] = None) -> Index:
    """A repository's index, from the cache where the server says that it has not changed.

    Args:
        url: The repository's address, without `src/contrib`.
        origin: What its packages are called in a lock.
        certificate: PEM text of an authority to trust besides those of the system.

    Raises:
        EspalierError: `lock_failed`, it does not answer or has no index.
    """
    hex_url = digest_bytes(url.encode()).partition(":")[2]
    stored, about = cache.index(hex_url), cache.index_record(hex_url)
    known = _known(stored, about)
    for name in ("PACKAGES.gz", "PACKAGES"):
        address = f"{url}/src/contrib/{name}"
        headers = {"If-None-Match": known["etag"]} if known.get("name") == name and known.get("etag") else {}
        try:
            with open_url(address, headers, certificate) as file:
                etag = (file.headers.get("ETag") or "") if file.headers else ""
                if etag and headers and etag == known["etag"]:
                    raise Unchanged
                data = file.read(_LARGEST + 1)
        except NotThere:
            continue
        except Unchanged:
            with open(stored, "rb") as file:
                data = file.read()
        else:
            make_folders(cache.indexes)
            replace_file(stored, data, cache.indexes)
            replace_record(about, {"format": 1, "name": name, "etag": etag, "size": len(data)}, cache.indexes)
        return Index(url, _text(data, address), origin)
    message = f"Can't find an R repository at {without_credentials(url)}: it has no src/contrib/PACKAGES."
    raise EspalierError("lock_failed", message, "Check the address in `repositories`.", url=without_credentials(url))


def _known(stored: str, about: str) -> Dict[str, str]:
    """What was read before; nothing where the two files do not belong together."""
    record = readable_record(about)
    return record if os.path.exists(stored) and os.path.getsize(stored) == record.get("size") else {}


def _text(data: bytes, address: str) -> str:
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(_LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise EspalierError(
                "lock_failed", f"Can't read {without_credentials(address)}: it's damaged: {error}."
            ) from None
    if len(data) > _LARGEST:
        raise EspalierError("lock_failed", f"Can't read {without_credentials(address)}: it's unreasonably large.")
    return data.decode("utf-8", "replace")


def find(indexes: Sequence[Index], wishes: Sequence[Dependency], r_version: Optional[str]) -> Optional[Entry]:
    """The newest version that meets all wishes (for one package), of the first repository that has such; None where
    none has."""
    for index in indexes:
        for entry in index.entries(wishes[0].name):
            if entry.installable(r_version) and all(wish.met_by(entry.version) for wish in wishes):
                return entry
    return None


def not_found(
    indexes: Sequence[Index], wanted: Dependency, r_version: Optional[str], wanted_by: str = ""
) -> EspalierError:
    """Why `find` found nothing."""
    asked = ", ".join(without_credentials(index.url) for index in indexes) or "no repository"
    available = [entry for index in indexes for entry in index.entries(wanted.name)]
    who = f", which {wanted_by} needs," if wanted_by else ""
    fields = {"package": wanted.name, "repositories": [without_credentials(index.url) for index in indexes]}
    fitting = [entry for entry in available if wanted.met_by(entry.version)]
    if fitting:
        needs = next(str(need) for need in fitting[0].needs if need.name == "R")
        message = f"Can't use {wanted.name} {fitting[0].version}{who} with R {r_version}: it needs {needs}."
        hint = "Ask for an older version (cran_package(name, version)), a snapshot_date, or another R."
        return EspalierError("lock_failed", message, hint, **fields)
    if available:
        versions = ", ".join(entry.version for entry in available)
        message = f"Can't find {wanted}{who} in the repositories ({asked}). They have {versions}."
        return EspalierError("package_missing", message, "Ask for one of these versions.", **fields)
    names = {name for index in indexes for name in index.names()}
    near = _near(wanted.name, names)
    message = f"Can't find the R package {wanted.name}{who} in the repositories ({asked})."
    hint = f"Did you mean {' or '.join(near)}?" if near else "Check the name, or name the repository that has it."
    return EspalierError("package_missing", message, hint, near=near, **fields)


def _near(name: str, names: "set[str]") -> List[str]:
    """Names that the user may have meant."""
    same = sorted(other for other in names if other.lower() == name.lower())
    return same or difflib.get_close_matches(name, sorted(names), 3, 0.8)


def repositories(side: RSide) -> Dict[str, str]:
    """Name to URL, CRAN first; of the day that the definition names, if it does."""
    given = dict(side.repositories)
    cran = given.pop("CRAN", DATED_CRAN if side.snapshot_date else CRAN)
    urls = {"CRAN": cran, **given}
    return {name: url.replace("{snapshot_date}", side.snapshot_date or "") for name, url in urls.items()}
