"""A Docker registry on a free port of loopback, with or without a password."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, List, Optional, Tuple

from endings import die_with_parent

# (bcrypt, the one hash that the registry reads, of the one password there is)
CREDENTIALS = ("robot", "open-sesame-1f6b")
_HTPASSWD = "robot:$2b$05$abcdefghijklmnopqrstuuIJuHVKBBi8CgPmGqqNqOOGI5AdWQW32\n"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """A docker-registry of its own, which ends with this process."""

    def __init__(self, folder: Path, private: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.credentials: Optional[Tuple[str, str]] = CREDENTIALS if private else None
        self.port = _free_port()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._log: Optional[IO[bytes]] = None
        self.start()

    @property
    def address(self) -> str:
        """As it stands before the names of images."""
        return f"127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Where its blobs lie, for tests that harm them."""
        return self.folder / "data"

    def start(self) -> None:
        """Serve, again at the same port if it was stopped.

        Raises:
            RuntimeError: It did not answer within ten seconds.
        """
        program = shutil.which("docker-registry")
        if program is None:
            raise RuntimeError("docker-registry is not installed; `tests/services/engine.sh install` does it")
        config = {
            "version": 0.1, "log": {"level": "warn"}, "http": {"addr": self.address},
            "storage": {"filesystem": {"rootdirectory": str(self.data)}, "delete": {"enabled": True}},
        }
        if self.credentials:
            (self.folder / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
        (self.folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        self._log = open(self.folder / "log", "ab")  # noqa: SIM115
        self._process = subprocess.Popen(
            [program, "serve", str(self.folder / "config.yml")], stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=self._log, preexec_fn=die_with_parent, env={"PATH": os.defpath},
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"The registry did not start; see {self.folder / 'log'}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Nothing answers any more; what was pushed stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        if self._log is not None:
            self._log.close()
        self._process = self._log = None

    def empty(self) -> None:
        """Lose all that was pushed; while it is stopped."""
        shutil.rmtree(self.data, ignore_errors=True)

    def delete(self, repository: str, tag: str) -> None:
        """Delete the manifest under a tag."""
        self._get(f"/v2/{repository}/manifests/{self.digest(repository, tag)}", "DELETE")

    def repositories(self) -> List[str]:
        """What was pushed."""
        return list(json.load(self._get("/v2/_catalog"))["repositories"])

    def tags(self, repository: str) -> List[str]:
        """The tags of an image."""
        return list(json.load(self._get(f"/v2/{repository}/tags/list"))["tags"] or [])

    def digest(self, repository: str, tag: str) -> str:
        """Of the manifest under a tag."""
        return str(self._get(f"/v2/{repository}/manifests/{tag}").headers["Docker-Content-Digest"])

    def _answers(self) -> bool:
        try:
            self._get("/v2/")
        except (OSError, ValueError):
            return False
        return True

    def _get(self, path: str, method: str = "GET"):  # type: ignore[no-untyped-def]
        request = urllib.request.Request(f"http://{self.address}{path}", headers={"Accept": _MANIFEST}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        if self.credentials:
            manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
            manager.add_password(None, request.full_url, *self.credentials, is_authenticated=True)
            opener.add_handler(urllib.request.HTTPBasicAuthHandler(manager))
        return opener.open(request, timeout=5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
