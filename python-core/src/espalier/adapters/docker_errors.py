"""What the Docker engine says when something is wrong, as errors of ours. Pure: nothing is asked here."""

import errno
import re
from typing import Iterator, Optional

from espalier.base.errors import EspalierError

_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_REFUSED_LOGIN = re.compile(
    r"\b401\b|\b403\b|unauthorized|authentication required|no basic auth credentials"
    r"|access (?:to the resource is )?denied|requested access .* denied"
    r"|incorrect username or password|insufficient_scope",
    re.IGNORECASE,
)
_NO_IMAGE = re.compile(
    r"no such image|manifest (?:for .* )?(?:unknown|not found)|name unknown|repository .* not found"
    r"|pull access denied|does not exist or may require|no matching manifest|reference does not exist",
    re.IGNORECASE,
)
_NO_REGISTRY = re.compile(
    r"dial tcp|no such host|connection refused|i/o timeout|TLS handshake|x509:|Client\.Timeout"
    r"|server gave HTTP response|connection reset|http: unexpected|received unexpected HTTP status"
    r"|context deadline exceeded|EOF$",
    re.IGNORECASE,
)
_MISMATCH = re.compile(
    r"digest mismatch|does not match.* digest|failed to verify|verification failed|layer verification", re.IGNORECASE
)


def not_reachable(address: str, error: BaseException, what: str = "") -> EspalierError:
    """The engine could not be asked, or did not answer.

    Args:
        address: Where it was looked for.
        what: A sentence that says what was being done.
    """
    why = next((e for e in _chain(error) if isinstance(e, OSError) and e.errno), None)
    number = why.errno if why is not None else None
    if number in (errno.EACCES, errno.EPERM):
        said = f"Can't use the Docker engine at {address}: permission denied."
        hint = "Add it to the group docker (sudo usermod -aG docker NAME) and log in again, or run rootless Docker."
    elif number == errno.ENOENT:
        said = f"Can't find a Docker engine at {address}."
        hint = "Install and start Docker, or set DOCKER_HOST to the address of an engine."
    elif number == errno.ECONNREFUSED:
        said = f"The Docker engine at {address} isn't running: no process answers."
        hint = "Start it: sudo systemctl start docker."
    elif any("timeout" in type(e).__name__.lower() or "timed out" in str(e).lower() for e in _chain(error)):
        said = f"The Docker engine at {address} does not answer."
        hint = "It hangs or is overloaded. See its log, or restart it: sudo systemctl restart docker."
    elif number in (errno.ECONNRESET, errno.EPIPE) or _broke_off(error):
        said = f"The Docker engine at {address} broke the connection off; it was stopped, or has crashed."
        hint = "Start it again, then repeat the call."
    else:
        said = f"Can't use the Docker engine at {address}: {error}"
        hint = "`docker info` shows more. DOCKER_HOST chooses another engine."
    return EspalierError("docker_unavailable", f"{what} {said}".strip(), hint, address=address)


def engine_refused(what: str, said: str, status: Optional[int] = None, no_image: bool = False) -> EspalierError:
    """The engine answered, and that it cannot.

    Args:
        what: What was being done, the beginning of a sentence.
        status: Its HTTP status, if there was one.
        no_image: Whether it is known that it has no such image.
    """
    said = " ".join(said.split()).rstrip(".")
    message = f"{what}: {said}."
    if _NO_SPACE.search(said):
        return EspalierError(
            "build_failed", f"{what}: the disk of the Docker engine is full: {said}.",
            "Free some: prune_images() lists images that espalier no longer needs, `docker system df` the rest.",
            cause="disk_full",
        )
    if _MISMATCH.search(said):
        return EspalierError(
            "registry_failed", message, "The registry returned other content than requested. Try again.",
            cause="digest_mismatch",
        )
    if no_image or _NO_IMAGE.search(said):
        return EspalierError(
            "image_missing", message, "Correct the image's name, or log in to its registry if it is a private one.",
            status=status,
        )
    if status in (401, 403) or _REFUSED_LOGIN.search(said):
        return EspalierError(
            "registry_failed", f"{what}: the registry refuses the login: {said}.",
            "Correct the login with set_image_registry(), or in the environment's registry.",
            cause="credentials",
        )
    if _NO_REGISTRY.search(said):
        return EspalierError(
            "registry_failed", f"{what}: the registry doesn't answer: {said}.",
            "See whether it runs and its address is right; a registry without TLS works on localhost only, unless the "
            "engine allows another.", cause="unreachable",
        )
    return EspalierError("docker_failed", message, "", status=status)


def _chain(error: Optional[BaseException], depth: int = 0) -> Iterator[BaseException]:
    """An error, what caused it, and what it carries: the docker package wraps an OSError three times over."""
    if error is None or depth > 8:
        return
    yield error
    for inner in (error.__cause__, error.__context__, *error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException) and inner is not error:
            yield from _chain(inner, depth + 1)


def _broke_off(error: BaseException) -> bool:
    names = ("ProtocolError", "RemoteDisconnected", "IncompleteRead", "ChunkedEncodingError")
    return any(type(e).__name__ in names for e in _chain(error))
