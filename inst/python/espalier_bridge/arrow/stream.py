"""Streams of batches: read from whoever offers one, and a stream of one batch of our own."""

import ctypes
from typing import Any, Dict, List, Tuple

from espalier_bridge.arrow import export, layout

Structs = Tuple[layout.Moved, List[layout.Moved]]


def read(capsule: Any) -> Structs:
    """Schema and all batches of an `arrow_array_stream` capsule.

    Raises:
        ValueError: the producer reported an error.
    """
    stream = layout.moved_stream(export.capsule_address(capsule, b"arrow_array_stream"))
    schema = layout.moved_schema()
    _check(stream, layout.GetNext(stream.fields[0])(stream.address, schema.address))
    batches = []
    while True:
        batch = layout.moved_array()
        _check(stream, layout.GetNext(stream.fields[1])(stream.address, batch.address))
        if not batch.live:
            return schema, batches
        batches.append(batch)


def _check(stream: layout.Moved, code: int) -> None:
    if code:
        said = layout.GetError(stream.fields[2])(stream.address)
        raise ValueError(f"the table could not be read: {(said or b'').decode('utf-8', 'replace') or code}")


# ---- our own --------------------------------------------------------------------------------------------


class _OneBatch:
    def __init__(self, node: export.Node) -> None:
        self.node, self.sent = node, False


_open: Dict[int, _OneBatch] = {}
_EIO = 5


def _hand_over(struct: layout.Moved, to: int) -> None:
    ctypes.memmove(to, struct.address, ctypes.sizeof(struct.fields))
    release = layout.ARRAY_RELEASE if len(struct.fields) == layout.ARRAY_FIELDS else layout.SCHEMA_RELEASE
    struct.fields[release] = 0


def _source(stream: int) -> _OneBatch:
    return _open[layout.numbers(stream, layout.STREAM_FIELDS)[4]]


@layout.GetNext
def _get_schema(stream: int, out: int) -> int:
    try:
        _hand_over(export.export_schema(_source(stream).node), out)
    except Exception:
        return _EIO
    return 0


@layout.GetNext
def _get_next(stream: int, out: int) -> int:
    try:
        source = _source(stream)
        if source.sent:
            ctypes.memset(out, 0, 8 * layout.ARRAY_FIELDS)
        else:
            source.sent = True
            _hand_over(export.export_array(source.node), out)
    except Exception:
        return _EIO
    return 0


@layout.GetError
def _get_error(stream: int) -> bytes:
    return b"the table of R could not be handed over"


@layout.Release
def _release(stream: int) -> None:
    fields = (ctypes.c_int64 * layout.STREAM_FIELDS).from_address(stream)
    _open.pop(fields[4], None)
    fields[layout.STREAM_RELEASE] = 0


def one_batch(node: export.Node) -> Any:
    """A capsule with a stream that gives one batch."""
    struct = layout.moved_stream()
    source = _OneBatch(node)
    _open[id(source)] = source
    functions = (_get_schema, _get_next, _get_error, _release)
    struct.fields[:] = [*(ctypes.cast(one, ctypes.c_void_p).value or 0 for one in functions), id(source)]
    return export.capsule(struct, b"arrow_array_stream")
