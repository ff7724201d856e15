"""Source packages of R, fetched once for all of a user's workspaces and verified: files named by their digest.

A package of a repository on GitHub is pinned to a commit.
"""

import contextlib
import os
import re
from dataclasses import dataclass, replace
from typing import BinaryIO, Callable, Dict, List, Optional, Sequence, Tuple
from urllib.parse import parse_qs, quote, urlencode

from espalier.adapters.file_locks import locked
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import digest_bytes, hex_of
from espalier.base.errors import EspalierError
from espalier.base.paths import partial
from espalier.base.records import replace_file
from espalier.environment.definition import GithubPackage, Secret
from espalier.environment.lock import RSource
from espalier.provision.packages.fetch import NotThere, digests_of, download, read_url, without_credentials
from espalier.provision.packages.tarballs import repack
from espalier.store.stored_files import discard

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
        """What a lock's address stands for; None where it isn't an address of a repository."""
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
        """Headers for its server; no other server gets the token (see fetch.py on redirects)."""
        return _headers(token)

    def __str__(self) -> str:
        return f"{self.name}@{self.commit[:10]}"


def find_repository(package: GithubPackage, token: Optional[str], certificate: Optional[str] = None) -> Repository:
    """Ask which commit a package's `ref` stands for.

    Args:
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
        message = f"Can't find {ref!r} in the GitHub repository {package.repository}, or you have no access to it."
        hint = "Check the name and the ref. For a private repository give `auth_token`, the name of a secret."
        raise EspalierError("package_missing", message, hint, package=package.repository) from None
    if not _COMMIT.fullmatch(commit):
        raise EspalierError("lock_failed", f"Can't read a commit at {address}.", "Try again later.")
    return Repository(api(), package.repository, commit, package.subdir)


def _headers(token: Optional[str]) -> Dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


Secrets = Callable[[Secret], str]
Tell = Callable[[str], None]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")


def no_secrets(secret: Secret) -> str:
    """Where there is no keyvault to ask."""
    raise EspalierError("secret_missing", f"Can't read the secret {secret.secret!r}: the environment has no keyvault.")


def silent(line: str) -> None:
    """Where no caller listens."""


def fetch_sources(
    cache: CachePaths,
    sources: Sequence[RSource],
    secrets: Secrets = no_secrets,
    tell: Tell = silent,
    certificate: Optional[str] = None,
) -> List[RSource]:
    """Fetch every source that is not there yet into `cache.sources`.

    Args:
        tell: Called with a line for each file that has to be fetched.
        certificate: PEM text of an authority to trust besides those of the system.

    Returns:
        The same sources, each with the SHA-256 by which its file is named (`paths.source_name`).

    Raises:
        EspalierError: `package_missing` (it is no longer there), `lock_failed` (the network, or another file than was
            promised), `secret_missing`.
        OSError: the disk refuses.
    """
    found = []
    for source in sources:
        digest = known_digest(cache, source.digest)
        if digest is None:
            token = secrets(source.auth_token) if source.auth_token else None
            shown = without_credentials(source.url)
            tell(f"Fetching {source.name} {source.version} from {shown}")
            for url in (source.url, *archived(source)):
                with contextlib.suppress(NotThere):
                    digest = fetch(cache, url, source.digest, token, certificate)
                    break
            else:
                message = f"Can't find {source.name} {source.version} at {shown} any more."
                hint = "Resolve the environment again with lock_environment(refresh = TRUE)."
                raise EspalierError("package_missing", message, hint, package=source.name, url=shown)
        found.append(replace(source, digest=digest))
    return found


def archived(source: RSource) -> Tuple[str, ...]:
    """Where a repository keeps a version once there is a newer one."""
    contrib, _, file = source.url.rpartition("/")
    if source.origin not in ("cran", "bioconductor") or not contrib.endswith("/src/contrib"):
        return ()
    return (f"{contrib}/Archive/{source.name}/{file}",)


def known_digest(cache: CachePaths, digest: Optional[str]) -> Optional[str]:
    """The SHA-256 of a file that is here already, by that or by the MD5 that an index gives; None if it is not."""
    if digest and digest.startswith("md5:"):
        try:
            with open(cache.source_by_md5(hex_of(digest)), encoding="ascii") as file:
                digest = file.read()
        except OSError:
            return None
    if digest and _DIGEST.fullmatch(digest) and os.path.exists(cache.source(hex_of(digest))):
        return digest
    return None


def fetch(
    cache: CachePaths,
    url: str,
    expected: Optional[str] = None,
    token: Optional[str] = None,
    certificate: Optional[str] = None,
) -> str:
    """Fetch one source, or wait for another process that is just doing so.

    A package of a repository on GitHub (see `github.Repository.url`) is repacked, for GitHub promises no stable bytes.

    Args:
        expected: Its digest, `sha256:...` or `md5:...`; None: any.
        token: For GitHub, and for no other host.
        certificate: PEM text of an authority to trust besides those of the system.

    Returns:
        Its SHA-256.

    Raises:
        NotThere: there is nothing at that address.
        EspalierError: `lock_failed`.
    """
    if expected is not None and not _DIGEST.fullmatch(expected):
        raise EspalierError(
            "environment_damaged", f"Can't use {expected!r} as the digest of {without_credentials(url)}."
        )
    name = hex_of(digest_bytes(url.encode()))
    aside = partial(os.path.join(cache.sources, name))  # (what a killed process left of it is overwritten)
    with locked(cache.source_lock(name)):
        digest = known_digest(cache, expected)
        if digest is not None:
            return digest
        try:
            with open(aside, "w+b") as file:
                sha256, md5 = _write(url, file, aside, token, certificate)
            if expected not in (None, sha256, md5):
                raise _not_as_promised(url, str(expected), sha256 if str(expected).startswith("sha256") else md5)
            os.replace(aside, cache.source(hex_of(sha256)))
        except BaseException:
            discard(aside)
            raise
        replace_file(cache.source_by_md5(hex_of(md5)), sha256.encode(), cache.sources)
    return sha256


def _write(url: str, file: BinaryIO, path: str, token: Optional[str], certificate: Optional[str]) -> Tuple[str, str]:
    """Writes what is at an address to a file, and returns its SHA-256 and MD5."""
    repository = Repository.of_url(url)
    if repository is None:
        return download(url, file, certificate=certificate)
    raw = path + ".raw"
    try:
        with open(raw, "w+b") as archive:
            download(repository.archive, archive, repository.headers(token), certificate)
        repack(raw, repository.subdir, file, str(repository))
    finally:
        discard(raw)
    file.flush()
    file.seek(0)
    return digests_of(file)


def _not_as_promised(url: str, expected: str, seen: str) -> EspalierError:
    message = f"Can't use {without_credentials(url)}: it changed. Its digest is {seen}, not {expected}."
    hint = "Resolve the environment again with lock_environment(refresh = TRUE) if you trust the change."
    return EspalierError("lock_failed", message, hint, url=without_credentials(url))
