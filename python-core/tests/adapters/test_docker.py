"""The client of the engine: what is said when there is none, when it refuses, hangs or breaks off."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Callable, Iterator

import pytest
from espalier.adapters import docker as adapter
from espalier.adapters.docker_errors import engine_refused
from espalier.base.errors import EspalierError

pytest.importorskip("docker")


@pytest.fixture
def listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """A socket that answers every connection with the same bytes, or never, with b""."""
    servers, threads = [], []

    def start(reply: bytes) -> str:
        server = socket.socket(socket.AF_UNIX)
        path = str(tmp_path / "d.sock")
        server.bind(path)
        server.listen(8)
        servers.append(server)
        kept = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if reply:
                    connection.recv(65536)
                    connection.sendall(reply)
                    connection.close()

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        return path

    yield start
    for server, thread in zip(servers, threads):
        server.shutdown(socket.SHUT_RDWR)  # (closed alone it would be accepted from for ever)
        server.close()
        thread.join(5)


def refusal() -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        adapter.engine()
    assert caught.value.code == "docker_unavailable"
    assert caught.value.hint
    return caught.value


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert f"Can't find a Docker engine at unix://{tmp_path}/none.sock." in refusal().message


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    assert "isn't running" in refusal().message


def test_the_engine_hangs(listen: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    listen(b"")
    monkeypatch.setattr(adapter, "FIRST_ANSWER", 0.2)
    assert "does not answer" in refusal().message


def test_the_engine_breaks_off(listen: Callable[[bytes], str]) -> None:
    listen(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    assert "broke the connection off" in refusal().message


def test_something_else_answers(listen: Callable[[bytes], str]) -> None:
    listen(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
    assert "Can't use the Docker engine" in refusal().message


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")
def test_permission_denied(listen: Callable[[bytes], str]) -> None:
    path = listen(b"")
    os.chmod(path, 0o600)
    for folder in list(Path(path).parents)[:-1]:
        folder.chmod(folder.stat().st_mode | 0o111)
    code = (
        "import docker, os, sys\n"
        "from espalier.adapters.docker import engine\n"
        "from espalier.base.errors import EspalierError\n"
        "os.setuid(65534)\n"
        "try:\n    engine()\n"
        "except EspalierError as e: print(e.code, e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert "docker_unavailable Can't use the Docker engine" in done.stdout, done.stderr
    assert "group docker" in done.stdout


def test_no_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is an engine it is asked for; where there is none, nothing would be gained."""
    place = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    monkeypatch.setattr("espalier.base.extras.folder_of", lambda module, folders: None)
    assert refusal().code == "docker_unavailable"
    place.touch()
    with pytest.raises(EspalierError) as caught:
        adapter.engine()
    assert (caught.value.code, caught.value.fields) == ("extra_missing", {"extra": "docker"})
    assert 'install_espalier("docker")' in caught.value.hint and "pip install docker." in caught.value.hint


def test_importing_the_adapter_loads_no_docker() -> None:
    code = "import espalier.adapters.docker, sys; assert not {'docker', 'requests'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


SAID = [
    ("manifest for localhost:5000/a:1 not found: manifest unknown: manifest unknown", 404, "image_missing", None),
    ("pull access denied for a, repository does not exist or may require 'docker login': denied", 404, "image_missing", None),
    ("No such image: a:1", 404, "image_missing", None),
    ("Get http://localhost:5000/v2/: unauthorized: authentication required", 500, "registry_failed", "credentials"),
    ('Head "https://r/v2/a/manifests/1": no basic auth credentials', 500, "registry_failed", "credentials"),
    ("Get http://localhost:5000/v2/: dial tcp 127.0.0.1:5000: connect: connection refused", 500, "registry_failed", "unreachable"),
    ("Get https://r.invalid/v2/: dial tcp: lookup r.invalid: no such host", 500, "registry_failed", "unreachable"),
    ("write /var/lib/docker/tmp/x: no space left on device", 500, "build_failed", "disk_full"),
    ("manifest verification failed for digest sha256:1", 500, "registry_failed", "digest_mismatch"),
    ("image verification failed for digest sha256:1: digest mismatch", 500, "registry_failed", "digest_mismatch"),
    ('Conflict. The container name "/a" is already in use', 409, "docker_failed", None),
    ("could not select device driver with capabilities: [[gpu]]", 500, "docker_failed", None),
]


@pytest.mark.parametrize(("said", "status", "code", "cause"), SAID)
def test_what_an_engine_says(said: str, status: int, code: str, cause: str) -> None:
    error = engine_refused("It was to be done", said, status)
    assert (error.code, error.fields.get("cause")) == (code, cause)
    assert said in error.message
    if code == "docker_failed":
        assert error.fields["status"] == status
