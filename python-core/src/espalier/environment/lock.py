"""A lock: the exact packages that a definition was resolved to, and its JSON.

What reads that JSON trusts nothing in it: its values end up in requirements files, in what R runs and in addresses that
are fetched, so they are held to the spelling of definitions.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from espalier.base.canonical import digest
from espalier.base.errors import EspalierError
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
        name: Its name.
        version: Its version.
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


def lock_record(lock: Lock) -> Dict[str, Any]:
    """A lock as JSON; `lock_of` reads it back."""
    return {
        "r": [{**asdict(one), "needs": list(one.needs)} for one in lock.r],
        "python": list(lock.python),
        "conda": list(lock.conda),
        "python_version": lock.python_version,
        "r_version": lock.r_version,
    }


def lock_digest_of(record: Mapping[str, Any]) -> str:
    """The digest of a lock's JSON, `sha256:...`."""
    return digest(record)


def lock_of(record: Mapping[str, Any]) -> Lock:
    """A lock from its JSON.

    Raises:
        LookupError, TypeError, ValueError: it is none, or says what no lock says.
    """
    try:
        return Lock(
            tuple(_sources(record["r"])),
            tuple(locked_requirement("python", line) for line in _lines(record, "python")),
            tuple(map(_conda, _lines(record, "conda"))),
            _optional(spelling.PYTHON_VERSION, record, "python_version"),
            _optional(spelling.R_VERSION, record, "r_version"),
        )
    except EspalierError as error:
        raise ValueError(error.message.rstrip(".")) from error


def _sources(records: object) -> List[RSource]:
    if not isinstance(records, list):
        raise TypeError("r is no list")
    found: List[RSource] = []
    before: Set[str] = set()
    for one in records:
        source = _source(one)
        if source.name in before or not before.issuperset(source.needs):
            raise ValueError(f"{source.name} is there twice, or comes before a package that it needs")
        before.add(source.name)
        found.append(source)
    return found


def _source(one: Mapping[str, Any]) -> RSource:
    if one["origin"] not in _ORIGINS:
        raise ValueError(f"a package comes from {spelling.shown(one['origin'])}")
    sum_of_file, token = one["digest"], one["auth_token"]
    if sum_of_file is not None and not _DIGEST.fullmatch(sum_of_file):
        raise ValueError(f"the digest of a package is {spelling.shown(sum_of_file)}")
    return RSource(
        spelling.R_PACKAGE.check("r.name", one["name"]),
        spelling.LOCKED_VERSION.check("r.version", one["version"]),
        one["origin"],
        location("r.url", one["url"]),
        sum_of_file,
        tuple(_lines(one, "needs")),
        None if token is None else Secret(token["secret"]),
        _optional(spelling.LOCKED_VERSION, one, "unless_r_has"),
    )


def _conda(line: str) -> str:
    where, _, sum_of_file = line.partition("#sha256=")
    if not is_digest(sum_of_file):
        raise ValueError(f"a conda package has no digest, but {spelling.shown(sum_of_file)}")
    spelling.url("conda", where.replace("!", ""))  # (the epoch of a version)
    return line


def _lines(record: Mapping[str, Any], name: str) -> List[str]:
    lines = record[name]
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise TypeError(f"{name} is no list of text")
    return lines


def _optional(kind: spelling.Spelling, record: Mapping[str, Any], name: str) -> Optional[str]:
    value = record.get(name)
    return None if value is None else kind.check(name, value)
