"""What is fetched, from whom, and who is told a secret: against servers on loopback."""

import io
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.environment.definition import CranPackage, GithubPackage, RSide, Secret
from espalier.environment.lock import RSource
from espalier.provision.packages.fetch import NotThere, download, open_url, read_url, without_credentials
from espalier.provision.packages.resolve import RHost, resolve_r
from espalier.provision.packages.sources import fetch, fetch_sources
from made_cran import Cran, description, package, tarball

Answer = Tuple[int, Dict[str, str], bytes]


class Server:
    """Answers what a test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: Dict[str, Answer] = {}
        self.asked: List[Tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers.get("Authorization", "")))
                status, headers, body = server.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def serve() -> Iterator[Callable[[], Server]]:
    servers: List[Server] = []

    def start() -> Server:
        servers.append(Server())
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def test_credentials_stay_with_their_host(serve: Callable[[], Server]) -> None:
    theirs, other = serve(), serve()
    theirs.answers["/a"] = (302, {"Location": other.url + "/b"}, b"")
    other.answers["/b"] = (200, {}, b"found")
    assert read_url(theirs.url.replace("//", "//me:canary@") + "/a") == b"found"
    assert read_url(theirs.url + "/a", headers={"Authorization": "Bearer canary"}) == b"found"
    assert all(said for _, said in theirs.asked)
    assert [said for _, said in other.asked] == ["", ""]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_redirects_lead_to_the_web_only(serve: Callable[[], Server], target: str) -> None:
    server = serve()
    server.answers["/a"] = (302, {"Location": target}, b"")
    with pytest.raises(EspalierError) as caught:
        read_url(server.url + "/a")
    assert caught.value.code == "lock_failed"


@pytest.mark.parametrize("url", ["ftp://x/y", "/etc/passwd", "file://elsewhere/etc/passwd", "gopher://x", ""])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(EspalierError) as caught:
        open_url(url)
    assert caught.value.code == "lock_failed"


def test_a_loop_ends(serve: Callable[[], Server]) -> None:
    server = serve()
    server.answers["/a"] = (302, {"Location": "/a"}, b"")
    with pytest.raises(EspalierError):
        read_url(server.url + "/a")


def test_what_breaks_off_or_is_too_long_is_no_file(serve: Callable[[], Server]) -> None:
    server = serve()
    server.answers["/short"] = (200, {"Content-Length": "100"}, b"x")
    server.answers["/long"] = (200, {}, b"x" * 100)
    with pytest.raises(EspalierError):
        download(server.url + "/short", io.BytesIO())
    with pytest.raises(EspalierError, match="larger than 10 bytes"):
        read_url(server.url + "/long", 10)


def test_nothing_there_and_nobody_there(serve: Callable[[], Server], tmp_path: Path) -> None:
    server = serve()
    for url in (server.url + "/no", (tmp_path / "no").as_uri()):
        with pytest.raises(NotThere):
            read_url(url)
    server.answers["/broken"] = (500, {}, b"")
    with pytest.raises(EspalierError, match="500"):
        read_url(server.url + "/broken")
    with pytest.raises(EspalierError) as caught:
        read_url("http://me:canary@127.0.0.1:9/x")
    assert "canary" not in str(caught.value)


def test_shown_without_credentials() -> None:
    assert without_credentials("https://u:p@h:1/x?y#z") == "https://h:1/x?y#z"
    assert without_credentials("file:///x") == "file:///x"


def test_a_source_is_verified_and_fetched_once(cache: CachePaths, cran: Cran) -> None:
    path = cran.add("aa")
    lines: List[str] = []
    source = RSource("aa", "1.0", "cran", path.as_uri(), "md5:" + "0" * 32)
    with pytest.raises(EspalierError, match=": it changed[.] Its digest is md5:"):
        fetch_sources(cache, [source])
    assert [name for name in os.listdir(cache.sources) if not name.startswith("lock-")] == []
    good = RSource("aa", "1.0", "cran", path.as_uri())
    (found,) = fetch_sources(cache, [good], tell=lines.append)
    assert Path(cache.source(str(found.digest)[7:])).read_bytes() == path.read_bytes()
    path.unlink()
    assert fetch_sources(cache, [found], tell=lines.append) == [found]
    assert len(lines) == 1
    with pytest.raises(EspalierError) as caught:
        fetch_sources(cache, [good])
    assert caught.value.code == "package_missing"


def test_a_version_that_went_to_the_archive_is_found_there(cache: CachePaths, cran: Cran) -> None:
    path = cran.add("aa", "1.0")
    data = path.read_bytes()
    side = RSide(repositories={"CRAN": cran.url}, cran=[CranPackage("aa")])
    locked = resolve_r(cache, side, RHost("4.2.2"))
    cran.add("aa", "2.0")
    assert not path.exists()
    (found,) = fetch_sources(cache, locked)
    assert Path(cache.source(str(found.digest)[7:])).read_bytes() == data


def test_several_at_once_fetch_one_file(cache: CachePaths, serve: Callable[[], Server]) -> None:
    import hashlib

    server, data = serve(), package("aa", "1.0")
    server.answers["/aa_1.0.tar.gz"] = (200, {}, data)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    threads = [threading.Thread(target=fetch, args=(cache, server.url + "/aa_1.0.tar.gz", digest)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1


def test_a_repository_on_github(cache: CachePaths, serve: Callable[[], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    github, files = serve(), serve()
    monkeypatch.setenv("ESPALIER_GITHUB_API", github.url)
    commit = "1234567890" * 4
    github.answers["/repos/me/pkg/commits/v1%2Fx"] = (200, {}, commit.encode())
    github.answers[f"/repos/me/pkg/tarball/{commit}"] = (302, {"Location": files.url + "/x"}, b"")
    files.answers["/x"] = (200, {}, tarball({"me-pkg-123/r/DESCRIPTION": description("pkg", "0.9", {}), "me-pkg-123/r/NAMESPACE": ""}))
    side = RSide(github=[GithubPackage("me/pkg", "r", "v1/x", Secret("token"))])
    (found,) = resolve_r(cache, side, RHost("4.2.2"), lambda secret: f"canary-{secret.secret}")
    assert (found.name, found.version, found.origin, found.auth_token) == ("pkg", "0.9", "github", Secret("token"))
    assert found.url == f"{github.url}/repos/me/pkg/tarball/{commit}#subdirectory=r"
    assert {said for _, said in github.asked} == {"Bearer canary-token"}
    assert {said for _, said in files.asked} == {""}
    assert "canary" not in repr(found)
    # from then on it is the commit that counts
    github.answers.clear()
    assert fetch_sources(cache, [found]) == [found]


def test_no_such_repository_on_github(cache: CachePaths, serve: Callable[[], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    github = serve()
    monkeypatch.setenv("ESPALIER_GITHUB_API", github.url)
    with pytest.raises(EspalierError) as caught:
        resolve_r(cache, RSide(github=[GithubPackage("me/nothing")]), RHost())
    assert caught.value.code == "package_missing"
    github.answers["/repos/me/odd/commits/HEAD"] = (200, {}, b"../../x")
    with pytest.raises(EspalierError) as caught:
        resolve_r(cache, RSide(github=[GithubPackage("me/odd")]), RHost())
    assert caught.value.code == "lock_failed"
