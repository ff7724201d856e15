"""A lock: the exact packages that a definition was resolved to, and its JSON.

What reads that JSON trusts nothing in it: its values end up in requirements files, in what R runs and in addresses that
are fetched, so they are held to the spelling of definitions.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Sequence, Set

from espalier.base.canonical import digest
from espalier.base.errors import EspalierError
from espalier.base.model.codec import Wrong, decode, encode, shown
from espalier.base.paths import is_digest
from espalier.environment import spelling
from espalier.environment.definition import Secret
from espalier.environment.requirements import location, locked_requirement

_ORIGINS = ("cran", "github", "url", "bioconductor")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")


@dataclass(frozen=True)
class RSource:
    """One R package, exactly: where its source is and what it must be.

    Args:
        origin: `cran`, `github`, `url` or `bioconductor`.
        url: Where its source package (`.tar.gz`) is fetched.
        digest: `sha256:...` of that file once it was fetched, or `md5:...` as the index gives it.
        needs: Names of the packages of this lock that have to be installed before it.
        auth_token: The secret to fetch it with.
        unless_r_has: It is one of R's recommended packages, and left out where R brings this version of it or a
            later one. None: it is always installed.
    """

    name: str
    version: str
    origin: str
    url: str
    digest: Optional[str] = None
    needs: Sequence[str] = ()
    auth_token: Optional[Secret] = None
    unless_r_has: Optional[str] = None


@dataclass(frozen=True)
class Lock:
    """All packages of an environment.

    Args:
        r: In an order in which they can be installed.
        python: Lines of a requirements file, each `name==version` with its hashes.
        conda: Addresses of conda packages, each with `#sha256=...` appended.
        python_version: The Python that `python` was resolved for, `3.11`.
        r_version: The R that `r` was resolved for, `4.2`.
    """

    r: Sequence[RSource] = ()
    python: Sequence[str] = ()
    conda: Sequence[str] = ()
    python_version: Optional[str] = None
    r_version: Optional[str] = None


def lock_record(lock: Lock) -> Any:
    """A lock as JSON; `lock_of` reads it back."""
    return encode(lock)


def lock_digest_of(record: Mapping[str, Any]) -> str:
    """The digest of a lock's JSON, `sha256:...`."""
    return digest(record)


def lock_of(record: Mapping[str, Any]) -> Lock:
    """A lock from its JSON. Raises ValueError: it is none, or says what no lock says."""
    missing = next((name for name in ("r", "python", "conda") if name not in record), None)
    if missing:
        raise ValueError(f"{missing} is missing")
    try:
        lock = decode(Lock, record)
        before: Set[str] = set()
        for source in lock.r:
            _check_source(source, before)
            before.add(source.name)
        for line in lock.conda:
            _check_conda(line)
        _check(spelling.PYTHON_VERSION, "python_version", lock.python_version)
        _check(spelling.R_VERSION, "r_version", lock.r_version)
        return replace(lock, python=tuple(locked_requirement("python", line) for line in lock.python))
    except Wrong as error:
        raise ValueError(str(error)) from error
    except EspalierError as error:
        raise ValueError(error.message.rstrip(".")) from error


def known_lock(record: object) -> Optional[Lock]:
    """A lock from a record that may hold anything; None if it holds none."""
    try:
        return lock_of(record) if isinstance(record, dict) else None
    except ValueError:
        return None


def _check_source(source: RSource, before: Set[str]) -> None:
    if source.origin not in _ORIGINS:
        raise ValueError(f"a package comes from {shown(source.origin)}")
    if source.digest is not None and not _DIGEST.fullmatch(source.digest):
        raise ValueError(f"the digest of a package is {shown(source.digest)}")
    spelling.R_PACKAGE.check("r.name", source.name)
    spelling.LOCKED_VERSION.check("r.version", source.version)
    location("r.url", source.url)
    _check(spelling.LOCKED_VERSION, "r.unless_r_has", source.unless_r_has)
    if source.name in before or not before.issuperset(source.needs):
        raise ValueError(f"{source.name} is there twice, or comes before a package that it needs")


def _check_conda(line: str) -> None:
    where, _, sum_of_file = line.partition("#sha256=")
    if not is_digest(sum_of_file):
        raise ValueError(f"a conda package has no digest, but {shown(sum_of_file)}")
    spelling.url("conda", where.replace("!", ""))  # (the epoch of a version)


def _check(kind: spelling.Spelling, name: str, value: Optional[str]) -> None:
    if value is not None:
        kind.check(name, value)
