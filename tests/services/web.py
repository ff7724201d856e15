"""A folder served over loopback HTTP, with or without a password, and what was asked of it."""

import base64
import hmac
import ssl
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple


class Asked(NamedTuple):
    """A request: what for, and the credentials that came with it."""

    path: str
    authorization: str


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, site: "Site") -> None:
        self.site = site
        super().__init__(*args, directory=str(site.folder))  # type: ignore[arg-type]

    def send_head(self):  # type: ignore[no-untyped-def]
        sent = self.headers.get("Authorization", "")
        self.site.asked.append(Asked(self.path, sent))
        if any(not hmac.compare_digest(sent, wanted) for wanted in self.site.wanted):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Site:
    """A folder at a free port of 127.0.0.1, until it is stopped or the process ends.

    Args:
        folder: What to serve.
        credentials: Name and password that are asked for.
        certificate: A file of a key and a certificate, to serve by TLS.
    """

    def __init__(
        self, folder: Path, credentials: Optional[Tuple[str, str]] = None, certificate: Optional[Path] = None
    ) -> None:
        self.folder = folder
        self.certificate = certificate
        self.credentials = credentials
        pair = base64.b64encode(":".join(credentials or ()).encode()).decode()
        self.wanted = [f"Basic {pair}"] if credentials else []
        self.asked: List[Asked] = []
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        """The address, without the password."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self._port}"

    @property
    def file_url(self) -> str:
        """The same folder without a server."""
        return self.folder.as_uri()

    def start(self) -> None:
        """Serve, again at the same port if this site was stopped."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), partial(_Handler, site=self))
        self._server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nothing answers any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
