"""Why a stage failed, read from the last lines of its log."""

import re
from typing import Iterable

from espalier.packages.causes import Cause, find_cause

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


def cause_of(lines: Iterable[str]) -> Cause:
    """Why a stage failed; without a reason where that is not known.

    Args:
        lines: The last lines of its log.
    """
    text = "\n".join(lines)
    for pattern, reason, hint in _APT:
        match = pattern.search(text)
        if match:
            named = next((group for group in match.groups() if group), "")
            return Cause(named or None, reason.format(named), hint=hint)
    return find_cause(text)
