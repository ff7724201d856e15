"""Canonical JSON and the digest: identity is content, computed here and nowhere else."""

import json
from typing import Any

from espalier.base.hashing import sha256
from espalier.base.records import fast_encoder

_sorted = fast_encoder(json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False))


def canonical_json(value: Any) -> bytes:
    """The one byte string for a JSON value: sorted keys, no spaces, UTF-8, no NaN. Raises ValueError: a number is not
    finite."""
    return _sorted(value).encode("utf-8", "surrogatepass")


def digest_bytes(data: bytes) -> str:
    """SHA-256 of bytes, as `sha256:<64 hex digits>`."""
    return f"sha256:{sha256(data).hexdigest()}"


def digest(value: Any) -> str:
    """SHA-256 of a JSON value's canonical form, as `sha256:<64 hex digits>`."""
    return digest_bytes(canonical_json(value))


def hex_of(digest_text: str) -> str:
    """The hex digits of `sha256:...`."""
    return digest_text.partition(":")[2]
