"""What of a run goes into an archive, and in which form. What isn't named here stays in its workspace."""

import hashlib
import os
import unicodedata
from typing import Dict, Iterator, Mapping, Optional, Tuple

from espalier.adapters.moving import files_below
from espalier.base.archive_paths import ARCHIVED_FOLDERS, ARCHIVED_RECORDS
from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.base.model.record import Record
from espalier.base.paths import CANCEL, CHILDREN, META, STATUS, RunPaths
from espalier.base.records import dump_record, open_plain
from espalier.lifecycle.status import status_record

# What a status says of the host and of folders there.
HOST_FIELDS = ("scratch", "pid", "boot_id", "pid_start", "held_by", "collect_from", "origin")
CHUNK = 1 << 20
# The longest name of a file, and of one of its parts.
_NAME_BYTES, _PART_BYTES = 2048, 255


class Entry(Record):
    """A file of an archive, as its manifest has it: size in bytes, SHA-256, and whether its owner may execute it."""

    size: int
    sha256: str
    executable: Optional[bool] = None

    def absent(self) -> Tuple[str, ...]:
        return ("executable",)


def archive_place(file: str) -> str:
    """The absolute path that a user gave. Raises EspalierError `bad_argument`: it can't be one."""
    try:
        if b"\0" in os.fsencode(file):
            raise ValueError
        return os.path.abspath(os.path.expanduser(file))
    except ValueError:  # (as UnicodeEncodeError is)
        message = f"`file` must be the name of a file, not {shown(file)}."
        raise EspalierError("bad_argument", message) from None


class Names:
    """Names of files that can lie side by side on every file system: none is another's folder, or differs from another
    only in case or in the form of an accent."""

    def __init__(self) -> None:
        # Number of the folder, and the folded name there -> number, the name as it is, whether it is a folder.
        self._seen: Dict[Tuple[int, str], Tuple[int, str, bool]] = {}

    def __len__(self) -> int:
        """How many files and folders."""
        return len(self._seen)

    def clash(self, name: str) -> Optional[str]:
        """The name that another one clashes with, which is taken in if there is none."""
        parts, folder = name.split("/"), 0
        for count, part in enumerate(parts, 1):
            key, is_folder = (folder, unicodedata.normalize("NFC", part).casefold()), count < len(parts)
            known = self._seen.get(key)
            if known is None:
                known = self._seen[key] = (len(self._seen) + 1, part, is_folder)
            elif known[1:] != (part, True) or not is_folder:
                return "/".join((*parts[: count - 1], known[1]))
            folder = known[0]
        return None


def has_length(name: str) -> bool:
    """Whether a name isn't longer than file systems take, with that of the folder that it is put into."""
    if len(name) > _NAME_BYTES:
        return False
    data = name.encode("utf-8", "surrogatepass")
    return len(data) <= _NAME_BYTES and all(len(part) <= _PART_BYTES for part in data.split(b"/"))


def is_portable(name: str) -> bool:
    """Whether a name of a run's file may stand in an archive: relative, plain text, and one of a run's own places."""
    parts = name.split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or "\\" in name or not has_length(name):
        return False
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return False
    return name in (*ARCHIVED_RECORDS, CANCEL) or (len(parts) > 1 and parts[0] in ARCHIVED_FOLDERS)


def files_of(run: RunPaths) -> Tuple[Dict[str, os.stat_result], int]:
    """The files of a run that go into an archive, by name, and how many can't: links, pipes, names that aren't plain
    text, and those that clash. Raises OSError."""
    found = [*ARCHIVED_RECORDS, *([CANCEL] if os.path.isfile(run.cancel) else [])]
    for folder in ARCHIVED_FOLDERS:
        found += [f"{folder}/{name}" for name, _ in files_below(run.root, folder)]
    names, kept = Names(), {}
    for name in sorted(found):
        seen = _plain(os.path.join(run.root, name)) if is_portable(name) else None
        if seen is not None and names.clash(name) is None:
            kept[name] = seen
    return kept, len(found) - len(kept)


def _plain(path: str) -> Optional[os.stat_result]:
    """A plain file that can be read; None for what is none."""
    try:
        fd = open_plain(path)
    except FileNotFoundError:
        raise
    except OSError:
        return None
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def pieces_of(run: RunPaths, name: str) -> Iterator[bytes]:
    """The content of one of the files as it goes into an archive. Raises OSError, EspalierError."""
    if name == STATUS:
        yield dump_record({field: value for field, value in status_record(run).items() if field not in HOST_FIELDS})
        return
    with os.fdopen(open_plain(os.path.join(run.root, name)), "rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def is_same(run: RunPaths, files: Mapping[str, Entry]) -> bool:
    """Whether a run of this workspace is the one that a manifest lists, but for what may change of an ended run."""
    try:
        own = set(filter(_is_frozen, files_of(run)[0]))
        return own == set(filter(_is_frozen, files)) and all(_has(run, name, files[name].sha256) for name in own)
    except (OSError, EspalierError):
        return False


def _is_frozen(name: str) -> bool:
    """Whether a file of an ended run never changes. Its tags do, and children may be added."""
    return name != META and not name.startswith(CHILDREN + "/")


def _has(run: RunPaths, name: str, sha256: str) -> bool:
    hashed = hashlib.sha256()
    for piece in pieces_of(run, name):
        hashed.update(piece)
    return hashed.hexdigest() == sha256
