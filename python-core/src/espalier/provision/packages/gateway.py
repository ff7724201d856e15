"""Private indexes for programs that run what packages bring: the credentials stay in this process.

uv builds source distributions, whose scripts can read its variables, so it is given none of the credentials. It reaches
a private index by this proxy, which adds them. What it is given instead is a password for the proxy, good for this one
process and worthless after it. The addresses stay the same (but for https, which becomes http up to the proxy), so
that uv finds in its cache what it fetched before.
"""

import base64
import contextlib
import errno
import hmac
import http.client
import http.server
import ipaddress
import os
import re
import secrets
import socketserver
import ssl
import threading
import urllib.error
import urllib.request
from socket import getaddrinfo
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from espalier.provision.packages.fetch import Redirects
from espalier.provision.packages.hidden import without_secrets

# A container replaces this by the port at which `forward.py` listens there.
PORT = "@GATEWAY@"
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
_OF_AN_INDEX = re.compile(r"UV_INDEX_(\w+)_(USERNAME|PASSWORD)")
_HOST = re.compile(r"https?://(?:[^\s/,@]*@)?([^\s/,]+)", re.IGNORECASE)
_ASKED = ("Accept", "Range", "If-None-Match", "If-Modified-Since", "If-Range", "User-Agent")
_ANSWERED = ("Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified", "Cache-Control")
_PAGE = ("text/html", "application/vnd.pypi.simple")
_SECONDS = 60
_CHUNK = 1 << 18
_LARGEST_PAGE = 256 << 20


class Origin(NamedTuple):
    """Where a private index is.

    Args:
        address: Scheme, host and port, `https://pypi.example.org`.
    """

    address: str
    authorization: str


def take_credentials(variables: Mapping[str, str]) -> Tuple[Dict[str, str], Dict[str, Origin]]:
    """Take the credentials of indexes out of uv's variables.

    Args:
        variables: See `pyenv.uv_variables`.

    Returns:
        The variables without, and by host (and port) the origins that want some.
    """
    named: Dict[str, Dict[str, str]] = {}
    for name, value in variables.items():
        match = _OF_AN_INDEX.fullmatch(name)
        if match:
            named.setdefault(match[1], {})[match[2]] = value
    found = {name: value for name, value in variables.items() if not _OF_AN_INDEX.fullmatch(name)}
    origins: Dict[str, Origin] = {}
    for variable in _INDEXES:
        if variable in found:
            words = re.split(r"([\s,]+)", found[variable])
            found[variable] = "".join(_bare(word, named, origins) for word in words)
    return found, origins


def _bare(word: str, named: Mapping[str, Mapping[str, str]], origins: Dict[str, Origin]) -> str:
    """An index as uv is given it, `name=https://...`; one that wants credentials is noted."""
    match = re.fullmatch(r"((?:[\w.-]+=)?)(https?://.*)", word, re.IGNORECASE)
    if match is None:
        return word
    url = urlsplit(match[2])
    given = named.get(re.sub(r"\W", "_", match[1].rstrip("=")).upper(), {})
    user, password = url.username or given.get("USERNAME"), url.password or given.get("PASSWORD")
    host = url.netloc.rpartition("@")[2]
    if not user and not password:
        return word
    pair = f"{unquote(user or '')}:{unquote(password or '') if url.password else password or ''}"
    authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    origins[host.lower()] = Origin(f"{url.scheme}://{host}", authorization)
    return match[1] + urlunsplit(SplitResult("http", host, *url[2:]))


@contextlib.contextmanager
def guarded(
    variables: Mapping[str, str], socket: Optional[str] = None, authorities: Optional[str] = None
) -> Iterator[Dict[str, str]]:
    """Variables of a process of uv that hold no credentials; in the block private indexes are reached all the same.

    Args:
        variables: See `pyenv.uv_variables`.
        socket: Where to listen instead of at a port of this machine: a socket, for a container.
        authorities: A file of certificate authorities to trust instead of what the variables name.

    Returns:
        The variables; for a container with `PORT` in them.
    """
    bare, origins = take_credentials(variables)
    bare = without_secrets(bare)
    if not origins:
        yield bare
        return
    password = secrets.token_urlsafe(24)
    server = _server(_Proxy(origins, password, variables, authorities), socket)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="espalier-gateway", daemon=True)
    thread.start()
    try:
        port = PORT if socket else str(server.server_address[1])
        proxy = f"http://espalier:{password}@127.0.0.1:{port}"
        hosts = {urlsplit(origin.address).hostname or "" for origin in origins.values()}
        for name in ("HTTP_PROXY", "http_proxy"):
            bare[name] = proxy
        for name in ("NO_PROXY", "no_proxy"):
            if name in bare:
                bare[name] = _without(bare[name], hosts)
        yield bare
    finally:
        server.shutdown()
        server.server_close()
        if socket:
            with contextlib.suppress(OSError):
                os.unlink(socket)


def _without(no_proxy: str, hosts: "set[str]") -> str:
    """The exceptions from a proxy that are none of these hosts."""
    kept: List[str] = []
    for item in filter(None, (part.strip() for part in no_proxy.split(","))):
        name = item.partition(":")[0].lstrip("*").lstrip(".").lower()
        if item != "*" and not any(host == name or host.endswith("." + name) for host in hosts):
            kept.append(item)
    return ",".join(kept)


class _Redirects(Redirects):
    """The same, after a look at where it leads."""

    def __init__(self, look: Callable[[str], None]) -> None:
        self._look = look

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self._look(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_own_machine(host: str) -> bool:
    """Whether a name stands for an address of this machine alone, or of its network card's neighbours, as the services
    of clouds have it."""
    try:
        found = {ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in getaddrinfo(host, None)}
    except (OSError, ValueError):  # (a proxy of the user's may know it)
        return False
    return any(each.is_loopback or each.is_link_local or each.is_unspecified for each in found)


class _Proxy:
    """What the handlers of a gateway share."""

    def __init__(
        self, origins: Mapping[str, Origin], password: str, variables: Mapping[str, str], authorities: Optional[str]
    ) -> None:
        self.origins = origins
        pair = base64.b64encode(f"espalier:{password}".encode()).decode()
        self._expected = f"Basic {pair}"
        self._named = {host.lower() for name in _INDEXES for host in _HOST.findall(variables.get(name, ""))}
        context = ssl.create_default_context(cafile=authorities or variables.get("SSL_CERT_FILE") or None)
        follow = _Redirects(self._refuse_own_machine)
        self._opener = urllib.request.build_opener(follow, urllib.request.HTTPSHandler(context=context))
        loose = ssl._create_unverified_context()
        self._loose = urllib.request.build_opener(follow, urllib.request.HTTPSHandler(context=loose))
        self._insecure = variables.get("UV_INSECURE_HOST", "").split()

    def is_allowed(self, given: str) -> bool:
        """Whether a request comes from the process that this is for."""
        return hmac.compare_digest(given, self._expected)

    def open(self, url: str, method: str, headers: Mapping[str, str]) -> Any:
        """Ask an index, with its credentials where it is a private one."""
        parts = urlsplit(url)
        origin = self.origins.get(parts.netloc.lower())
        self._refuse_own_machine(url)
        request = urllib.request.Request(self.real(url), headers=dict(headers), method=method)
        if origin is not None:
            request.add_header("Authorization", origin.authorization)
        is_loose = parts.netloc in self._insecure or parts.hostname in self._insecure
        return (self._loose if is_loose else self._opener).open(request, timeout=_SECONDS)

    def _refuse_own_machine(self, url: str) -> None:
        """Refuse what only this machine reaches, unless it is an index that the user named: build scripts are given the
        way here, and may run where they would not reach it. Raises OSError."""
        parts = urlsplit(url)
        if parts.netloc.rpartition("@")[2].lower() not in self._named and _is_own_machine(parts.hostname or ""):
            raise OSError(errno.EACCES, f"{parts.netloc} is this machine, and no index that was named")

    def real(self, url: str) -> str:
        """Where an address leads that uv was given."""
        parts = urlsplit(url)
        origin = self.origins.get(parts.netloc.lower())
        return origin.address + urlunsplit(("", "", parts.path, parts.query, "")) if origin else url

    def page(self, data: bytes) -> bytes:
        """A page of an index, whose links lead by way of the proxy as well."""
        for host, origin in self.origins.items():
            data = re.sub(re.escape(origin.address.encode()) + rb"(?=/)", b"http://" + host.encode(), data, flags=re.I)
        return data


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: _Proxy

    def do_GET(self) -> None:
        if not self.proxy.is_allowed(self.headers.get("Proxy-Authorization", "")):
            self._answer(407, {"Proxy-Authenticate": 'Basic realm="espalier"'}, b"")
            return
        headers = {name: self.headers[name] for name in _ASKED if name in self.headers}
        try:
            with self.proxy.open(self.path, self.command, headers) as source:
                self._pass_on(source)
        except urllib.error.HTTPError as error:
            with error:
                self._answer(error.code, _kept(error.headers), error.read(_CHUNK))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self._answer(502, {}, str(getattr(error, "reason", error)).encode())

    do_HEAD = do_GET

    def _pass_on(self, source: Any) -> None:
        headers = _kept(source.headers)
        if headers.get("Content-Type", "").startswith(_PAGE):
            self._answer(source.status, headers, self.proxy.page(source.read(_LARGEST_PAGE)))
            return
        if "Content-Length" in source.headers:
            headers["Content-Length"] = source.headers["Content-Length"]
        else:
            self.close_connection = True
        self._begin(source.status, headers)
        for data in iter(lambda: source.read(_CHUNK), b""):
            self.wfile.write(data)

    def _answer(self, status: int, headers: Dict[str, str], data: bytes) -> None:
        self._begin(status, {**headers, "Content-Length": str(len(data))})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """No one reads it."""


def _kept(headers: Any) -> Dict[str, str]:
    return {name: headers[name] for name in _ANSWERED if name in headers}


def _server(proxy: _Proxy, socket: Optional[str]) -> Any:
    handler = type("_Handler", (_Handler,), {"proxy": proxy})
    if socket is None:
        return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server = _SocketServer(socket, handler)
    # (root in a container may be another user here; the folder that it lies in is ours alone)
    os.chmod(socket, 0o666)
    return server


class _SocketServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
