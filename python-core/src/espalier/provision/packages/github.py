"""Packages of repositories on GitHub, pinned to a commit."""

import os
import re
from dataclasses import dataclass
from typing import Dict, Optional
from urllib.parse import parse_qs, quote, urlencode

from espalier.base.errors import EspalierError
from espalier.environment.definition import GithubPackage
from espalier.provision.packages.fetch import NotThere, read_url

_API = "https://api.github.com"
_NAME = r"[A-Za-z0-9_.-]+"
_URL = re.compile(rf"(https?://[^/#?@\s]+)/repos/({_NAME}/{_NAME})/tarball/([0-9a-f]{{40}})(?:#(.*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def api() -> str:
    """Where GitHub answers; another place for a company's own server, and for tests."""
    return os.environ.get("ESPALIER_GITHUB_API", _API).rstrip("/")


@dataclass(frozen=True)
class Repository:
    """A folder of a repository, at a commit."""

    server: str
    name: str
    commit: str
    subdir: Optional[str] = None

    @classmethod
    def of_url(cls, url: str) -> Optional["Repository"]:
        """What a lock's address stands for; None where it is no address of a repository."""
        match = _URL.fullmatch(url)
        if match is None or match[1] != api():
            return None
        subdir = parse_qs(match[4] or "").get("subdirectory", [None])[0]
        return cls(match[1], match[2], match[3], subdir)

    @property
    def archive(self) -> str:
        """Where its archive is fetched."""
        return f"{self.server}/repos/{self.name}/tarball/{self.commit}"

    @property
    def url(self) -> str:
        """How a lock writes it."""
        return self.archive + (("#" + urlencode({"subdirectory": self.subdir}, safe="/")) if self.subdir else "")

    def headers(self, token: Optional[str]) -> Dict[str, str]:
        """What its server is told; nobody else hears of the token (see fetch.py on redirects)."""
        return _headers(token)

    def __str__(self) -> str:
        return f"{self.name}@{self.commit[:10]}"


def find_repository(package: GithubPackage, token: Optional[str], certificate: Optional[str] = None) -> Repository:
    """Ask which commit a package's `ref` stands for.

    Args:
        package: From the definition.
        token: Its access token.
        certificate: PEM text of an authority to trust besides those of the system.

    Raises:
        EspalierError: `package_missing` where there is no such repository or ref, `lock_failed` where GitHub does not
            answer.
    """
    ref = package.ref or "HEAD"
    if _COMMIT.fullmatch(ref):
        return Repository(api(), package.repository, ref, package.subdir)
    address = f"{api()}/repos/{package.repository}/commits/{quote(ref, safe='')}"
    headers = {**_headers(token), "Accept": "application/vnd.github.sha"}
    try:
        commit = read_url(address, 1 << 16, headers=headers, certificate=certificate).decode("ascii", "replace").strip()
    except NotThere:
        message = f"GitHub has no repository {package.repository} with a {ref!r} in it, or does not show it to you."
        hint = "Check the name and the ref. For a private repository give `auth_token`, the name of a secret."
        raise EspalierError("package_missing", message, hint, package=package.repository) from None
    if not _COMMIT.fullmatch(commit):
        raise EspalierError("lock_failed", f"{address} did not answer with a commit.", "Try again later.")
    return Repository(api(), package.repository, commit, package.subdir)


def _headers(token: Optional[str]) -> Dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
