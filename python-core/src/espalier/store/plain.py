"""Opening files of the store, in whose place a job may have put a pipe, a link or a device. Folders on the way to them
may be links, which the user has made. Standard library only."""

from espalier.base.records import open_plain, read_plain

# Of a file that is read whole (a tree, an index, an object in a pack), bytes: larger ones are damaged. A folder of six
# million files has such a tree.
WHOLE_BYTES = 1 << 30


def open_stored(path: str) -> int:
    """Open a file of the store for reading. Raises OSError: it is missing, or no plain file."""
    return open_plain(path, follow_folder=True)


def read_stored(path: str) -> bytes:
    """Read a file of the store whole. Raises OSError: as `open_stored`, or it is larger than `WHOLE_BYTES`."""
    return read_plain(path, follow_folder=True, limit=WHOLE_BYTES)
