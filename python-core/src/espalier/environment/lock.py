"""A lock: the exact packages that a definition was resolved to."""

from dataclasses import dataclass
from typing import Optional, Sequence

from espalier.environment.definition import Secret


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
