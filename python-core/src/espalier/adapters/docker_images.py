"""Images of the Docker engine, and of the registries it speaks to."""

import re
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from espalier.adapters.docker import engine, streamed, translated
from espalier.adapters.docker_errors import engine_refused
from espalier.base import progress
from espalier.base.errors import EspalierError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Login(NamedTuple):
    """How to log in to a registry. Never stored, never shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r}, ...)"


def find_image(name: str) -> Optional[Dict[str, Any]]:
    """What the engine knows of an image, by name or id; None where it has none."""
    try:
        with translated(f"The image {name} was looked for"):
            return dict(engine().api.inspect_image(name))  # type: ignore[no-untyped-call]
    except EspalierError as error:
        if error.code == "image_missing" or error.fields.get("status") in (400, 404):
            return None
        raise


def images_with(label: str, dangling: bool) -> List[Dict[str, Any]]:
    """The engine's images that carry a label, `name` or `name=value`; only those without a name, or with one."""
    with translated("The engine's images were to be listed"):
        return [dict(image) for image in engine().api.images(filters={"label": label, "dangling": dangling})]


def images_named(repository: str) -> List[Dict[str, Any]]:
    """The engine's images of a repository, an entry an image."""
    with translated("The engine's images were to be listed"):
        return [dict(image) for image in engine().api.images(name=repository)]


def tag_image(image: str, repository: str, tag: str) -> None:
    """Give an image a further name."""
    with translated(f"Can't name the image {image} {repository}:{tag}"):
        engine().api.tag(image, repository, tag, force=True)


def remove_image(name: str) -> bool:
    """Remove a name of an image, and the image with its last one.

    Returns:
        False when there is none, or a container uses it.
    """
    try:
        with translated(f"Can't remove the image {name}"):
            engine().api.remove_image(name)
    except EspalierError as error:
        if error.code == "image_missing" or error.fields.get("status") in (404, 409):
            return False
        raise
    return True


def registry_digest(name: str, login: Optional[Login] = None) -> str:
    """The digest that a registry has for an image's name; nothing is fetched. Raises EspalierError: `image_missing`,
    `registry_failed`, `docker_unavailable`."""
    with translated(f"The registry was asked for {name}"):
        message = engine().api.inspect_distribution(name, auth_config=_auth(login))  # type: ignore[no-untyped-call]
    found = str(message.get("Descriptor", {}).get("digest", ""))
    if not _DIGEST.fullmatch(found):
        message = f"Can't read the digest of {name}: the registry returned {found[:80]!r}."
        raise EspalierError("registry_failed", message)
    return found


def pull_image(
    repository: str, tag: str, say: Callable[[str], None], login: Optional[Login] = None,
    platform: Optional[str] = None,
) -> None:
    """Fetch an image from its registry.

    Args:
        repository: Its name, with the registry's address.
        tag: Its tag, or its digest: the engine refuses what does not match that.
        login: How to log in; None for what this user's Docker is logged in with.
        platform: Such as `linux/amd64`.

    Raises:
        EspalierError: `image_missing`, `registry_failed`, `build_failed` (no space), `docker_unavailable`.
    """
    name = f"{repository}{'@' if _DIGEST.fullmatch(tag) else ':'}{tag}"
    what = f"Can't fetch the image {name}"

    def call(api: Any) -> Iterator[Any]:
        return iter(
            api.pull(repository, tag=tag, stream=True, decode=True, auth_config=_auth(login), platform=platform)
        )

    _follow(what, "Fetching the image", call, say)


def push_image(repository: str, tag: str, say: Callable[[str], None], login: Optional[Login] = None) -> str:
    """Bring an image to a registry.

    Returns:
        The digest it has there.

    Raises:
        EspalierError: `registry_failed`, `docker_unavailable`.
    """
    what = f"Can't push the image {repository}:{tag}"

    def call(api: Any) -> Iterator[Any]:
        return iter(api.push(repository, tag=tag, stream=True, decode=True, auth_config=_auth(login)))

    found = _follow(what, "Pushing the image", call, say).get("Digest", "")
    if not _DIGEST.fullmatch(found):
        raise EspalierError("registry_failed", f"{what}: the registry returned no digest.")
    return str(found)


def build_image(
    context: BinaryIO, dockerfile: str, hear: Callable[[str], None],
    platform: Optional[str] = None, build_args: Optional[Mapping[str, str]] = None, network: Optional[str] = None,
) -> str:
    """Carry a Dockerfile out.

    Args:
        context: A tar archive with the files it refers to.
        hear: Takes what the build says, in pieces as they come.
        platform: Such as `linux/amd64`.
        network: The network that its steps see.

    Raises:
        EspalierError: `build_failed` with the step's message in the field `said`; as `docker.translated`.
        Cancelled: called off; the engine has ended the step and removed its container.
    """
    what = "Can't build the image"

    def call(api: Any) -> Iterator[Any]:
        return iter(
            api.build(
                fileobj=context, custom_context=True, dockerfile=dockerfile, decode=True, rm=True, forcerm=True,
                platform=platform, buildargs=dict(build_args or {}), network_mode=network,
            )
        )

    image = ""
    for message in streamed(what, call):
        if "error" in message:
            raise _build_error(what, str(message["error"]))
        if "stream" in message:
            hear(str(message["stream"]))
        elif "status" in message:  # (a base that is fetched on the way)
            _report("Fetching the base image", {}, message)
        image = str(message.get("aux", {}).get("ID", image))
    if not image:
        raise EspalierError("docker_failed", f"{what}: the engine returned no image.")
    return image


def _build_error(what: str, said: str) -> EspalierError:
    error = engine_refused(what, said)
    if error.code == "docker_failed":
        return EspalierError("build_failed", f"{what}: {said}.", "", said=said)
    return error


def _follow(what: str, stage: str, call: Callable[[Any], Iterator[Any]], say: Callable[[str], None]) -> Dict[str, Any]:
    """Hear a pull or a push out.

    Returns:
        What the engine reported at last about the result.
    """
    try:
        return _heard(what, stage, call, say)
    except EspalierError as error:
        if error.code != "docker_failed":
            raise
        # (the engine only passes on what the registry said, or finds fault with what it gave)
        raise EspalierError("registry_failed", error.message, error.hint) from error


def _heard(what: str, stage: str, call: Callable[[Any], Iterator[Any]], say: Callable[[str], None]) -> Dict[str, Any]:
    layers: Dict[str, Tuple[int, int]] = {}
    aux: Dict[str, Any] = {}
    for message in streamed(what, call):
        if "error" in message:
            raise engine_refused(what, str(message["error"]))
        aux.update(message.get("aux") or {})
        if message.get("progressDetail"):
            _report(stage, layers, message)
        elif message.get("status"):
            layer = f"{message['id']}: " if message.get("id") else ""
            say(f"{layer}{message['status']}")
    return aux


def _report(stage: str, layers: Dict[str, Tuple[int, int]], message: Mapping[str, Any]) -> None:
    detail = message.get("progressDetail") or {}
    if "current" in detail and "total" in detail:
        layers[f"{message.get('id')} {message.get('status')}"] = (int(detail["current"]), int(detail["total"]))
        done, total = (sum(column) for column in zip(*layers.values()))
        progress.report(stage, done, total)


def _auth(login: Optional[Login]) -> Optional[Dict[str, str]]:
    return None if login is None else {"username": login.username, "password": login.password}
