"""Secrets that a build needs are in no image, no log, no record, and in no list of processes."""

import io
import json
import os
from pathlib import Path
from typing import Any, Callable, Dict

import canary
from espalier.api.keyvault import Keyvault
from espalier.api.workspace import Workspace
from espalier.base.cache_paths import CachePaths
from espalier.environment.definition import (
    CranPackage,
    DockerSide,
    Environment,
    GithubPackage,
    PythonSide,
    RSide,
    Secret,
)
from espalier.provision.docker import registries
from espalier.provision.docker.chain import Image, ensure
from github import TOKEN, GitHub
from registry import Registry
from web import Site

Make = Callable[..., Workspace]


class Built:
    """An image that a secret was needed for, and what was seen meanwhile."""

    def __init__(self, workspace: Workspace, environment: Environment, secret: str, value: str, home: Path) -> None:
        self.secret, self.home = value, home
        Keyvault(workspace.path).set_secrets({secret: value})
        self.said: Dict[str, str] = {}
        lines = []
        log = home / "build.log"
        with canary.watching_processes(value) as self.watch:
            self.image: Image = ensure(
                workspace._paths, CachePaths(os.environ["ESPALIER_CACHE_DIR"]), environment,
                lambda asked: str(Keyvault(workspace.path).get_secret(asked.secret)), str(log), lines.append,
            )  # fmt: skip
        self.log = log.read_text() + "\n".join(lines)

    def check(self, engine: Any) -> None:
        """It is nowhere."""
        assert self.watch.seen == []
        assert self.secret not in self.log
        assert canary.in_image(engine, self.image.id, self.secret) == []
        assert canary.in_folder(self.home, self.secret) == []


def test_a_secret_in_an_image_would_be_found(engine: Any, small_image: str) -> None:
    dockerfile = f"FROM {small_image}\nENV A=in-the-environment\nRUN echo in-a-''layer > /a\n".encode()
    image = engine.images.build(fileobj=io.BytesIO(dockerfile), rm=True, forcerm=True)[0]
    try:
        assert canary.in_image(engine, image.id, "in-the-environment") == ["configuration", "history", "layers"]
        assert canary.in_image(engine, image.id, "in-a-layer") == ["layers"]
    finally:
        engine.images.remove(image.id)


def test_the_token_of_a_private_package(
    workspace: Make, home: Path, engine: Any, base_image: str, cran: Site, github: GitHub, host_network: None
) -> None:
    package = GithubPackage("tester/secret.pkg", auth_token=Secret("token"))
    sources = RSide(repositories={"CRAN": cran.url}, cran=[CranPackage("canary")], github=[package])
    environment = Environment("secret", r=sources, docker=DockerSide(base_image=base_image))
    built = Built(workspace(), environment, "token", TOKEN, home)
    assert any(TOKEN in asked for asked in github.asked)
    # (this package prints what it sees while it is installed)
    assert "R_PACKAGE_NAME=canary" in built.log
    built.check(engine)


def test_the_password_of_a_private_index(
    workspace: Make, home: Path, engine: Any, base_image: str, private_index: Site, host_network: None
) -> None:
    username, password = private_index.credentials or ("", "")
    address = private_index.url.replace("://", f"://{username}@") + "/simple"
    packages = PythonSide(pip=["beta", "gamma"], index_url=address, index_password=Secret("index"))
    environment = Environment("secret", python=packages, docker=DockerSide(base_image=base_image))
    built = Built(workspace(), environment, "index", password, home)
    built.check(engine)
    said = engine.containers.run(built.image.id, ["beta"], remove=True, network_mode="none")
    assert said == b"beta 1.0\n"


def test_the_password_of_a_registry(
    workspace: Make, home: Path, engine: Any, small_image: str, private_registry: Registry, host_network: None
) -> None:
    username, password = private_registry.credentials or ("", "")
    ours = workspace()
    registries.set_remote(ours._paths, registries.Remote("workspace", private_registry.address, username, Secret("reg")))
    token = os.urandom(4).hex()
    environment = Environment("secret", docker=DockerSide(base_image=small_image, steps=(f"RUN echo {token} > /a",)))
    built = Built(ours, environment, "reg", password, home)
    assert private_registry.repositories() == [registries.REPOSITORY]
    built.check(engine)
    config = Path.home() / ".docker" / "config.json"
    assert not config.exists() or private_registry.address not in json.loads(config.read_text()).get("auths", {})
