"""Adding objects to a workspace's store: each content once, many small ones in one pack."""

import hashlib
import os
from types import TracebackType
from typing import Iterable, List, Optional, Set, Tuple, Type

from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths, temporary
from espalier.base.records import write_all
from espalier.base.store_paths import index_of_pack
from espalier.store.packs import HEADER, MAGIC, RECORD, ObjectReader
from espalier.store.stored_files import create, discard, holds, make_durable, place, put_bytes

# Objects up to this size go into a pack, bytes; but only where there are so many new ones at once.
SMALL = 64 << 10
MANY = 16


class ObjectWriter:
    """Collects the objects of one snapshot. Once its `with` block has ended without an error, they are on the disk."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self.paths = paths
        self._reader = ObjectReader(paths)
        self._seen: Set[str] = set()
        self._few: List[Tuple[str, bytes]] = []
        self._pack: Optional[_PackWriter] = None
        self._relied_on: Set[str] = set()

    def __enter__(self) -> "ObjectWriter":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._pack is not None:
                self._pack.discard()
            self._reader.__exit__()

    def add(self, data: bytes) -> str:
        """Adds an object.

        Returns:
            Its SHA-256, 64 hex digits.

        Raises:
            EspalierError: `workspace_read_only` when the store refuses.
        """
        hex_digest = hashlib.sha256(data).hexdigest()
        if hex_digest in self._seen:
            return hex_digest
        self._seen.add(hex_digest)
        packed, path = self._reader.verified(hex_digest), self.paths.blob(hex_digest)
        if packed is not None:
            self.rely_on([packed[0], index_of_pack(packed[0])])
        elif holds(path, data):
            self.rely_on([path])
        elif len(data) > SMALL:
            self._put(path, data)
        else:
            self._pend(hex_digest, data)
        return hex_digest

    def rely_on(self, files: Iterable[str]) -> None:
        """Files of the store, new or found there, that have to be on the disk when this ends.

        Also those that are found: the process that wrote them may not have come to that.
        """
        self._relied_on.update(files)

    def _put(self, path: str, data: bytes) -> None:
        put_bytes(self.paths, path, data)
        self.rely_on([path])

    def open_pack(self) -> Tuple[int, int]:
        """The pack that is being written, for someone who writes many small objects at once and then calls `adopt`.

        Returns:
            Its descriptor and its size, bytes; write behind that.

        Raises:
            EspalierError: `workspace_read_only` when the store refuses.
        """
        try:
            if self._pack is None:
                self._pack = _PackWriter(self.paths)
            return self._pack.lend()
        except OSError as error:
            raise cannot_write(self.paths.root, error) from error

    def adopt(self, records: List[Tuple[bytes, int, int]]) -> None:
        """Takes over what has been written behind the pack's end: SHA-256, offset and size (bytes) of each object."""
        assert self._pack is not None
        self._pack.adopt(records)
        self._seen.update(digest.hex() for digest, _, _ in records)

    def _pend(self, hex_digest: str, data: bytes) -> None:
        try:
            if self._pack is not None:
                self._pack.add(hex_digest, data)
                return
            self._few.append((hex_digest, data))
            if len(self._few) >= MANY:
                self._pack = _PackWriter(self.paths)
                for item in self._few:
                    self._pack.add(*item)
                self._few.clear()
        except OSError as error:
            raise cannot_write(self.paths.root, error) from error

    def _finish(self) -> None:
        for hex_digest, data in self._few:
            self._put(self.paths.blob(hex_digest), data)
        try:
            if self._pack is not None:
                self.rely_on(self._pack.finish())
            make_durable(self.paths, self._relied_on)
        except OSError as error:
            raise cannot_write(self.paths.root, error) from error


class _PackWriter:
    """A pack on its way."""

    _BUFFER = 1 << 20

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._aside = temporary(paths.packs)
        self._fd = create(self._paths, self._aside)
        self._records: List[Tuple[bytes, int, int]] = []
        self._size = 0
        self._buffer = bytearray()

    def add(self, hex_digest: str, data: bytes) -> None:
        self._records.append((bytes.fromhex(hex_digest), self._size, len(data)))
        self._size += len(data)
        self._buffer += data
        if len(self._buffer) >= self._BUFFER:
            self._flush()

    def lend(self) -> Tuple[int, int]:
        self._flush()
        return self._fd, self._size

    def adopt(self, records: List[Tuple[bytes, int, int]]) -> None:
        self._records += records
        self._size = max([self._size, *(offset + size for _, offset, size in records)])
        os.lseek(self._fd, self._size, os.SEEK_SET)

    def finish(self) -> List[str]:
        """Puts it in its place; returns the files that hold its objects now."""
        self._flush()
        if len(self._records) >= MANY:
            name = place_index(self._paths, self._aside, self._records)
            return [self._paths.pack(name), self._paths.pack_index(name)]
        placed = []
        for digest, offset, size in self._records:  # lent for more than there turned out to be
            placed.append(self._paths.blob(digest.hex()))
            put_bytes(self._paths, placed[-1], os.pread(self._fd, size, offset))
        return placed

    def _flush(self) -> None:
        write_all(self._fd, bytes(self._buffer))
        self._buffer.clear()

    def discard(self) -> None:
        """Closes it; what has not been finished is removed."""
        os.close(self._fd)
        discard(self._aside)


def place_index(paths: WorkspacePaths, aside: str, records: List[Tuple[bytes, int, int]]) -> str:
    """Puts a finished pack into its place, then its index; they are named by the SHA-256 of the index.

    Args:
        aside: The pack's contents; renamed.
        records: SHA-256, offset and size (bytes) of each object, in any order.

    Returns:
        The name, 64 hex digits.

    Raises:
        OSError: the store refuses.
    """
    records.sort()
    index = HEADER.pack(MAGIC, len(records)) + b"".join([RECORD.pack(*record) for record in records])
    name = hashlib.sha256(index).hexdigest()
    place(paths, aside, paths.pack(name))
    put_bytes(paths, paths.pack_index(name), index)
    return name
