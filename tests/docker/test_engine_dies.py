"""The engine stops, dies or hangs in the middle of a build; a second one, for it is killed here."""

import os
import signal
import threading
import time
from typing import Any, Callable, List

import pytest
from engines import OwnEngine
from espalier.adapters import docker
from espalier.api.workspace import Workspace
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.environment.definition import DockerSide, Environment
from espalier.provision.docker.chain import Image, ensure

Make = Callable[..., Workspace]
# (with the host's network, as the second engine gives no other)
NETWORK = "ESPALIER_BUILD_NETWORK"


class Build(threading.Thread):
    """A build in the background, with a step that the test may keep waiting: it ends when the file `go` is there."""

    def __init__(self, workspace: Workspace, wanted: Environment) -> None:
        super().__init__(daemon=True)
        self.workspace, self.wanted = workspace, wanted
        self.said: List[str] = []
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = have(self.workspace, self.wanted, say=self.said.append)
        except BaseException as error:
            self.result = error

    def until_it_says(self, text: str) -> None:
        """Wait until a line of status has the text."""
        deadline = time.monotonic() + 60
        while not any(text in line for line in self.said):
            assert self.is_alive() and time.monotonic() < deadline, (self.result, self.said)
            time.sleep(0.02)


def have(workspace: Workspace, wanted: Environment, **more: Any) -> Image:
    return ensure(workspace._paths, CachePaths(os.environ["ESPALIER_CACHE_DIR"]), wanted, lambda secret: "", **more)


@pytest.fixture
def wanted(small_image: str, own_engine: OwnEngine, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv(NETWORK, "host")
    own_engine.load(small_image)
    return Environment("probe", docker=DockerSide(base_image=small_image, steps=("RUN echo begun; sleep 3",)))


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_engine_ends_during_a_build(workspace: Make, own_engine: OwnEngine, wanted: Environment, how: str) -> None:
    build = Build(workspace(), wanted)
    build.until_it_says("begun")
    getattr(own_engine, how)()
    build.join(60)
    assert isinstance(build.result, EspalierError), build.result
    assert build.result.code == "docker_unavailable", build.result
    own_engine.start()
    assert have(workspace(), wanted).found == "built"
    assert own_engine.containers() == []


def test_the_engine_hangs_during_a_build(
    workspace: Make, own_engine: OwnEngine, wanted: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "_SILENCE", 1.0)
    monkeypatch.setattr(docker.answers, "__defaults__", (1.0,))
    build = Build(workspace(), wanted)
    build.until_it_says("begun")
    own_engine.signal(signal.SIGSTOP)
    try:
        build.join(60)
        assert isinstance(build.result, EspalierError), build.result
        assert "has stopped answering" in build.result.message
    finally:
        own_engine.signal(signal.SIGCONT)
    assert have(workspace(), wanted).found == "built"
