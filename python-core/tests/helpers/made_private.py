"""A private environment as a finished build leaves it."""

import json
import os
from pathlib import Path

from espalier.base.cache_paths import CachePaths, PrivatePaths


def add_private(cache: CachePaths, hex_key: str, name: str, used: float) -> Path:
    """One with a file in it, last used at a time."""
    paths = PrivatePaths(cache.private_environment(hex_key))
    os.makedirs(paths.library)
    Path(paths.library, "file").write_text("something")
    record = {"format": 1, "key": "sha256:" + hex_key, "name": name, "created_at": "2026-01-01T00:00:00Z"}
    Path(paths.record).write_text(json.dumps(record))
    os.utime(paths.record, (used, used))
    return Path(paths.root)
