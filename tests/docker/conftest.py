"""What the Docker tests share: real services, started where they are not there yet. Run by `make test-docker`.

Without an engine they are skipped, with the reason; where ESPALIER_TESTS_NEED_DOCKER is set, as in CI, they fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "services"))
sys.path.append(str(Path(__file__).parents[2] / "python-core" / "tests" / "helpers"))

import conda as conda_channel
import cran as cran_repository
import pypi as python_index
import small_image as small
from engines import HeldEngine, OwnEngine
from espalier.api.workspace import Workspace
from github import GitHub
from registry import Registry
from web import Site

SERVICES = Path(__file__).parents[1] / "services"
IMAGE = "espalier-test-base:bookworm"
# Labels of ours begin so.
OURS = "espalier."


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "leaves_containers: the test means to leave some, and cleans up after itself")


def _script(name: str, *arguments: str) -> str:
    done = subprocess.run(["bash", str(SERVICES / name), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout.strip()
    said = f"{name} {' '.join(arguments)}: {done.stderr.strip()}"
    if os.environ.get("ESPALIER_TESTS_NEED_DOCKER"):
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """The engine, as a client of the docker package."""
    started = _script("engine.sh", "start") == "started"
    import docker

    client = docker.from_env()
    before = _names(client)
    yield client
    if not os.environ.get("ESPALIER_TESTS_KEEP_IMAGES"):
        for name in _names(client) - before:
            client.images.remove(name, force=True)
    client.close()
    if started:
        _script("engine.sh", "stop")


def _names(client: Any) -> Set[str]:
    """The images that are the cache of what was built."""
    return {tag for image in client.images.list() for tag in image.tags if tag.startswith("espalier/")}


@pytest.fixture(scope="session")
def base_image(engine: Any) -> str:
    """Debian 12 with R, Python and a C compiler."""
    _script("base-image.sh")
    return IMAGE


@pytest.fixture(scope="session")
def small_image(engine: Any) -> str:
    """A few megabytes: a shell and some tools. For images that are pushed, which takes 20 s for the other one."""
    return small.make()


@pytest.fixture(scope="session")
def _services(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services")


@pytest.fixture
def registry(engine: Any, tmp_path: Path) -> Iterator[Registry]:
    """An empty registry that anybody may use."""
    made = Registry(tmp_path / "registry")
    yield made
    made.stop()


@pytest.fixture
def private_registry(engine: Any, tmp_path: Path) -> Iterator[Registry]:
    """An empty registry that wants its `credentials`."""
    made = Registry(tmp_path / "private-registry", private=True)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def cran(_services: Path) -> Iterator[Site]:
    """A CRAN-like repository; what is in it: tests/services/cran.py."""
    site = Site(cran_repository.make(_services / "cran"))
    yield site
    site.stop()


@pytest.fixture
def own_cran(tmp_path: Path) -> Iterator[Site]:
    """One of this test's own, for tests that change it."""
    site = Site(cran_repository.make(tmp_path / "cran"))
    yield site
    site.stop()


@pytest.fixture(scope="session")
def channel(_services: Path) -> Iterator[Site]:
    """A conda channel; what is in it: tests/services/conda.py."""
    site = Site(conda_channel.make(_services / "conda"))
    yield site
    site.stop()


@pytest.fixture(scope="session")
def index(_services: Path) -> Iterator[Site]:
    """A Python index, at `url + "/simple"`; what is in it: tests/services/pypi.py."""
    python_index.make(_services / "pypi")
    site = Site(_services / "pypi")
    yield site
    site.stop()


@pytest.fixture(scope="session")
def private_index(_services: Path, index: Site) -> Iterator[Site]:
    """The same behind a password."""
    site = Site(index.folder, ("robot", "canary-of-the-index-77"))
    yield site
    site.stop()


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """What is asked of GitHub is asked of this one; what is in it: tests/services/github.py."""
    hub = GitHub()
    monkeypatch.setenv("ESPALIER_GITHUB_API", hub.url)
    yield hub
    hub.stop()


@pytest.fixture
def own_engine(engine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnEngine]:
    """A second engine, which the test may stop and kill; it is the one that is used."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a second engine takes root and iproute2")
    made = OwnEngine(Path(tempfile.mkdtemp(prefix="espalier-engine-")))
    monkeypatch.setenv("DOCKER_HOST", made.address)
    yield made
    made.remove()


@pytest.fixture
def held(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], HeldEngine]]:
    """Makes an engine that holds a kind of question back the one that runs use."""
    made: List[HeldEngine] = []

    def hold(kind: str) -> HeldEngine:
        made.append(HeldEngine(tmp_path, kind))
        monkeypatch.setenv("DOCKER_HOST", made[0].address)
        return made[0]

    yield hold
    for one in made:
        one.release()
        one.stop()


@pytest.fixture(scope="session")
def _image_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all tests: images that several make are the same."""
    path = tmp_path_factory.mktemp("key") / "images"
    path.write_text("k" * 64)
    path.chmod(0o600)
    return path


@pytest.fixture
def home(tmp_path: Path, _image_key: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test's own queue; the cache of packages and environments is that of the session."""
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ESPALIER_IMAGE_KEY_FILE", str(_image_key))
    return tmp_path


@pytest.fixture
def host_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed in containers is fetched from the services, which listen on loopback."""
    monkeypatch.setenv("ESPALIER_BUILD_NETWORK", "host")


@pytest.fixture
def workspace(home: Path) -> Callable[..., Workspace]:
    """Makes workspaces: `workspace()`, `workspace("other")`."""
    return lambda name="ws": Workspace.open(name, path=str(home / "workspaces"))


def _left(client: Any, here: str) -> "Dict[str, Set[str]]":
    """Containers and untagged images with labels of ours. Tagged images are the cache, and no litter.

    A container that was given folders, and none of this session, is somebody else's on this machine.
    """
    def ours(found: List[Any]) -> Set[str]:
        return {
            one["Id"] for one in found
            if any(key.startswith(OURS) for key in one.get("Labels") or {})
            and any(mount.get("Source", here).startswith(here) for mount in one.get("Mounts") or [{}])
        }

    containers: List[Any] = client.api.containers(all=True)
    return {"containers": ours(containers), "untagged images": ours(client.api.images(filters={"dangling": True}))}


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After each test: no container of ours, no half image."""
    if "engine" not in request.fixturenames:
        yield
        return
    client = request.getfixturevalue("engine")
    here = str(tmp_path_factory.getbasetemp())
    before = _left(client, here)
    # (an image of another session, with its signature, loses its tag to ours)
    before["untagged images"] |= {one["Id"] for one in client.api.images()}
    yield
    if request.node.get_closest_marker("leaves_containers"):
        return
    for _ in range(50):  # (the engine removes in the background)
        after = _left(client, here)
        left = {kind: after[kind] - before[kind] for kind in after}
        if not any(left.values()):
            return
        time.sleep(0.1)
    assert not any(left.values()), f"left behind: {left}"
