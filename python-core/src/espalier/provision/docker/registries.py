"""The registries of a workspace: its own, and one shared with others. Pushing, fetching, and which has an image now."""

import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from espalier.adapters.docker_images import (
    Login,
    find_image,
    pull_image,
    push_image,
    registry_digest,
    remove_image,
    tag_image,
)
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decoded, encode
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.records import read_record, replace_record
from espalier.environment.definition import Registry, Secret

Secrets = Callable[[Secret], str]
Say = Callable[[str], None]
IsOurs = Callable[[Dict[str, Any], str], bool]
# Where all workspaces of a user look, unless they say otherwise.
SHARED_VARIABLE = "ESPALIER_SHARED_REGISTRY"
# The name of the images in the engine and, behind the address, in a registry; their tag is the key's hex digits.
REPOSITORY = "espalier/env"
KEY_LABEL = "espalier.key"
KINDS = ("workspace", "shared")
_ADDRESS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")


@dataclass(frozen=True)
class Remote:
    """A registry to look in.

    Args:
        kind: `workspace` or `shared`.
        address: `host` or `host:port`, each with a path behind it or not.

    Raises:
        EspalierError: `bad_argument`.
    """

    kind: str
    address: str
    username: Optional[str] = None
    password: Optional[Secret] = None

    def __post_init__(self) -> None:
        bare = self.address.partition("://")[2] or self.address
        object.__setattr__(self, "address", bare.rstrip("/"))
        if not _ADDRESS.fullmatch(self.address):
            raise EspalierError(
                "bad_argument", f"Can't use {self.address[:80]!r} as the address of an image registry.",
                "Examples: localhost:5000, ghcr.io/team.",
            )  # fmt: skip
        # (the definition's own rules for the rest)
        Registry(None, self.username, self.password)

    @property
    def repository(self) -> str:
        """The full name of our images there, without a tag."""
        return f"{self.address}/{REPOSITORY}"

    def login(self, secrets: Secrets) -> Optional[Login]:
        """How to log in; None for what this user's Docker is logged in with."""
        return login_of(Registry(None, self.username, self.password), secrets)


def login_of(registry: Optional[Registry], secrets: Secrets) -> Optional[Login]:
    """How to log in to a registry; None where it isn't stated."""
    if registry is None or registry.username is None or registry.password is None:
        return None
    return Login(registry.username, secrets(registry.password))


def configured(paths: WorkspacePaths) -> List[Remote]:
    """The registries of a workspace, in the order in which they are looked in. Raises EspalierError: `damaged`;
    `bad_argument` when what is written there, or in the variable, is none."""
    found = _read(paths)
    named = os.environ.get(SHARED_VARIABLE)
    if named and "shared" not in found:
        found["shared"] = Remote("shared", named)
    return [found[kind] for kind in KINDS if kind in found]


def set_remote(paths: WorkspacePaths, remote: Remote) -> None:
    """Say which registry a workspace has, instead of what it had of that kind."""
    _write(paths, {**_read(paths), remote.kind: remote})


def forget_remote(paths: WorkspacePaths, kind: str) -> None:
    """Say that a workspace has no registry of a kind; what was pushed there stays."""
    _write(paths, {other: remote for other, remote in _read(paths).items() if other != kind})


def digest_at(remote: Remote, key: str, digest: Optional[str], secrets: Secrets) -> Optional[str]:
    """What a registry itself answers about an environment's image; the engine may remember what is there no longer.

    Args:
        digest: Ask for this one; None: for what the key's tag names.

    Returns:
        The digest; None where the registry has none.

    Raises:
        EspalierError: `registry_failed`: it does not answer, or refuses the login; `docker_unavailable`.
    """
    try:
        return registry_digest(_name_at(remote, key, digest), remote.login(secrets))
    except EspalierError as error:
        if error.code == "image_missing":
            return None
        if error.code == "docker_failed":  # (the engine only passes on what the registry answered)
            raise EspalierError("registry_failed", error.message, error.hint, **error.fields) from error
        raise


def _name_at(remote: Remote, key: str, digest: Optional[str]) -> str:
    return f"{remote.repository}@{digest}" if digest else f"{remote.repository}:{key.partition(':')[2]}"


def fetch(
    remote: Remote, key: str, digest: Optional[str], is_ours: IsOurs, secrets: Secrets, say: Say, warn: Say,
    platform: Optional[str] = None,
) -> Optional[Tuple[str, str]]:
    """Fetch an environment's image from a registry.

    Args:
        digest: What the image's digest there is known to be; another one is used only if it is ours.
        is_ours: Whether an image was made for a key by us.
        warn: Takes a line that the user should read.
        platform: Such as `linux/amd64`.

    Returns:
        Its id in the engine, where it is named `REPOSITORY` and the key, and its digest in the registry; None when the
        registry has none for the key, or one that is not ours.

    Raises:
        EspalierError: `registry_failed`: it does not answer, refuses the login, or what it gives does not match the
            digest; `build_failed` (no space), `docker_unavailable`.
    """
    known = digest if digest and digest_at(remote, key, digest, secrets) else None
    if known is None and digest_at(remote, key, None, secrets) is None:
        return None
    tag, name = key.partition(":")[2], _name_at(remote, key, known)
    try:
        pull_image(remote.repository, known or tag, say, remote.login(secrets), platform)
    except EspalierError as error:
        if error.code == "image_missing":
            return None
        raise
    image = find_image(name)
    if image is None:
        return None
    found = known or _digest_at(image, remote.repository)
    trusted = known is not None or is_ours(image, key)
    if trusted:
        tag_image(str(image["Id"]), REPOSITORY, tag)
    else:
        warn(f"{name} isn't an image that espalier built: its signature is missing or wrong. It is not used.")
    # (one name in the engine is enough, and is all that has to be removed one day)
    remove_image(f"{remote.repository}:{tag}")
    remove_image(f"{remote.repository}@{found}")
    return (str(image["Id"]), found) if trusted else None


def push_image_to(remote: Remote, image: str, key: str, secrets: Secrets, say: Say) -> str:
    """Bring an environment's image to a registry.

    Args:
        image: Its id in the engine.

    Returns:
        The digest it has there.

    Raises:
        EspalierError: `registry_failed`, `docker_unavailable`.
    """
    tag = key.partition(":")[2]
    tag_image(image, remote.repository, tag)
    try:
        return push_image(remote.repository, tag, say, remote.login(secrets))
    finally:
        remove_image(f"{remote.repository}:{tag}")


def _digest_at(image: Dict[str, Any], repository: str) -> str:
    """The digest by which a registry knows an image that was fetched there, as the engine remembers it."""
    names = (str(text).partition("@") for text in image.get("RepoDigests") or [])
    return next((digest for name, _, digest in names if name == repository), "")


def key_of(image: Dict[str, Any]) -> str:
    """The key that an image was made for, as its labels tell; empty for one that is not ours."""
    return str(((image.get("Config") or {}).get("Labels") or image.get("Labels") or {}).get(KEY_LABEL, ""))


def _read(paths: WorkspacePaths) -> Dict[str, Remote]:
    try:
        content = read_record(paths.registries, follow=True)
    except FileNotFoundError:
        return {}
    known = {kind: {"kind": kind, **content[kind]} for kind in KINDS if isinstance(content.get(kind), dict)}
    return {kind: decoded(Remote, paths.registries, fields) for kind, fields in known.items()}


def _write(paths: WorkspacePaths, remotes: Dict[str, Remote]) -> None:
    content: Dict[str, Any] = {"format": FORMAT}
    for kind, remote in sorted(remotes.items()):
        content[kind] = {name: value for name, value in encode(remote).items() if name != "kind"}
    replace_record(paths.registries, content, paths.root)


class Whereabouts:
    """Asks registries about images; one that doesn't answer is asked once."""

    def __init__(self, paths: WorkspacePaths, secrets: Secrets) -> None:
        self._remotes = {remote.address: remote for remote in configured(paths)}
        self._secrets = secrets
        self._silent: Dict[str, str] = {}

    def of(self, key: str, record: Mapping[str, Any]) -> Dict[str, Optional[bool]]:
        """Address of each registry that an image's record names -> whether it has the image.

        Args:
            record: The image's record in the workspace.

        Returns:
            None stands for a registry that can't be asked now.
        """
        return {
            address: self._has(address, key, str(digest)) for address, digest in record.get("registries", {}).items()
        }

    def _has(self, address: str, key: str, digest: str) -> Optional[bool]:
        if address in self._silent:
            return None
        try:
            remote = self._remotes.get(address) or Remote("workspace", address)
            return digest_at(remote, key, digest, self._secrets) is not None
        except EspalierError as error:
            self._silent[address] = error.message
            return None
