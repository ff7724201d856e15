"""Base images: what a name stands for is asked once and kept, so that the same definition gives the same image."""

import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

from espalier.adapters.docker_images import Login, find_image, pull_image, registry_digest
from espalier.base.canonical import digest_bytes
from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.records import make_folders, now_iso, read_record, replace_record
from espalier.environment.recipe import pinned

GetLogin = Callable[[], Optional[Login]]


@dataclass(frozen=True)
class Base:
    """What the name of an image stands for.

    Args:
        digest: `sha256:...`, by which its registry knows it; or its id, of one that no registry has.
        local: Whether it is the latter.
    """

    name: str
    digest: str
    local: bool = False

    @property
    def reference(self) -> str:
        """How the engine finds exactly this one."""
        return self.digest if self.local else pinned(self.name, self.digest)


def no_login() -> Optional[Login]:
    """For images that need none, or for which this user's Docker is logged in."""
    return None


def resolve_base(
    paths: WorkspacePaths, name: str, login: GetLogin = no_login, platform: Optional[str] = None, refresh: bool = False
) -> Base:
    """What an image's name stands for in a workspace.

    The first time the engine's own image of that name counts, if it has one, and else its registry's, as `docker build`
    has it.

    Args:
        paths: The workspace; what is found is kept there.
        login: How to log in to its registry, should that be asked.
        platform: Such as `linux/amd64`.
        refresh: Ask its registry again, though it is known.

    Raises:
        EspalierError: `image_missing` when neither engine nor registry has it; `registry_failed`, `docker_unavailable`.
    """
    repository, _, digest = name.partition("@")
    if digest:
        return Base(name, digest, not repository)
    record = paths.base_image(_hex(name, platform))
    if not refresh:
        known = _known(record, name)
        if known is not None:
            return known
    found = _from_registry(name, login) if refresh else None
    found = found or _from_engine(name) or _from_registry(name, login, needed=True)
    assert found is not None
    make_folders(paths.base_images, top=paths.root)
    content: Dict[str, Any] = {
        "format": FORMAT, "name": name, "platform": platform, "digest": found.digest, "local": found.local,
        "resolved_at": now_iso(time.time()),
    }  # fmt: skip
    replace_record(record, content, paths.base_images)
    return found


def known_base(paths: WorkspacePaths, name: str, platform: Optional[str] = None) -> Optional[Base]:
    """What an image's name stands for, as far as the workspace knows: no server is asked. See `resolve_base`."""
    repository, _, digest = name.partition("@")
    return Base(name, digest, not repository) if digest else _known(paths.base_image(_hex(name, platform)), name)


def provide_base(
    base: Base, say: Callable[[str], None], login: GetLogin = no_login, platform: Optional[str] = None
) -> None:
    """Have the engine hold exactly this base image.

    Args:
        login: How to log in to its registry.
        platform: Such as `linux/amd64`.

    Raises:
        EspalierError: `image_missing` when it is nowhere any more; `registry_failed`, `docker_unavailable`.
    """
    if find_image(base.reference) is not None:
        return
    if base.local:
        raise EspalierError(
            "image_missing",
            f"The base image {base.name} was {base.digest[:19]}... when it was first used here; the engine no longer "
            "has that one, and no registry ever had it.",
            "Build with refresh = TRUE to go on with what has that name now.",
            image=base.name,
        )
    say(f"Fetching the base image {base.reference}")
    repository, _, digest = base.reference.partition("@")
    pull_image(repository, digest, say, login(), platform)


def _known(record: str, name: str) -> Optional[Base]:
    try:
        content = read_record(record)
    except FileNotFoundError:
        return None
    return Base(name, str(content["digest"]), bool(content["local"]))


def _from_engine(name: str) -> Optional[Base]:
    image = find_image(name)
    if image is None:
        return None
    digests = [text.partition("@")[2] for text in image.get("RepoDigests") or []]
    of_this_name = [digest for digest in digests if pinned(name, digest) in image["RepoDigests"]]
    return Base(name, of_this_name[0]) if of_this_name else Base(name, str(image["Id"]), local=True)


def _from_registry(name: str, login: GetLogin, needed: bool = False) -> Optional[Base]:
    try:
        return Base(name, registry_digest(name, login()))
    except EspalierError as error:
        if not needed and error.code in ("image_missing", "registry_failed", "docker_failed"):
            return None  # (a local image may bear the name)
        if error.code in ("image_missing", "registry_failed") and error.fields.get("cause") != "credentials":
            raise EspalierError(
                "image_missing",
                f"Can't find the base image {name} in the Docker engine or its registry. {error.message}",
                "Correct its name, build or pull it, or give its registry and login.",
                image=name,
            ) from error
        raise


def _hex(name: str, platform: Optional[str]) -> str:
    return digest_bytes(f"{name}\n{platform or ''}".encode()).partition(":")[2]
