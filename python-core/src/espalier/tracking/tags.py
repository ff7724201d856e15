"""The tags of a run, in its mutable record."""

import contextlib
import os
from typing import Any, Dict, Iterator, Mapping

from espalier.adapters import posix
from espalier.base.model.codec import encode, read_as
from espalier.base.model.job import Meta
from espalier.base.paths import RunPaths
from espalier.base.records import replace_record


def read_meta(run: RunPaths) -> Dict[str, Any]:
    """A run's mutable record, with `tags` and `properties`.

    Raises:
        FileNotFoundError: there is no such run.
        EspalierError: `damaged`, `newer_format`.
    """
    return dict(encode(read_as(Meta, run.meta)))


def add_tags(run: RunPaths, tags: Mapping[str, str]) -> None:
    """Add or change tags, whose names were checked. Two that do it at once lose nothing.

    Raises:
        OSError: the record can't be written.
        EspalierError: as `read_meta`.
    """
    with changing_meta(run) as meta:
        meta["tags"].update(tags)


@contextlib.contextmanager
def changing_meta(run: RunPaths) -> Iterator[Dict[str, Any]]:
    """A run's mutable record, to be changed in the block and then replaced, under a lock. Raises as `add_tags`."""
    fd = os.open(run.root, os.O_RDONLY)
    try:
        with posix.holding(fd):
            meta = read_meta(run)
            yield meta
            replace_record(run.meta, meta, run.shard, sync=True)
    finally:
        os.close(fd)
