"""What of a run goes into an archive, and in which form. What isn't named here stays in its workspace."""

import hashlib
import os
import unicodedata
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from espalier.adapters.moving import files_below
from espalier.base.archive_paths import ARCHIVED_FOLDERS, ARCHIVED_RECORDS
from espalier.base.errors import EspalierError
from espalier.base.paths import CANCEL, CHILDREN, META, STATUS, RunPaths
from espalier.base.records import dump_record, open_plain
from espalier.lifecycle.status import status_record

# What a status says of the host and of folders there.
HOST_FIELDS = ("scratch", "pid", "boot_id", "pid_start", "held_by", "collect_from", "origin")
CHUNK = 1 << 20


class Entry(NamedTuple):
    """A file of an archive, as its manifest has it: size in bytes, SHA-256, and whether its owner may execute it."""

    size: int
    sha256: str
    executable: bool = False


class Names:
    """Names of files that can lie side by side on every file system: none is another's folder, or differs from another
    only in case or in the form of an accent."""

    def __init__(self) -> None:
        self._seen: Dict[str, str] = {}
        self._files: Set[str] = set()

    def clash(self, name: str) -> Optional[str]:
        """The name that another one clashes with, which is taken in if there is none."""
        parts = name.split("/")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count]) + ("/" if count < len(parts) else "")
            known = self._seen.setdefault(unicodedata.normalize("NFC", path).casefold().rstrip("/"), path)
            if known != path or path in self._files:
                return known
        self._files.add(name)
        return None


def is_portable(name: str) -> bool:
    """Whether a name of a run's file may stand in an archive: relative, plain text, and one of a run's own places."""
    parts = name.split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or "\\" in name:
        return False
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return False
    return name in (*ARCHIVED_RECORDS, CANCEL) or (len(parts) > 1 and parts[0] in ARCHIVED_FOLDERS)


def is_frozen(name: str) -> bool:
    """Whether a file of an ended run never changes. Its tags do, and children may be added."""
    return name != META and not name.startswith(CHILDREN + "/")


def files_of(run: RunPaths) -> Tuple[List[Tuple[str, int]], List[str]]:
    """The files of a run that go into an archive, by name, each with its size in bytes; and names that can't: links,
    pipes, names that aren't plain text, and those that clash."""
    found = [(name, 0) for name in ARCHIVED_RECORDS]
    found += [(CANCEL, 0)] if os.path.isfile(run.cancel) else []
    for folder in ARCHIVED_FOLDERS:
        found += [(f"{folder}/{name}", size) for name, size in files_below(run.root, folder)]
    names, kept, left_out = Names(), [], []
    for name, size in sorted(found):
        if is_portable(name) and _is_plain(os.path.join(run.root, name)) and names.clash(name) is None:
            kept.append((name, size))
        else:
            left_out.append(name)
    return kept, left_out


def _is_plain(path: str) -> bool:
    try:
        os.close(open_plain(path))
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def portable_status(run: RunPaths) -> bytes:
    """The bytes of a run's status without what it says of its host.

    Raises:
        OSError, EspalierError: as `status_record`.
    """
    record = status_record(run)
    return dump_record({name: value for name, value in record.items() if name not in HOST_FIELDS})


def pieces_of(run: RunPaths, name: str) -> Iterator[bytes]:
    """The content of one of the files as it goes into an archive. Raises OSError, EspalierError."""
    if name == STATUS:
        yield portable_status(run)
        return
    with os.fdopen(open_plain(os.path.join(run.root, name)), "rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def is_executable(run: RunPaths, name: str) -> bool:
    """Whether the owner may execute one of the files."""
    return bool(os.lstat(os.path.join(run.root, name)).st_mode & 0o100)


def is_same(run: RunPaths, files: Dict[str, Entry]) -> bool:
    """Whether a run of this workspace is the one that a manifest lists, but for what may change of an ended run."""
    try:
        own = {name for name, _ in files_of(run)[0] if is_frozen(name)}
        listed = {name for name in files if is_frozen(name)}
        return own == listed and all(_digest(run, name) == files[name].sha256 for name in sorted(own))
    except (OSError, EspalierError):
        return False


def _digest(run: RunPaths, name: str) -> str:
    hashed = hashlib.sha256()
    for piece in pieces_of(run, name):
        hashed.update(piece)
    return hashed.hexdigest()
