"""What a workspace knows of the image for a key: where it came from, what it is made of, where else it is."""

import contextlib
import os
from typing import Any, Dict, List, Optional

from espalier.adapters.homes import program_cache
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.records import make_folders, readable_record, replace_record
from espalier.base.store_paths import digest_of_record


def read_image(paths: WorkspacePaths, key: str) -> Optional[Dict[str, Any]]:
    """The record of an image, None where there is none that can be read: then it is looked for again."""
    return readable_record(paths.image_record(hex_of(key))) or None


def write_image(paths: WorkspacePaths, key: str, content: Dict[str, Any]) -> None:
    """Replace an image's record."""
    make_folders(paths.images, top=paths.root)
    replace_record(paths.image_record(hex_of(key)), {"format": FORMAT, "key": key, **content}, paths.images)


def mark_used(paths: WorkspacePaths, key: str, cache: Optional[CachePaths] = None) -> None:
    """Note that an image is wanted now: times of change say when that was last, in the workspace and for this user.

    Args:
        cache: espalier's folder of caches; by default this user's.
    """
    with contextlib.suppress(OSError):
        os.utime(paths.image_record(hex_of(key)))
    cache = cache or CachePaths(program_cache())
    mark = cache.image_used(hex_of(key))
    try:
        os.utime(mark)
    except OSError:
        with contextlib.suppress(OSError):
            make_folders(cache.builds)
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def last_used(paths: WorkspacePaths, key: str) -> Optional[float]:
    """When an image was last wanted in a workspace, seconds since 1970."""
    with contextlib.suppress(OSError):
        return os.stat(paths.image_record(hex_of(key))).st_mtime
    return None


def recorded_keys(paths: WorkspacePaths) -> List[str]:
    """The keys of all images that a workspace has a record of."""
    names = os.listdir(paths.images) if os.path.isdir(paths.images) else []
    return sorted(f"sha256:{digest}" for digest in map(digest_of_record, names) if digest)
