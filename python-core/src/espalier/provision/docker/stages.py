"""The stages of an image: each is a separate image, named by its key, found again, and made by one process at a
time."""

import contextlib
import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Mapping, Optional
from urllib.parse import urlsplit

from espalier.adapters import posix
from espalier.adapters.docker_images import find_image, tag_image
from espalier.adapters.docker_stage import Ended, containers_with, remove_container
from espalier.adapters.file_locks import locked
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.provision.docker.registries import KEY_LABEL, Secrets
from espalier.provision.docker.signature import is_ours, signed_image
from espalier.provision.packages.build_log import BuildLog
from espalier.provision.packages.causes import Cause, find_cause, last_lines
from espalier.snapshot.defaults import secret_rule

REPOSITORY = "espalier/stage"
STAGE_LABEL = "espalier.stage"
# What is being built, and by whom. Empty on what is finished: containers inherit the labels of their image.
BUILD_LABEL = "espalier.build"
OWNER_LABEL = "espalier.owner"
# (containers of a Dockerfile's steps inherit this value from the step before, and cannot be given labels of their own)
UNFINISHED = "unfinished"
_CONTAINER = re.compile(r"[0-9a-f]{12,64}")
_APT = [
    (
        re.compile(r"^E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation)", re.M),
        "The base image's Debian has no package {0}.",
        "Correct its name in apt_packages; packages.debian.org lists the packages of each release.",
    ),
    (
        re.compile(r"^E: Failed to fetch (\S+)|Temporary failure resolving '(\S+)'|Could not resolve '(\S+)'", re.M),
        "The build can't reach {0}.",
        "Behind a proxy, set http_proxy and https_proxy before building; ESPALIER_BUILD_NETWORK=host lets a build use "
        "the network as this machine does.",
    ),
    (
        re.compile(r"apt-get: (?:command )?not found"),
        "The base image has no apt-get, so Debian packages can't be installed.",
        "Use a base image of Debian or Ubuntu, or install them by a Docker step.",
    ),
    (
        re.compile(r"exec format error", re.IGNORECASE),
        "The base image is for another kind of processor than this machine's.",
        "Give the platform of this machine, or set up emulation for the engine.",
    ),
]
_NOT_IN_CONTEXT = re.compile(
    r"(?:COPY|ADD) failed:.*?(?:stat |lstat )(?:/var/lib/docker/\S*?/docker-builder\d+/)?(.+?): "
    r"(?:file does not|no such)"
)
_NO_FILES = re.compile(r"(?:COPY|ADD) failed: no source files were specified")
_PARSE_ERROR = re.compile(r"unknown instruction|dockerfile parse error|missing new line after heredoc", re.IGNORECASE)
_HEREDOC = re.compile(r"^[ \t]*(?:RUN|COPY|ADD)\b[^\n]*<<-?[\"']?\w+", re.IGNORECASE | re.MULTILINE)
_NO_NETWORK = re.compile(
    r"proxy|connection refused|could not connect|unable to connect|failed to fetch|cannot (?:be reached|open URL)"
    r"|temporary failure|timed? ?out|error sending request|network", re.IGNORECASE,
)  # fmt: skip
_LOOPBACK = re.compile(r"localhost|127(?:\.\d+){3}|::1", re.IGNORECASE)


@dataclass(frozen=True)
class Builder:
    """What every stage needs to be built."""

    paths: WorkspacePaths
    cache: CachePaths
    secrets: Secrets
    log: BuildLog


def owner(cache: CachePaths) -> str:
    """Who builds: this user on this host, with these locks, which lie in the cache: whether another's are held is
    unknown, and another's leftovers are not ours to remove."""
    return f"{posix.user_name()}@{posix.host_name()}:{os.path.realpath(cache.builds)}"


def stage_image(
    builder: Builder, name: str, key: str, make: Callable[[], str], platform: Optional[str] = None
) -> str:
    """The image of a stage: found, or made.

    Args:
        name: `system`, `python` or `r`.
        make: Makes it, and returns its id.
        platform: Such as `linux/amd64`.

    Raises:
        EspalierError: `build_failed` and anything else that `make` raises.
    """
    found = find_stage(key)
    if found is None:
        title = f"Waiting for another process that builds the same {name} stage"
        with locked(stage_lock(builder.cache, key), lambda: builder.log.step(title)):
            found = find_stage(key)
            if found is None:
                _remove_leftovers(builder.cache, key)
                if find_image(f"{REPOSITORY}:{hex_of(key)}") is not None:
                    builder.log.note(f"{REPOSITORY}:{hex_of(key)} isn't an image that espalier built. It is replaced.")
                image = signed_image(find_image(make()) or {}, platform)
                tag_image(image, REPOSITORY, hex_of(key))
                return image
    builder.log.line(f"The {name} stage is there already: {str(found['Id'])[:19]}")
    return str(found["Id"])


def find_stage(key: str) -> Optional[Dict[str, Any]]:
    """What the engine knows of a stage's image, None where it has none or one that isn't ours under its name."""
    image = find_image(f"{REPOSITORY}:{hex_of(key)}")
    return image if image is not None and is_ours(image, key) else None


def labels_of(name: str, key: str) -> Dict[str, str]:
    """The labels of the image of a finished stage."""
    return {KEY_LABEL: key, STAGE_LABEL: name, BUILD_LABEL: "", OWNER_LABEL: ""}


def labels_while_building(cache: CachePaths, key: str) -> Dict[str, str]:
    """The labels of a container in which a stage is built."""
    return {BUILD_LABEL: hex_of(key), OWNER_LABEL: owner(cache)}


def stage_lock(cache: CachePaths, key: str) -> str:
    """What is locked while a container with these labels is there."""
    return cache.build_lock(f"stage-{hex_of(key)}")


def _remove_leftovers(cache: CachePaths, key: str) -> None:
    """The containers of a builder that was killed; no other process builds now, because this one holds the lock."""
    left = [str(one["Id"]) for one in containers_with(labels_while_building(cache, key))]
    noted = _noted_step(cache, key)
    if noted:
        left += [str(one["Id"]) for one in containers_with({BUILD_LABEL: UNFINISHED}) if one["Id"].startswith(noted)]
    for container in left:
        remove_container(container)


def note_step(cache: CachePaths, key: str, container: str) -> None:
    """Write down, in the lock that is held, in which container a Dockerfile's step runs: an engine that crashes leaves
    it, and the next build of that key removes it."""
    with contextlib.suppress(OSError), open(stage_lock(cache, key), "w", encoding="ascii") as file:
        file.write(container)


def _noted_step(cache: CachePaths, key: str) -> Optional[str]:
    with contextlib.suppress(OSError, ValueError), open(stage_lock(cache, key), encoding="ascii") as file:
        text = file.read(100)
        return text if _CONTAINER.fullmatch(text) else None
    return None


def failed(builder: Builder, what: str, ended: Ended, **fields: Any) -> EspalierError:
    """The error of a stage whose program failed.

    Args:
        builder: Its log has the last lines.
        what: What could not be done, a sentence without its end.
    """
    status = "it ran out of memory" if ended.out_of_memory else f"exit status {ended.status}"
    return build_error(builder, f"{what} ({status}).", **fields)


def build_error(builder: Builder, message: str, dockerfile: str = "", **fields: Any) -> EspalierError:
    """A `build_failed` with the cause, if the log tells one, and its last lines."""
    cause = cause_of(builder.log.tail)
    last = (f"  | {line}" for line in last_lines(builder.log.tail))
    text = "\n".join([f"{message} {cause.reason}".strip(), *last])
    more = hints_of("\n".join(builder.log.tail), dockerfile, build_network() or "", proxies())
    hint = " ".join(filter(None, (cause.hint, more, "The whole log: get_build_log().")))
    named = {"package": cause.package, "missing": cause.missing, "apt": list(cause.apt)}
    return EspalierError("build_failed", text, hint, log=builder.log.path, **named, **fields)


def proxies() -> Mapping[str, str]:
    """This machine's way to the network, for the steps of a Dockerfile: the engine keeps these out of the image."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")
    both = [*names, *(name.lower() for name in names)]
    return {name: os.environ[name] for name in both if os.environ.get(name)}


def build_network() -> Optional[str]:
    """The network that the steps of a Dockerfile see: the engine's default, unless the user says otherwise."""
    return os.environ.get("ESPALIER_BUILD_NETWORK") or None


def hints_of(said: str, dockerfile: str, network: str, proxies: Mapping[str, str]) -> str:
    """What else may help a user who reads why a stage failed; empty where nothing does.

    Args:
        said: The last lines of its log.
        dockerfile: The text that the engine carried out.
        proxies: The variables by which steps find a proxy.
    """
    if _HEREDOC.search(dockerfile) and _PARSE_ERROR.search(said):
        return (
            "The Dockerfile has a heredoc (<<), which needs BuildKit, and espalier builds without it. Join the "
            "commands by `&& \\`, or COPY a script and run it."
        )
    places = (urlsplit(url if "://" in url else "//" + url) for url in proxies.values())
    local = sorted(place.netloc.rpartition("@")[2] for place in places if _LOOPBACK.fullmatch(place.hostname or ""))
    if local and network != "host" and _NO_NETWORK.search(said):
        return (
            f"The proxy of this session, {local[0]}, is on this machine's loopback, which a build "
            "can't reach. Set ESPALIER_BUILD_NETWORK=host, or name the proxy by an address that containers reach."
        )
    return ""


def _left_out(path: str) -> Cause:
    rule = secret_rule(os.path.basename(os.path.dirname(path)), os.path.basename(path))
    reason = f"The build context has no file {path}."
    if rule is None:
        hint = "Add it to the folder, or change the rule of .espalierignore, .gitignore or .dockerignore that names it."
        return Cause(missing=path, reason=reason, hint=hint)
    reason = f"{reason} espalier leaves it out because it may hold secrets (rule {rule})."
    hint = (
        "Everyone with the image can read its files. Give secrets to jobs with `secrets`. "
        f"To copy the file all the same, write !/{path} in .espalierignore of the context."
    )
    return Cause(missing=path, reason=reason, hint=hint)


def cause_of(lines: Iterable[str]) -> Cause:
    """Why a stage failed; without a reason where that is not known.

    Args:
        lines: The last lines of its log.
    """
    text = "\n".join(lines)
    missing = _NOT_IN_CONTEXT.search(text)
    if missing:
        return _left_out(missing[1].lstrip("/"))
    if _NO_FILES.search(text):
        hint = "espalier leaves out files that may hold secrets, such as .env and *.key, and what ignore files name."
        return Cause(reason="A COPY or ADD of the Dockerfile names no file that the build context has.", hint=hint)
    for pattern, reason, hint in _APT:
        match = pattern.search(text)
        if match:
            named = next((group for group in match.groups() if group), "")
            return Cause(named or None, reason.format(named), hint=hint)
    return find_cause(text)
