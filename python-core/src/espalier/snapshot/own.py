"""What of espalier's own never goes into a snapshot: workspaces, folders of state, and the keys of keyvaults.

They are known by what they hold, at any depth and under any name, and no rule of the user's brings them back.
"""

import json
import os
import re
from typing import Any, FrozenSet, Optional

from espalier.base.paths import KEYVAULT, LEASES, QUEUE, TICKETS, WORKSPACE
from espalier.snapshot.defaults import MARKERS, RECORDS

# Names that make a folder worth a closer look.
SIGNS = frozenset((WORKSPACE, KEYVAULT, QUEUE))
# Keys, and what is on its way to its place: patterns of git, and the rule that people read.
_HEX = "[0-9a-f]"
PATTERNS = (
    ("-".join(_HEX * count for count in (8, 4, 4, 4, 12)) + ".key", "a key of a keyvault"),
    (".tmp-*[0-9]-" + _HEX * 12, "a temporary file of espalier"),
)
_FILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.key|\.tmp-.*[0-9]-[0-9a-f]{12}", re.DOTALL)
# What a folder may hold, bytes, and still be looked at.
_LARGEST = 64 << 20


def own_file(name: str) -> Optional[str]:
    """The rule that leaves out a file or folder of this name, None for most."""
    if (not name.startswith(".tmp-") and not name.endswith(".key")) or not _FILE.fullmatch(name):
        return None
    return PATTERNS[name.startswith(".")][1]


def own_folder(fd: int, names: FrozenSet[str]) -> Optional[str]:
    """What an open folder is: `workspace`, `state`, or None if it isn't espalier's.

    Args:
        fd: The folder.
        names: What it holds; without one of `SIGNS` it isn't looked at.
    """
    if SIGNS.isdisjoint(names):
        return None
    if {"format", "id"} <= _record(fd, WORKSPACE).keys() or {"format", "secrets"} <= _record(fd, KEYVAULT).keys():
        return "workspace"
    return "state" if _has_queue(fd) else None


def own_place(path: str) -> Optional[str]:
    """The rule that leaves out what a link leads to, None for most.

    Args:
        path: Its real path.
    """
    folder, name = os.path.split(path)
    try:
        fd = os.open(folder.encode("utf-8", "surrogateescape"), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return own_file(name)
    try:
        kind = own_folder(fd, SIGNS)
    finally:
        os.close(fd)
    return MARKERS[kind] if kind and name in RECORDS[kind] else own_file(name)


def _record(fd: int, name: str) -> Any:
    try:
        with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=fd), "rb") as file:
            record = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _has_queue(fd: int) -> bool:
    """Whether a folder `queue` in it holds the queue of a host."""
    try:
        queue = os.open(QUEUE, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
    except OSError:
        return False
    try:
        return any(_is_dir(queue, host, TICKETS) and _is_dir(queue, host, LEASES) for host in os.listdir(queue))
    except OSError:
        return False
    finally:
        os.close(queue)


def _is_dir(fd: int, *parts: str) -> bool:
    try:
        os.close(os.open(os.path.join(*parts), os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd))
    except OSError:
        return False
    return True
