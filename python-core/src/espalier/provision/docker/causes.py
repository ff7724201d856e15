"""Why a stage failed, read from the last lines of its log."""

import os
import re
from typing import Iterable, Mapping
from urllib.parse import urlsplit

from espalier.provision.packages.causes import Cause, find_cause
from espalier.snapshot.defaults import secret_rule

_APT = [
    (
        re.compile(r"^E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation)", re.M),
        "There is no Debian package {0} for the base image.",
        "Correct its name in apt_packages; packages.debian.org tells which release has what.",
    ),
    (
        re.compile(r"^E: Failed to fetch (\S+)|Temporary failure resolving '(\S+)'|Could not resolve '(\S+)'", re.M),
        "{0} cannot be reached from within a build.",
        "Behind a proxy, set http_proxy and https_proxy before building; ESPALIER_BUILD_NETWORK=host lets a build use "
        "the network as this machine does.",
    ),
    (
        re.compile(r"apt-get: (?:command )?not found"),
        "The base image has no apt-get, so it takes no Debian packages.",
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


def hints_of(said: str, dockerfile: str, network: str, proxies: Mapping[str, str]) -> str:
    """What else may help whoever reads why a stage failed; empty where nothing does.

    Args:
        said: The last lines of its log.
        dockerfile: The text that the engine carried out.
        network: The network of the build.
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
        "An image keeps what is copied into it, for all who have the image. Give secrets to jobs by `secrets`; to copy "
        f"the file all the same, write !/{path} in .espalierignore of the context."
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
