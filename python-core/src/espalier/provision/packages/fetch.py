"""Reading addresses of http, https and file, as this process's surroundings say: proxies, certificates, time-outs."""

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, BinaryIO, Callable, Iterator, Mapping, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.base.progress import check

_SECONDS = 60
_CHUNK = 1 << 20
# Nothing that is fetched is larger: a hostile server shall not fill the disk.
LARGEST = 4 << 30
_SCHEMES = ("http", "https", "file")


class NotThere(Exception):
    """There is no such file at that address; the server itself answers."""


class Unchanged(Exception):
    """The address still has the content fetched before."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, never from https to http, and takes credentials to no other host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        new, old = urllib.parse.urlsplit(newurl), urllib.parse.urlsplit(req.full_url)
        if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme == "http"):
            raise urllib.error.HTTPError(newurl, code, f"redirected to {new.scheme}:", headers, fp)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (new.scheme, new.netloc) != (old.scheme, old.netloc):
            request.remove_header("Authorization")
        return request


def without_credentials(url: str) -> str:
    """An address as it may be shown and stored."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit(parts._replace(netloc=host))


def open_url(url: str, headers: Optional[Mapping[str, str]] = None, certificate: Optional[str] = None) -> Any:
    """Open an address for reading.

    Args:
        certificate: PEM text of an authority to trust besides those of the system.

    Returns:
        A file-like object with `headers`.

    Raises:
        NotThere: status 404 or 410, or no such file.
        Unchanged: status 304.
        EspalierError: `lock_failed`, for any other failure.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in _SCHEMES or (parts.scheme == "file" and parts.netloc not in ("", "localhost")):
        raise _failed(url, "only http, https and file addresses are read")
    if parts.scheme == "file":
        return _open_file(url, urllib.request.url2pathname(parts.path))
    request = urllib.request.Request(without_credentials(url).partition("#")[0], headers=dict(headers or {}))
    request.add_header("User-Agent", "espalier")
    if parts.username:
        request.add_unredirected_header("Authorization", _basic(parts))
    context = ssl.create_default_context()
    if certificate:
        context.load_verify_locations(cadata=certificate)
    opener = urllib.request.build_opener(Redirects, urllib.request.HTTPSHandler(context=context))
    try:
        return opener.open(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304:
            raise Unchanged from None
        if error.code in (404, 410):
            raise NotThere from None
        raise _failed(url, f"{error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(url, str(getattr(error, "reason", error))) from None


def read_url(url: str, most: int = 64 << 20, **how: Any) -> bytes:
    """All of a small file; otherwise as `open_url`."""
    with open_url(url, **how) as source:
        data: bytes = source.read(most + 1)
    if len(data) > most:
        raise _failed(url, f"it is larger than {most} bytes")
    return data


def download(
    url: str,
    file: BinaryIO,
    headers: Optional[Mapping[str, str]] = None,
    certificate: Optional[str] = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Tuple[str, str]:
    """Write what is at an address to an open file; otherwise as `open_url`.

    Args:
        tell: Called with the number of bytes so far.

    Returns:
        SHA-256 and MD5 of it, as `sha256:...` and `md5:...`.
    """
    digests = (hashlib.sha256(), _md5())
    done = 0
    for data in chunks(url, headers, certificate):
        for digest in digests:
            digest.update(data)
        file.write(data)
        done += len(data)
        tell(done)
    return "sha256:" + digests[0].hexdigest(), "md5:" + digests[1].hexdigest()


def chunks(
    url: str,
    headers: Optional[Mapping[str, str]] = None,
    certificate: Optional[str] = None,
    largest: int = LARGEST,
) -> Iterator[bytes]:
    """What is at an address, piece by piece; otherwise as `open_url`.

    Args:
        largest: More bytes are not read.
    """
    done = 0
    with open_url(url, headers, certificate) as source:
        expected = source.headers.get("Content-Length") if source.headers else None
        while True:
            check()
            try:
                data = source.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _failed(url, f"the connection broke after {done} bytes ({error})") from None
            if not data:
                break
            done += len(data)
            if done > largest:
                raise _failed(url, f"it is larger than {largest} bytes")
            yield data
    if expected and expected.isascii() and expected.isdecimal() and int(expected) != done:
        raise _failed(url, f"it broke off after {done} of {expected} bytes")


def digests_of(file: BinaryIO) -> Tuple[str, str]:
    """SHA-256 and MD5 of what is left of an open file, as `sha256:...` and `md5:...`."""
    sha256, md5 = hashlib.sha256(), _md5()
    for data in iter(lambda: file.read(_CHUNK), b""):
        sha256.update(data)
        md5.update(data)
    return "sha256:" + sha256.hexdigest(), "md5:" + md5.hexdigest()


def _md5() -> Any:
    """What CRAN's indexes have; the word tells systems that allow no MD5 that MD5 isn't used for safety here."""
    return hashlib.md5(usedforsecurity=False)


class _LocalFile:
    """A local file with the headers that a server would send."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115
        status = os.fstat(self._file.fileno())
        self.headers = {"ETag": f"{status.st_mtime_ns}-{status.st_size}", "Content-Length": str(status.st_size)}

    def __enter__(self) -> "_LocalFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _open_file(url: str, path: str) -> _LocalFile:
    try:
        return _LocalFile(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise NotThere from None
    except (OSError, ValueError) as error:
        raise _failed(url, str(error)) from None


def _basic(parts: urllib.parse.SplitResult) -> str:
    import base64

    pair = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _failed(url: str, why: str) -> EspalierError:
    shown = without_credentials(url)
    hint = "Check the address and the network. espalier uses HTTPS_PROXY and SSL_CERT_FILE of this session."
    return EspalierError("lock_failed", f"Can't read {shown}: {why}.", hint, url=shown)
