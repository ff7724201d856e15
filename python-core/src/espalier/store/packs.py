"""Packs: many small objects in one file, with an index beside it; and the way any object of the store is read.

`<name>.pack` holds the contents one after another; `<name>.idx` a header and one record an object, sorted by digest.
The index appears last, so what an index names is there. Standard library only: the runner loads this.
"""

import contextlib
import os
import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from espalier.base.hashing import sha256
from espalier.base.paths import WorkspacePaths
from espalier.base.records import open_plain, read_plain
from espalier.base.store_paths import pack_of_index

# Of a file that is read whole (a tree, an index, an object in a pack), bytes: larger ones are damaged. A folder of six
# million files has such a tree.
WHOLE_BYTES = 1 << 30


def open_stored(path: str) -> int:
    """Open a file of the store for reading. Raises OSError: it is missing, or no plain file."""
    return open_plain(path, follow_folder=True)


def read_stored(path: str) -> bytes:
    """Read a file of the store whole. Raises OSError: as `open_stored`, or it is larger than `WHOLE_BYTES`."""
    return read_plain(path, follow_folder=True, limit=WHOLE_BYTES)


MAGIC = b"ESPPACK1"
# magic and format, number of records
HEADER = struct.Struct(">8sQ")
# SHA-256, offset in the pack, size; bytes
RECORD = struct.Struct(">32sQQ")


class Packed(NamedTuple):
    """Where a pack holds an object; offset and size in bytes."""

    pack: str
    offset: int
    size: int


class Damaged(Exception):
    """An object is missing or is not what its digest says. `where` is the file, `seen` what was found."""

    def __init__(self, where: str, seen: str) -> None:
        super().__init__(f"{where}: {seen}")
        self.where = where
        self.seen = seen


class _Index:
    """One index. (Read whole: a mapped one would hold a descriptor, and there may be more packs than those.)"""

    def __init__(self, path: str) -> None:
        self._data = read_stored(path)
        magic, self._count = HEADER.unpack_from(self._data)
        if magic != MAGIC or len(self._data) != HEADER.size + self._count * RECORD.size:
            raise ValueError("no index")

    def find(self, digest: bytes) -> Optional[Tuple[int, int]]:
        """Offset and size of an object, None when it is not in this pack."""
        low, high = 0, self._count
        while low < high:  # (a list to bisect would take longer to make than a few searches do)
            middle = (low + high) // 2
            at = HEADER.size + middle * RECORD.size
            found = self._data[at : at + 32]
            if found == digest:
                _, offset, size = RECORD.unpack_from(self._data, at)
                return offset, size
            low, high = (middle + 1, high) if found < digest else (low, middle)
        return None

    def records(self) -> Iterator[Tuple[str, int, int]]:
        """Hex digest, offset and size of all its objects."""
        for digest, offset, size in RECORD.iter_unpack(self._data[HEADER.size :]):
            yield digest.hex(), offset, size


class ObjectReader:
    """Reads objects of one workspace. It sees the packs that are there when it first looks for one."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._indexes: Optional[List[Tuple[str, _Index]]] = None
        # Descriptor and size of each pack that was read from.
        self._open: Dict[str, Tuple[int, int]] = {}

    def __enter__(self) -> "ObjectReader":
        return self

    def __exit__(self, *_: object) -> None:
        for fd, _size in self._open.values():
            os.close(fd)
        self._open.clear()

    def packed(self, hex_digest: str) -> Iterator[Packed]:
        """The packs that say they hold an object, and where; one that is damaged may be among them."""
        if self._indexes is None:
            self._indexes = list(indexes(self._paths))
        digest = bytes.fromhex(hex_digest)
        for pack, index in self._indexes:
            found = index.find(digest)
            if found is not None:
                yield Packed(pack, *found)

    def slice(self, packed: Packed) -> bytes:
        """What lies in a pack at a place, not verified; less when the pack was truncated, or is gone."""
        if packed.pack not in self._open:
            try:
                fd = open_stored(packed.pack)
            except OSError:
                return b""
            self._open[packed.pack] = fd, os.fstat(fd).st_size
        pack, end = self._open[packed.pack]
        if packed.offset > end or packed.size > WHOLE_BYTES:  # the index is damaged
            return b""
        return os.pread(pack, min(packed.size, end - packed.offset), packed.offset)

    def verified(self, hex_digest: str) -> Optional[Tuple[str, bytes]]:
        """A pack and an object out of it; None when no pack holds it, or not as its digest says."""
        for packed in self.packed(hex_digest):
            data = self.slice(packed)
            if sha256(data).hexdigest() == hex_digest:
                return packed.pack, data
        return None

    def verified_slice(self, hex_digest: str) -> Optional[bytes]:
        """An object out of a pack; None when no pack holds it, or not as its digest says."""
        found = self.verified(hex_digest)
        return found[1] if found is not None else None

    def read(self, hex_digest: str) -> bytes:
        """The content of an object. Raises Damaged: it is missing, or there is nothing that its digest fits."""
        data = self.verified_slice(hex_digest)
        if data is not None:
            return data
        path = self._paths.blob(hex_digest)
        try:
            data = read_stored(path)
        except OSError as error:
            raise self.missing(hex_digest, error) from error
        if sha256(data).hexdigest() != hex_digest:
            raise Damaged(path, "its content does not match its digest")
        return data

    def has(self, hex_digest: str) -> bool:
        """Whether the store has an object; its content is not looked at."""
        return os.path.exists(self._paths.blob(hex_digest)) or any(self.packed(hex_digest))

    def missing(self, hex_digest: str, error: OSError) -> Damaged:
        """What to say of an object that cannot be opened alone: a pack may have held it."""
        packed = next(self.packed(hex_digest), None)
        if packed is not None:
            return Damaged(packed.pack, "the content does not match its digest")
        return Damaged(self._paths.blob(hex_digest), error.strerror or "it can't be read")


def indexes(paths: WorkspacePaths) -> Iterator[Tuple[str, _Index]]:
    """The packs of a workspace: path, and the index of what is in it. One that is damaged counts as missing."""
    for index, pack in pack_files(paths):
        with contextlib.suppress(OSError, ValueError, struct.error):
            yield os.fsdecode(pack), _Index(os.fsdecode(index))


def pack_files(paths: WorkspacePaths) -> List[Tuple[bytes, bytes]]:
    """Index and pack of each pack of a workspace, as the native scanner takes them."""
    try:
        names = os.listdir(paths.packs)
    except OSError:
        return []
    pairs = [(name, pack_of_index(name)) for name in names if pack_of_index(name)]
    folder = os.fsencode(paths.packs)
    return [(os.path.join(folder, index.encode()), os.path.join(folder, pack.encode())) for index, pack in pairs]
