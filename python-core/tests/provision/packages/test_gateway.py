"""uv is given no credentials, and what it builds sees none."""

import base64
import http.server
import subprocess
import sys
import tarfile
import threading
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import CachePaths
from espalier.environment.definition import Environment, PythonSide, Secret
from espalier.provision.packages import forward
from espalier.provision.packages.gateway import PORT, guarded, take_credentials
from espalier.provision.packages.hidden import Hidden, without_secrets
from espalier.provision.packages.lock import resolve
from espalier.provision.packages.pyenv import PythonHost

CANARY = "canary-of-the-index-81"
WANTED = "Basic " + base64.b64encode(f"robot:{CANARY}".encode()).decode()


class Index:
    """A private index; notes what it was asked."""

    def __init__(self, files: Dict[str, bytes]) -> None:
        self.asked: List[Any] = []
        self.leads: Dict[str, str] = {}
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append((self.path, self.headers.get("Authorization")))
                allowed = self.headers.get("Authorization") == WANTED
                data = files.get(self.path) if allowed else b""
                self.send_response(302 if self.path in index.leads else 401 if not allowed else 200 if data is not None else 404)
                if self.path in index.leads:
                    self.send_header("Location", index.leads[self.path])
                self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index({"/simple/": b"<a href='x/'>x</a>", "/loot-1.0.tar.gz": _loot(), "/simple/loot/": b""})
    yield made
    made.server.shutdown()


def _loot() -> bytes:
    """A source distribution that prints all it sees, and fails."""
    out = BytesIO()
    files = {
        "setup.py": "import os, sys, pathlib\nfor pair in os.environ.items(): print('%s=%s' % pair, file=sys.stderr)\n"
        f"print('a leak of ' + {CANARY!r}, file=sys.stderr)\nsys.stderr.flush()\nraise SystemExit('refused')\n",
        "PKG-INFO": "Metadata-Version: 1.0\nName: loot\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "setup"\nbackend-path = ["."]\n',
    }
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"loot-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, BytesIO(text.encode()))
    return out.getvalue()


@pytest.mark.parametrize(
    "given",
    [
        {"UV_DEFAULT_INDEX": f"https://robot:{CANARY}@pypi.example.org/simple"},
        {"UV_DEFAULT_INDEX": "espalier=https://pypi.example.org/simple", "UV_INDEX_ESPALIER_USERNAME": "robot",
         "UV_INDEX_ESPALIER_PASSWORD": CANARY},
        {"UV_INDEX": f"a=https://x.org/simple b=https://robot:{CANARY}@pypi.example.org/simple"},
        {"UV_EXTRA_INDEX_URL": f"https://robot:{CANARY}@pypi.example.org/simple"},
        {"UV_INDEX_URL": f"https://robot:{CANARY}@pypi.example.org/simple"},
        {"UV_FIND_LINKS": f"https://robot:{CANARY}@pypi.example.org/files"},
        {"UV_INDEX": "corp-index=https://pypi.example.org/x", "UV_INDEX_CORP_INDEX_USERNAME": "robot",
         "UV_INDEX_CORP_INDEX_PASSWORD": CANARY},
    ],
)  # fmt: skip
def test_credentials_are_taken_out(given: Dict[str, str]) -> None:
    bare, origins = take_credentials(given)
    assert CANARY not in repr(bare) and "robot" not in repr(bare)
    assert origins == {"pypi.example.org": ("https://pypi.example.org", WANTED)}
    assert any("http://pypi.example.org/" in value for value in bare.values())


def test_what_needs_no_credentials_stays_as_it_is() -> None:
    given = {"UV_DEFAULT_INDEX": "espalier=https://pypi.org/simple", "PATH": "/bin", "GITHUB_PAT": "x", "MY_SECRET": "y"}
    with guarded(given) as bare:
        assert bare == {"UV_DEFAULT_INDEX": "espalier=https://pypi.org/simple", "PATH": "/bin"}
    assert without_secrets({"AWS_SECRET_ACCESS_KEY": "1", "SSH_AUTH_SOCK": "2", "DB_PASSWORD": "3"}) == {"SSH_AUTH_SOCK": "2"}


def test_the_index_is_reached_with_a_password_for_this_process_alone(index: Index) -> None:
    with guarded({"UV_DEFAULT_INDEX": f"http://robot:{CANARY}@{index.host}/simple"}) as bare:
        assert CANARY not in repr(bare)
        proxy = bare["HTTP_PROXY"]
        assert _read(f"http://{index.host}/simple/", proxy) == b"<a href='x/'>x</a>"
        assert index.asked == [("/simple/", WANTED)]
        with pytest.raises(urllib.error.HTTPError) as caught:
            _read(f"http://{index.host}/simple/", "http://espalier:guess@" + proxy.partition("@")[2])
        assert caught.value.code == 407
    with pytest.raises(OSError, match="refused|reset"):
        _read(f"http://{index.host}/simple/", proxy)


def test_a_container_reaches_it_by_a_socket(index: Index, tmp_path: Path) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as short:
        socket = f"{short}/s"
        with guarded({"UV_DEFAULT_INDEX": f"http://robot:{CANARY}@{index.host}/simple"}, socket) as bare:
            assert PORT in bare["HTTP_PROXY"]
            code = f"import urllib.request; print(urllib.request.urlopen('http://{index.host}/simple/').read())"
            command = [sys.executable, "-I", forward.__file__, socket, sys.executable, "-c", code]
            done = subprocess.run(command, env={"http_proxy": bare["http_proxy"]}, capture_output=True, text=True)
    assert "<a href=" in done.stdout, done.stderr


@pytest.mark.parametrize("way", ["asked for", "led to"])
def test_no_service_of_this_machine_is_reached_by_way_of_it(index: Index, way: str) -> None:
    """A build script has what uv has, and may run where it would not reach them; an index may lead there."""
    service = Index({"/": b"canary"})
    private = f"http://robot:{CANARY}@{index.host}/simple"
    for target in (service.host, service.host.replace("127.0.0.1", "localhost"), service.host.replace("127.0.0.1", "127.1.1.1")):
        index.leads["/elsewhere"] = f"http://{target}/"
        with guarded({"UV_DEFAULT_INDEX": private}) as bare:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": bare["HTTP_PROXY"]}))
            with pytest.raises(urllib.error.HTTPError) as error:
                opener.open(f"http://{target}/" if way == "asked for" else f"http://{index.host}/elsewhere")
            assert error.value.code == 502 and b"is this machine" in error.value.read()
    assert service.asked == []
    service.server.shutdown()


def test_what_a_source_distribution_prints_shows_no_password(index: Index, tmp_path: Path) -> None:
    wanted = PythonSide(pip=[f"loot @ http://{index.host}/loot-1.0.tar.gz"], index_url=f"http://robot@{index.host}/simple",
                        index_password=Secret("index"))  # fmt: skip
    hidden = Hidden(lambda secret: CANARY)
    with pytest.raises(EspalierError) as caught:
        resolve(Environment("loot", python=wanted), CachePaths(str(tmp_path)), None, PythonHost(), hidden)
    told = f"{caught.value.message} {caught.value.hint} {caught.value.fields}"
    assert "refused" in told and "a leak of ***" in told, told
    assert CANARY not in told
    assert WANTED.partition(" ")[2] not in told
    assert "UV_INDEX_ESPALIER_PASSWORD" not in told


def _read(url: str, proxy: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
    with opener.open(url, timeout=10) as source:
        return bytes(source.read())
