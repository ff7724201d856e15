"""What `install.R` is told: which packages, from which files, in which order, and under which keys they are cached."""

import os
from typing import Dict, List, Sequence

from espalier.base.canonical import digest
from espalier.base.paths import source_name
from espalier.environment.lock import RSource
from espalier.provision.packages.versions import write_dcf

# Counts up when install.R installs differently, so that what was installed before is not taken for the same.
_FORMAT = 1

# The installer itself, to be run by `Rscript --vanilla INSTALLER PLAN LIBRARY CACHE SOURCES CPUS`.
INSTALLER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "install.R")


def hex_of(digest_text: str) -> str:
    """The digits of a digest."""
    return digest_text.partition(":")[2]


def package_keys(sources: Sequence[RSource], system: str) -> Dict[str, str]:
    """Name of a package -> the key under which it is cached as installed.

    A key covers the package's source, the keys of what it needs and the system it is installed for, so that a
    change reinstalls the package and what depends on it, and nothing else.

    Args:
        sources: In an order in which they can be installed, each with the SHA-256 of its file.
        system: What else the result depends on: R's version and platform, or the key of an image's system stage.

    Raises:
        KeyError: a package comes before one that it needs.
    """
    keys: Dict[str, str] = {}
    for source in sources:
        covered = {
            "format": _FORMAT,
            "name": source.name,
            "version": source.version,
            "source": source.digest,
            "unless_r_has": source.unless_r_has,
            "system": system,
            "needs": {name: keys[name] for name in source.needs},
        }
        keys[source.name] = hex_of(digest(covered))
    return keys


def write_plan(sources: Sequence[RSource], system: str) -> str:
    """The text of a plan; the arguments as for `package_keys`."""
    keys = package_keys(sources, system)
    records: List[Dict[str, str]] = []
    for source in sources:
        record = {
            "Package": source.name,
            "Version": source.version,
            "Source": source_name(hex_of(source.digest or "")),
            "Key": keys[source.name],
            "Needs": " ".join(source.needs),
            "UnlessRHas": source.unless_r_has or "",
        }
        records.append({name: value for name, value in record.items() if value})
    return write_dcf(records)
