"""SHA-256 without OpenSSL where little is hashed: that takes 3 ms to load, in which Python's own code hashes 300 kB.

Standard library only: the runner loads this file.
"""

import sys
from typing import Any

try:
    _own = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
except ImportError:  # left out when the interpreter was built
    from hashlib import sha256 as _own

_LITTLE = 256 << 10


def sha256(data: bytes = b"") -> Any:
    """A hash as that of `hashlib`, by OpenSSL where that is loaded."""
    load_for(len(data))
    return getattr(sys.modules.get("hashlib"), "sha256", _own)(data)


def load_for(size: int) -> None:
    """Load OpenSSL, if that is worth it for so many bytes."""
    if size > _LITTLE:
        import hashlib  # noqa: F401
