"""Names of what lies in a store: packs, records by their digest, versions. Pure, as paths.py."""

import os
import re

from espalier.base.paths import PACK, PACK_INDEX, RECORD, Below, Folder, is_digest

_VERSION = r"([1-9][0-9]{0,8})\.json"
# The largest number of a version that has such a name.
LAST_VERSION = 999_999_999


def pack_of_index(name: str) -> str:
    """The name of the pack that belongs to an index; empty for any other file."""
    return name[: -len(PACK_INDEX)] + PACK if name.endswith(PACK_INDEX) else ""


def index_of_pack(path: str) -> str:
    """The index that belongs to a pack; empty for any other file."""
    return path[: -len(PACK)] + PACK_INDEX if path.endswith(PACK) else ""


def digest_of_record(name: str) -> str:
    """The digest that a record is named by, of `trees/` or `kept/`; empty for any other file."""
    stem = name[: -len(RECORD)]
    return stem if name.endswith(RECORD) and is_digest(stem) else ""


def version_of_record(name: str) -> int:
    """The version that a file of what is registered is; 0 for any other file."""
    found = re.fullmatch(_VERSION, name)
    return int(found.group(1)) if found else 0


class VersionPaths(Folder):
    """The names of what is registered under a name in a workspace: environments and their like."""

    aliases = Below("aliases")

    def version(self, number: int) -> str:
        """A version; it never changes."""
        return os.path.join(self.root, str(number) + RECORD)

    def alias(self, alias: str) -> str:
        """Which version an alias stands for, and stood for."""
        return os.path.join(self.aliases, alias + RECORD)
