"""Engines that are not well: absent, hanging, forbidden; and one of a test's own, which may be stopped and killed."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Iterator, List, Optional

from endings import die_with_parent

_NOBODY = 65534


def dead_socket(folder: Path) -> str:
    """Address of a socket at which nobody listens any more, as a crashed engine leaves it."""
    path = folder / "dead.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    return f"unix://{path}"


class HangingEngine:
    """It accepts and never answers."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hanging.sock"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen(16)
        self._held: List[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.path}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._held.append(self._socket.accept()[0])

    def stop(self) -> None:
        """Break all connections off."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for one in (self._socket, *self._held):
            one.close()


class HeldEngine:
    """The usual engine, behind a socket that holds one kind of question back until `release`.

    Args:
        folder: Where the socket is.
        held: What the path of such a question ends with, such as `/start`.
    """

    def __init__(self, folder: Path, held: str) -> None:
        self.path = folder / "held.sock"
        self.asked = threading.Event()  # such a question has come
        self._held, self._released = held.encode(), threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.path}"

    def release(self) -> None:
        """Pass on what is held back, and all that comes."""
        self._released.set()

    def stop(self) -> None:
        """Listen no longer."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=[self._socket.accept()[0]], daemon=True).start()

    def _serve(self, asking: socket.socket) -> None:
        with contextlib.suppress(OSError), asking, socket.socket(socket.AF_UNIX) as engine:
            question = asking.recv(65536)
            path = [*question.split(b" ", 2), b""][1].partition(b"?")[0]
            if path.endswith(self._held) and not self._released.is_set():
                self.asked.set()
                self._released.wait()
            engine.connect("/var/run/docker.sock")
            engine.sendall(question)
            back = threading.Thread(target=self._pass, args=[engine, asking], daemon=True)
            back.start()
            self._pass(asking, engine)
            back.join()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """In the block this process may do what the user nobody may. Nothing must be imported in it."""
    os.setegid(_NOBODY)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class OwnEngine:
    """A second dockerd, with all that is its own. Its containers have no network but the host's."""

    bridge = "espalier-test0"

    def __init__(self, folder: Path) -> None:
        # (the path of a socket may have 107 bytes, and containerd adds some of its own)
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.pid_file = folder / "docker.pid"
        self.live_restore = False  # whether its containers go on without it, from its next start on
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._log: Optional[IO[bytes]] = None
        # (with --bridge=none it would take docker0 away from the first engine)
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True)
        subprocess.run(["ip", "link", "add", self.bridge, "type", "bridge"], check=True)
        subprocess.run(["ip", "addr", "add", "172.31.253.1/24", "dev", self.bridge], check=True)
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Serve.

        Raises:
            RuntimeError: It does not answer.
        """
        # (it would take the pids in these files, reused or not yet reaped, for living processes)
        for left in (self.pid_file, self.folder / "exec" / "containerd" / "containerd.pid"):
            left.unlink(missing_ok=True)
        self._log = open(self.folder / "dockerd.log", "ab")  # noqa: SIM115
        self._process = subprocess.Popen(
            ["dockerd", f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec", f"--pidfile={self.pid_file}",
             f"--host={self.address}", f"--bridge={self.bridge}", "--iptables=false", "--ip-forward=false",
             "--ip-masq=false", f"--live-restore={str(self.live_restore).lower()}"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The second dockerd did not start; see {self.folder}/dockerd.log")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.socket))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(100)
        return False

    def load(self, image: str) -> None:
        """Copy an image of the usual engine."""
        usual = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE, env=usual) as saved:
            subprocess.run(["docker", "--host", self.address, "load", "-q"], stdin=saved.stdout, check=True,
                           stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """As the kernel would when memory is short: no word of farewell, its containers go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def signal(self, number: int) -> None:
        """Send it one, such as SIGSTOP and SIGCONT."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """In order: its containers are stopped too."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)

    def containers(self, running: bool = False) -> List[str]:
        """Ids of all that it has, or of those that run."""
        return self._docker("ps", "-q" if running else "-aq", "--no-trunc").split()

    def remove(self) -> None:
        """It, and all that it made."""
        with contextlib.suppress(RuntimeError, subprocess.CalledProcessError):
            if self._process is None or self._process.poll() is not None:
                self.start()
            left = self.containers()
            if left:
                self._docker("rm", "-f", *left)
        self.stop()
        if self._log is not None:
            self._log.close()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], capture_output=True)
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _docker(self, *arguments: str) -> str:
        command = ["docker", "--host", self.address, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
