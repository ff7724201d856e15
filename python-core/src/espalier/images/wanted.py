"""From an environment to what is wanted: the base images it begins with, and the keys of its stages. Cheap, and asks
nobody but the first time."""

import contextlib
import os
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional

from espalier.environment.definition import BuildContext, DockerSide, Environment
from espalier.environment.key import python_key, r_key, system_key
from espalier.environment.lock import Lock
from espalier.environment.lockfile import read_lock
from espalier.environment.recipe import CONTEXT_BASE, base_image, render
from espalier.images.bases import Base, GetLogin, resolve_base
from espalier.images.dockerfile import digest_of_bases, images_in
from espalier.images.registries import Secrets, login_of
from espalier.paths import WorkspacePaths


@dataclass(frozen=True)
class Wanted:
    """An environment with the keys of what its image is made of.

    Args:
        environment: The definition.
        bases: The images it begins with and copies from, by name.
        lock: Its packages, exactly, where it was locked.
        system: The key of the system stage.
        python: The key of the python stage; the same where it installs nothing.
        key: The key of the whole image, which is the r stage's; the same where that installs nothing.
    """

    environment: Environment
    bases: Mapping[str, Base]
    lock: Optional[Lock]
    system: str
    python: str
    key: str

    @property
    def docker(self) -> DockerSide:
        """What its image is made of."""
        return self.environment.docker or DockerSide()

    def login(self, secrets: Secrets) -> GetLogin:
        """How to log in to the registry of its base images, once that is asked."""
        return lambda: login_of(self.docker.registry, secrets)


def wanted(
    paths: WorkspacePaths, environment: Environment, secrets: Secrets, refresh: bool = False
) -> Wanted:
    """What an environment means in a workspace.

    Args:
        paths: The workspace.
        environment: The definition, its build context frozen (`environment/context.py`).
        secrets: The value of a secret.
        refresh: Ask the registries of the base images again.

    Raises:
        EspalierError: `image_missing`, `registry_failed`, `docker_unavailable` about a base image; `snapshot_missing`,
            `snapshot_damaged` about a build context; `environment_damaged` about its lock; `environment_invalid` about
            its Dockerfile.
    """
    docker = environment.docker or DockerSide()
    name = base_image(environment)
    names = image_names(paths, environment)

    def login() -> object:
        return login_of(docker.registry, secrets)

    bases: Dict[str, Base] = {
        one: resolve_base(paths, one, login, docker.platform, refresh) for one in names  # type: ignore[arg-type]
    }
    digests = {one: base.digest for one, base in bases.items()}
    base = digests[name] if names == [name] and name is not None else digest_of_bases(digests)
    lock = read_lock(paths, environment)
    keys = system_key(environment, base), python_key(environment, base, lock), r_key(environment, base, lock)
    return Wanted(environment, bases, lock, *keys)


def image_names(paths: WorkspacePaths, environment: Environment) -> List[str]:
    """The images that an environment's own is made of, each once; first its base image, if it names that.

    Args:
        paths: The workspace.
        environment: The definition.

    Raises:
        EspalierError: About a build context, as `wanted`; `environment_invalid` about its Dockerfile.
    """
    name, docker = base_image(environment), environment.docker or DockerSide()
    begun = [name] if name is not None else []
    if docker.build_context is not None:
        begun = images_in(_dockerfile(paths, docker.build_context))
    named = [one for one in images_in(render(environment).dockerfile) if one != CONTEXT_BASE]
    return list(dict.fromkeys([*begun, *named]))


@contextlib.contextmanager
def context_folder(paths: WorkspacePaths, context: BuildContext) -> Iterator[str]:
    """A build context as a folder, for the length of a block.

    Raises:
        EspalierError: `snapshot_missing`, `snapshot_damaged`.
    """
    import tempfile

    from espalier.snapshot.sides import StoredSide

    with tempfile.TemporaryDirectory(prefix="espalier-context-") as folder:
        side = StoredSide(paths, str(context.snapshot))
        try:
            for path, item in side.items.items():
                place = os.path.join(folder, path)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                if item.kind == "l":
                    os.symlink(item.content, place)
                else:
                    with open(place, "wb") as file:
                        file.write(side.data(path))
                    os.chmod(place, 0o755 if item.kind == "x" else 0o644)
        finally:
            side.close()
        yield folder


def _dockerfile(paths: WorkspacePaths, context: BuildContext) -> str:
    from espalier.snapshot.sides import StoredSide

    side = StoredSide(paths, str(context.snapshot))
    try:
        return side.data(context.dockerfile).decode("utf-8", "replace") if context.dockerfile in side.items else ""
    finally:
        side.close()
