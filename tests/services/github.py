"""A GitHub of one's own: repositories that hold an R package, public or behind a token. For ESPALIER_GITHUB_API.

    tester/rpkg          public: the R package `rpkg`, in the folder `sub` the R package `rsub`; its tag v1 is an older commit
    tester/secret.pkg    the R package `secret.pkg`, for those who bring the token; to others it is not there
"""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Dict, List, NamedTuple, Optional, Tuple

from archives import tar_gz
from cran import Package

TOKEN = "ghp_canary0of0the0tests000000000000000077"


class Repository(NamedTuple):
    """Its commits by ref, the content of each, and whether it takes a token."""

    refs: Dict[str, str]
    content: Dict[str, bytes]
    private: bool = False


def _commit(name: str, version: str, sub: bool) -> Tuple[str, bytes]:
    sha = hashlib.sha1(f"{name}@{version}".encode()).hexdigest()
    top = f"tester-{name}-{sha[:7]}"
    files = {f"{top}/{path.partition('/')[2]}": data for path, data in Package(name, version).files().items()}
    if sub:
        files.update({f"{top}/sub/{path.partition('/')[2]}": data for path, data in Package("rsub", version).files().items()})
    return sha, tar_gz(files)


def _repository(name: str, versions: Dict[str, str], private: bool = False, sub: bool = False) -> Repository:
    refs: Dict[str, str] = {}
    content: Dict[str, bytes] = {}
    for ref, version in versions.items():
        sha, data = _commit(name, version, sub)
        refs[ref] = sha
        content[sha] = data
    return Repository(refs, content, private)


class GitHub:
    """Its API at `url`, until it is stopped."""

    def __init__(self) -> None:
        self.repositories = {
            "tester/rpkg": _repository("rpkg", {"HEAD": "2.0.0", "main": "2.0.0", "v1": "1.0.0"}, sub=True),
            "tester/secret.pkg": _repository("secret.pkg", {"HEAD": "1.0.0", "main": "1.0.0"}, private=True),
        }
        # Authorization headers, as they came
        self.asked: List[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = self.headers.get("Authorization", "")
                hub.asked.append(sent)
                found = hub.answer(self.path, sent)
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Length", str(len(found or b"")))
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, path: str, authorization: str) -> Optional[bytes]:
        """What is at an address, for whoever brings that; None where there is nothing."""
        parts = path.strip("/").split("/", 4)
        if len(parts) < 4 or parts[0] != "repos":
            return None
        repository = self.repositories.get("/".join(parts[1:3]))
        if repository is None or (repository.private and authorization.split(" ")[-1] != TOKEN):
            return None
        ref = parts[4] if len(parts) > 4 else "HEAD"
        sha = repository.refs.get(ref, ref)
        if sha not in repository.content:
            return None
        return {"commits": sha.encode(), "tarball": repository.content[sha]}.get(parts[3])

    def stop(self) -> None:
        """Nothing answers any more."""
        self._server.shutdown()
        self._server.server_close()
