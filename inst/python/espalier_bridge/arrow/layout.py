"""The structs of Arrow's C data interface as rows of 64-bit numbers: read, moved, released.

Source of the layout: the Arrow C data interface specification (stable ABI). All fields are 8 bytes wide on the
platforms that R and Python share, so a struct is read as one array of integers.
"""

import ctypes
import struct
from typing import Any, Dict, List, Sequence, Tuple

ARRAY_FIELDS = 10  # length null_count offset n_buffers n_children buffers children dictionary release private
SCHEMA_FIELDS = 9  # format name metadata flags n_children children dictionary release private
STREAM_FIELDS = 5  # get_schema get_next get_last_error release private
ARRAY_RELEASE, SCHEMA_RELEASE, STREAM_RELEASE = 8, 7, 3
ORDERED, NULLABLE = 1, 2

Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
GetError = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)


class Moved:
    """A struct taken over from its producer: released when the last reference to it goes.

    Args:
        fields: How many fields it has.
        release: Which of them is the release callback.
        source: Address of the producer's struct, which is marked as released; 0 for an empty one to be filled.
    """

    def __init__(self, fields: int, release: int, source: int = 0) -> None:
        self.release = release
        self.fields: Any = (ctypes.c_int64 * fields)()
        self.address: int = ctypes.addressof(self.fields)
        if source:
            theirs = (ctypes.c_int64 * fields).from_address(source)
            if not theirs[release]:
                raise ValueError("this Arrow struct was released or handed over before")
            ctypes.memmove(self.address, source, 8 * fields)
            theirs[release] = 0

    @property
    def live(self) -> bool:
        """False once released, or moved on to another owner."""
        return bool(self.fields[self.release])

    def __del__(self) -> None:
        if self.live:
            Release(self.fields[self.release])(self.address)


def moved_array(source: int = 0) -> Moved:
    """An ArrowArray."""
    return Moved(ARRAY_FIELDS, ARRAY_RELEASE, source)


def moved_schema(source: int = 0) -> Moved:
    """An ArrowSchema."""
    return Moved(SCHEMA_FIELDS, SCHEMA_RELEASE, source)


def moved_stream(source: int = 0) -> Moved:
    """An ArrowArrayStream."""
    return Moved(STREAM_FIELDS, STREAM_RELEASE, source)


def numbers(address: int, count: int) -> List[int]:
    """`count` 64-bit numbers from memory."""
    found: List[int] = (ctypes.c_int64 * count).from_address(address)[:] if count else []
    return found


def rows(addresses: List[int], fields: int) -> List[List[int]]:
    """The structs at some addresses; read at once where they stand side by side, as columns mostly do."""
    if not addresses:
        return []
    first, step = addresses[0], 8 * fields
    if addresses != list(range(first, first + step * len(addresses), step)):
        return [numbers(address, fields) for address in addresses]
    all_of_them = numbers(first, fields * len(addresses))
    return [all_of_them[at : at + fields] for at in range(0, len(all_of_them), fields)]


def schemas_below(fields: Sequence[int]) -> List[List[int]]:
    """The schemas of a schema's columns."""
    return rows(numbers(fields[5], fields[4]), SCHEMA_FIELDS)


def text_at(address: int) -> str:
    """A C string in UTF-8; empty for a null pointer."""
    return ctypes.string_at(address).decode("utf-8", "replace") if address else ""


def read_metadata(address: int) -> Dict[str, str]:
    """A schema's metadata: key to value."""
    found: Dict[str, str] = {}
    if not address:
        return found
    at = address + 4
    for _ in range(struct.unpack("=i", ctypes.string_at(address, 4))[0]):
        key, at = _sized(at)
        found[key], at = _sized(at)
    return found


def _sized(at: int) -> Tuple[str, int]:
    size = struct.unpack("=i", ctypes.string_at(at, 4))[0]
    return ctypes.string_at(at + 4, size).decode("utf-8", "replace"), at + 4 + size


def write_metadata(pairs: Dict[str, str]) -> bytes:
    """The inverse of `read_metadata()`."""
    parts = [struct.pack("=i", len(pairs))]
    for pair in pairs.items():
        for text in pair:
            data = text.encode("utf-8")
            parts += [struct.pack("=i", len(data)), data]
    return b"".join(parts)
