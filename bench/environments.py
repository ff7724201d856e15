"""Environments: how fast an image that is there is found, and what one more package costs an environment of forty."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Sequence

import cran
import docker
from espalier.api.workspace import Workspace
from espalier.base.paths import CachePaths
from espalier.environment.definition import CranPackage, DockerSide, Environment, RSide
from espalier.provision.docker.chain import Image, ensure
from samples import Samples, seconds
from web import Site

IMAGE = "espalier-test-base:bookworm"
ROUNDS = 21
GROWTHS = 5
FORTY = [f"filler{i:02}" for i in range(1, 41)]


def quietly(*command: str) -> None:
    """A program, whose output only matters when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {(done.stdout + done.stderr)[-2000:]}")


class Bench:
    """A repository, a workspace, and the environments in it."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.samples = Samples("environments.py")
        self.repository = cran.make(work / "cran")
        for number in range(GROWTHS + 1):
            cran.add(self.repository, cran.heavy(f"heavy{number}", 1500))
            cran.add(self.repository, cran.Package(f"light{number}"))
        self.site = Site(self.repository)
        # (for environments.R)
        (work / "repository").write_text(self.site.url + "\n")
        self.cache = CachePaths(os.environ["ESPALIER_CACHE_DIR"])
        self.workspace = Workspace.open("bench", str(work / "environments"))

    def environment(self, packages: Sequence[str]) -> Environment:
        """Of R packages."""
        wanted = [CranPackage(name) for name in packages]
        return Environment("bench", r=RSide(repositories={"CRAN": self.site.url}, cran=wanted),
                           docker=DockerSide(base_image=IMAGE))

    def build(self, environment: Environment) -> str:
        """Have its image; returns where it was found."""
        return self.ensured(environment).found

    def key(self, environment: Environment) -> str:
        """The hex digits that its image is named by."""
        return self.ensured(environment).key.partition(":")[2]

    def ensured(self, environment: Environment) -> Image:
        """Its image."""
        return ensure(self.workspace._paths, self.cache, environment, lambda secret: "")

    def find(self) -> None:
        """The image is there, and everything is as it was: beside a Dockerfile of as many steps, wholly cached."""
        environment = self.environment(FORTY)
        context = self.work / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo one\nRUN echo two\nRUN echo three\n")
        peer = ("docker", "build", "-q", "-t", "espalier-bench-peer", str(context))
        quietly(*peer)
        tag = f"espalier/env:{self.key(environment)}"
        client = docker.from_env()
        for number in range(ROUNDS):
            self.samples.add("find", number, seconds(partial(self.build, environment)))
            self.samples.add("find.inspect", number, seconds(partial(client.images.get, tag)))
            self.samples.add("find.build", number, seconds(partial(quietly, *peer)))
            self.samples.add("find.cli", number, seconds(partial(quietly, "docker", "image", "inspect", tag)))
        quietly("docker", "rmi", "espalier-bench-peer")

    def grow(self, kind: str) -> None:
        """One more package, new each time, beside its bare installation in a container of the same image."""
        self.build(self.environment(FORTY))
        (self.work / "library").mkdir(exist_ok=True)
        for number in range(GROWTHS + 1):
            name = f"{kind}{number}"
            self.samples.add(f"grow.{kind}", number, seconds(partial(self.build, self.environment([*FORTY, name]))))
            self.samples.add(f"bare.{kind}", number, seconds(partial(self.install, name)))

    def install(self, name: str) -> None:
        """`R CMD INSTALL` of a package, in a container, and nothing else."""
        mounts = ("-v", f"{self.repository}/src/contrib:/sources:ro", "-v", f"{self.work}/library:/library")
        source = f"/sources/{name}_1.0.0.tar.gz"
        command = ("R", "CMD", "INSTALL", "--library=/library", source)
        quietly("docker", "run", "--rm", "--network=none", *mounts, IMAGE, *command)


def main(work: str) -> None:
    """Measure, and write the samples."""
    bench = Bench(Path(work))
    bench.grow("light")
    bench.grow("heavy")
    bench.find()
    bench.samples.write()


if __name__ == "__main__":
    os.environ.setdefault("ESPALIER_CACHE_DIR", os.path.join(sys.argv[1], "cache"))
    main(sys.argv[1])
