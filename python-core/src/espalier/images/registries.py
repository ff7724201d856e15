"""The registries of a workspace: its own, and one shared with others. Pushing to them and fetching from them."""

import os
from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Dict, List, Optional

from espalier.adapters.docker_images import Login, find_image, pull_image, push_image, remove_image, tag_image
from espalier.environment.definition import Registry, Secret
from espalier.errors import EspalierError
from espalier.paths import FORMAT, WorkspacePaths
from espalier.records import read_record, replace_record

Secrets = Callable[[Secret], str]
Say = Callable[[str], None]
# Where all workspaces of a user look, unless they say otherwise.
SHARED_VARIABLE = "ESPALIER_SHARED_REGISTRY"
# The name of the images in a registry; their tag is the key's hex digits.
REPOSITORY = "espalier/env"
KEY_LABEL = "espalier.key"


@dataclass(frozen=True)
class Remote:
    """A registry to look in.

    Args:
        kind: `workspace` or `shared`.
        registry: Its address, and how to log in.
    """

    kind: str
    registry: Registry

    @property
    def address(self) -> str:
        """`host`, `host:port`, each with a path behind it or not."""
        return str(self.registry.address)

    @property
    def repository(self) -> str:
        """The full name of our images there, without a tag."""
        return f"{self.address}/{REPOSITORY}"

    def login(self, secrets: Secrets) -> Optional[Login]:
        """How to log in; None for what this user's Docker is logged in with."""
        return login_of(self.registry, secrets)


def login_of(registry: Optional[Registry], secrets: Secrets) -> Optional[Login]:
    """How to log in to a registry; None where nothing is said about it."""
    if registry is None or registry.username is None or registry.password is None:
        return None
    return Login(registry.username, secrets(registry.password))


def configured(paths: WorkspacePaths) -> List[Remote]:
    """The registries of a workspace, in the order in which they are looked in.

    Raises:
        EspalierError: `damaged`, `environment_invalid` when what is written there, or in the variable, is none.
    """
    found = _read(paths)
    named = os.environ.get(SHARED_VARIABLE)
    if named and "shared" not in found:
        found["shared"] = Registry(address=named)
    return [Remote(kind, found[kind]) for kind in ("workspace", "shared") if kind in found]


def set_registry(paths: WorkspacePaths, kind: str, registry: Optional[Registry]) -> None:
    """Say which registry a workspace has.

    Args:
        paths: The workspace.
        kind: `workspace` or `shared`.
        registry: The registry, None for none.

    Raises:
        EspalierError: `bad_argument` for one without an address.
    """
    if registry is not None and registry.address is None:
        raise EspalierError("bad_argument", "A registry needs an address.", "Such as localhost:5000 or ghcr.io/team.")
    found = _read(paths)
    found.pop(kind, None)
    if registry is not None:
        # (as it stands in an image's name)
        bare = str(registry.address).partition("://")[2] or str(registry.address)
        found[kind] = replace(registry, address=bare.rstrip("/"))
    content: Dict[str, Any] = {"format": FORMAT, **{name: asdict(one) for name, one in sorted(found.items())}}
    replace_record(paths.registries, content, paths.root)


def fetch(
    remote: Remote, key: str, digest: Optional[str], secrets: Secrets, say: Say, platform: Optional[str] = None
) -> Optional[str]:
    """Fetch an environment's image from a registry.

    Args:
        remote: The registry.
        key: The environment's key.
        digest: What the image's digest there is known to be; another one is not used.
        secrets: The value of a secret.
        say: Takes a line for the log.
        platform: Such as `linux/amd64`.

    Returns:
        Its id in the engine; None when the registry has none for the key, or one that is not ours.

    Raises:
        EspalierError: `registry_failed`: it does not answer, refuses the login, or what it gives does not match the
            digest; `build_failed` (no space), `docker_unavailable`.
    """
    tag = key.partition(":")[2]
    try:
        pull_image(remote.repository, digest or tag, say, remote.login(secrets), platform)
    except EspalierError as error:
        if error.code == "image_missing":
            return None
        raise
    name = f"{remote.repository}@{digest}" if digest else f"{remote.repository}:{tag}"
    image = find_image(name)
    if image is None:
        return None
    found = str(image["Id"])
    if key_of(image) != key:
        say(f"{name} is not what its name says: it is labelled {key_of(image) or 'nothing'}. It is not used.")
        remove_image(name)
        return None
    return found


def push_image_to(remote: Remote, image: str, key: str, secrets: Secrets, say: Say) -> str:
    """Bring an environment's image to a registry.

    Args:
        remote: The registry.
        image: Its id in the engine.
        key: The environment's key.
        secrets: The value of a secret.
        say: Takes a line for the log.

    Returns:
        The digest it has there.

    Raises:
        EspalierError: `registry_failed`, `docker_unavailable`.
    """
    tag = key.partition(":")[2]
    tag_image(image, remote.repository, tag)
    return push_image(remote.repository, tag, say, remote.login(secrets))


def key_of(image: Dict[str, Any]) -> str:
    """The key that an image was made for, as its labels tell; empty for one that is not ours."""
    return str(((image.get("Config") or {}).get("Labels") or image.get("Labels") or {}).get(KEY_LABEL, ""))


def _read(paths: WorkspacePaths) -> Dict[str, Registry]:
    try:
        content = read_record(paths.registries)
    except FileNotFoundError:
        return {}
    return {kind: _registry(content[kind]) for kind in ("workspace", "shared") if isinstance(content.get(kind), dict)}


def _registry(content: Dict[str, Any]) -> Registry:
    secret = content.get("password")
    password = Secret(str(secret["secret"])) if isinstance(secret, dict) else None
    return Registry(content.get("address"), content.get("username"), password)
