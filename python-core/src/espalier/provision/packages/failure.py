"""Why a build failed, for those who waited for it: a second one would end the same way."""

import contextlib
import time
from typing import Any, Dict

from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, CachePaths
from espalier.base.records import read_record, replace_record


def write_failure(cache: CachePaths, hex_key: str, error: EspalierError) -> None:
    """Leave why the build for a key failed."""
    fields = {"code": error.code, "message": error.message, "hint": error.hint, "fields": error.fields}
    with contextlib.suppress(OSError):  # (a full disk)
        replace_record(cache.build_failure(hex_key), {"format": FORMAT, "at": time.time(), **fields}, cache.builds)


def raise_failure(cache: CachePaths, hex_key: str, since: float) -> None:
    """Raise what a build for a key ended with since then, if it failed.

    Args:
        cache: espalier's folder of caches.
        hex_key: The key's hex digits.
        since: When the waiting began, seconds since 1970.
    """
    try:
        record: Dict[str, Any] = read_record(cache.build_failure(hex_key))
    except (EspalierError, OSError):
        return
    if record.get("at", 0) >= since:
        raise EspalierError(record["code"], record["message"], record["hint"], **record["fields"])
