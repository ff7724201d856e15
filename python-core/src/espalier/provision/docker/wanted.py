"""From an environment to what is wanted: the base images it begins with, and the keys of its stages. Cheap, and asks
no server but the first time."""

import contextlib
import os
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional

from espalier.base.paths import WorkspacePaths
from espalier.base.records import make_folders
from espalier.environment.definition import BuildContext, DockerSide, Environment
from espalier.environment.key import python_key, r_key, system_key
from espalier.environment.lock import Lock, known_lock
from espalier.environment.recipe import CONTEXT_BASE, base_image, render
from espalier.environment.stored_locks import read_lock
from espalier.provision.docker.bases import Base, GetLogin, known_base, resolve_base
from espalier.provision.docker.dockerfile import digest_of_bases, images_in, with_images
from espalier.provision.docker.record import read_image
from espalier.provision.docker.registries import Secrets, login_of
from espalier.provision.packages.sources import no_secrets


@dataclass(frozen=True)
class Wanted:
    """An environment with the keys of what its image is made of.

    Args:
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
        environment: The definition, its build context frozen (`environment/context.py`).
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


def known_wanted(paths: WorkspacePaths, environment: Environment) -> Optional[Wanted]:
    """As `wanted`, without asking a registry; None if the digest of a base image isn't known to the workspace."""
    platform = environment.docker.platform if environment.docker else None
    if not all(known_base(paths, name, platform) for name in image_names(paths, environment)):
        return None
    return wanted(paths, environment, no_secrets)


def resolved_before(paths: WorkspacePaths, want: Wanted) -> Optional[Lock]:
    """What the first build of the same key resolved, which the next one takes again; None where that isn't known."""
    return known_lock((read_image(paths, want.key) or {}).get("lock"))


def stages_text(paths: WorkspacePaths, environment: Environment) -> str:
    """The stages of which an image is built (`stages_as_text`), after the Dockerfile of a build context. Base images
    have their digests and packages their versions, as far as the workspace knows them: no registry is asked.

    Args:
        environment: The definition, its build context frozen.

    Raises:
        EspalierError: As `wanted`, but none about what isn't known.
    """
    from espalier.environment.text import stages_as_text  # (YAML, which what carries out a job's requests has not)

    known = known_wanted(paths, environment)
    lock = read_lock(paths, environment) if known is None else known.lock or resolved_before(paths, known)
    text = stages_as_text(environment, lock)
    context = environment.docker.build_context if environment.docker else None
    if context is not None:
        text = f"# {context.dockerfile}\n{dockerfile_of(paths, context)}\n{text}"
    return with_images(text, {} if known is None else {name: base.reference for name, base in known.bases.items()})


def image_names(paths: WorkspacePaths, environment: Environment) -> List[str]:
    """The images that an environment's own is made of, each once; first its base image, if it names that. Raises
    EspalierError: About a build context, as `wanted`; `environment_invalid` about its Dockerfile."""
    name, docker = base_image(environment), environment.docker or DockerSide()
    begun = [name] if name is not None else []
    if docker.build_context is not None:
        begun = images_in(dockerfile_of(paths, docker.build_context))
    named = [one for one in images_in(render(environment).dockerfile) if one != CONTEXT_BASE]
    return list(dict.fromkeys([*begun, *named]))


@contextlib.contextmanager
def context_folder(paths: WorkspacePaths, context: BuildContext) -> Iterator[str]:
    """A build context as a folder, for the length of a block. Raises EspalierError: `snapshot_missing`,
    `snapshot_damaged`."""
    import tempfile

    from espalier.snapshot.compare import StoredSide

    with tempfile.TemporaryDirectory(prefix="espalier-context-") as folder:
        side = StoredSide(paths, str(context.snapshot))
        try:
            for path, item in side.items.items():
                place = os.path.join(folder, path)
                make_folders(os.path.dirname(place))
                if item.kind == "l":
                    os.symlink(item.content, place)
                else:
                    with open(place, "wb") as file:
                        file.write(side.data(path))
                    os.chmod(place, 0o755 if item.kind == "x" else 0o644)
        finally:
            side.close()
        yield folder


def dockerfile_of(paths: WorkspacePaths, context: BuildContext) -> str:
    """The Dockerfile of a frozen build context; empty where that has none."""
    from espalier.snapshot.compare import StoredSide

    side = StoredSide(paths, str(context.snapshot))
    try:
        return side.data(context.dockerfile).decode("utf-8", "replace") if context.dockerfile in side.items else ""
    finally:
        side.close()
