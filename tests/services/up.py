"""See up.sh."""

import argparse
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List

import conda
import cran
import pypi
import small_image
from endings import wait_for_end
from registry import Registry
from web import Site

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / ".build" / "services"
IMAGE = "espalier-test-base:bookworm"


class Services:
    """What is up, and how each part of it comes down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ends: List[Callable[[], object]] = []

    def engine(self) -> Dict[str, str]:
        users = _hold_engine()
        self.ends.append(lambda: _release_engine(users))
        _script("engine.sh", "start")
        _script("base-image.sh")
        return {"ESPALIER_TEST_IMAGE": IMAGE, "ESPALIER_TEST_SMALL_IMAGE": small_image.make()}

    def registry(self) -> Dict[str, str]:
        public, private = Registry(self.folder / "registry"), Registry(self.folder / "private", private=True)
        self.ends += [public.stop, private.stop]
        username, password = private.credentials or ("", "")
        return {"ESPALIER_TEST_REGISTRY": public.address, "ESPALIER_TEST_PRIVATE_REGISTRY": private.address,
                "ESPALIER_TEST_USERNAME": username, "ESPALIER_TEST_PASSWORD": password}

    def cran(self) -> Dict[str, str]:
        site = Site(cran.make(self.folder / "cran"))
        return {"ESPALIER_TEST_CRAN": site.url, "ESPALIER_TEST_DATED_CRAN": f"{site.url}/{cran.DATED}"}

    def conda(self) -> Dict[str, str]:
        return {"ESPALIER_TEST_CONDA": Site(conda.make(self.folder / "conda")).url}

    def pypi(self) -> Dict[str, str]:
        pypi.make(self.folder / "pypi")
        return {"ESPALIER_TEST_PYPI": Site(self.folder / "pypi").url + "/simple"}

    def down(self) -> None:
        for end in reversed(self.ends):
            end()


NAMES = ("engine", "registry", "cran", "conda", "pypi")


def _hold_engine() -> int:
    """A shared lock by which `engine.sh stop` knows that the engine is in use. (Programs that are started don't inherit it.)"""
    BUILD.mkdir(parents=True, exist_ok=True)
    users = os.open(BUILD / "engine.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def _release_engine(users: int) -> None:
    os.close(users)
    _script("engine.sh", "stop")


def _script(name: str, *arguments: str) -> str:
    done = subprocess.run(["bash", str(HERE / name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed")
    return done.stdout.strip()


def _keep(names: List[str], until: int, out: int) -> None:
    """In the background: start, say what is up, and wait."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(tempfile.mkdtemp(prefix="espalier-services-"))
    services = Services(folder)
    try:
        said: Dict[str, str] = {}
        for name in names:
            said.update(getattr(services, name)())
        lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in said.items())
        os.write(out, lines.encode())
        os.close(out)
        # (whoever reads what we say and complain would else wait for our end)
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        wait_for_end(until)
    finally:
        services.down()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="up.sh", description="Starts what the Docker tests need.")
    parser.add_argument("--until", type=int, required=True, metavar="PID", help="the process with which all of it ends")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="only these")
    asked = parser.parse_args()
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        os.setsid()
        _keep(asked.names or list(NAMES), asked.until, theirs)
        return 0
    os.close(theirs)
    with open(ours, "rb") as stream:
        said = stream.read()
    sys.stdout.write(said.decode())
    return 0 if said else 1


if __name__ == "__main__":
    sys.exit(main())
