"""What a system takes as arguments and variables of a program: found at submit, not when the job cannot start.

Source: execve(2), "Limits on size of arguments and environment". Linux takes 32 pages of a single string
(MAX_ARG_STRLEN), and a quarter of the stack's limit of all together (sysconf ARG_MAX).
"""

import os
import sys
from typing import Mapping, Optional, Sequence

from espalier.base.errors import EspalierError

# What the runner and the shell script that starts R add to a job's variables, bytes.
_RESERVED = 32_768
_POINTER = 8


def refuse_too_long(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Refuse a program that the system would not start for its size.

    Raises:
        EspalierError: `bad_argument`, with `bytes` and `limit`.
    """
    each = _single_limit()
    words = [_size(word) + 1 for word in command]
    pairs = {name: _size(name) + _size(text) + 2 for name, text in variables.items()}
    if each is not None:
        for number, size in enumerate(words):
            if size > each:
                raise _too_long(f"Argument {number} of the job ({_shown(command[number])})", size, each)
        for name, size in pairs.items():
            if size > each:
                raise _too_long(f"The variable {name} of the job", size, each)
    total = sum(words) + sum(pairs.values()) + _POINTER * (len(words) + len(pairs))
    limit = _total_limit()
    if limit is not None and total > limit:
        raise _too_long("The arguments and variables of the job", total, limit)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(os.fsencode(text))


def _single_limit() -> Optional[int]:
    return 32 * os.sysconf("SC_PAGE_SIZE") if sys.platform.startswith("linux") else None


def _total_limit() -> Optional[int]:
    try:
        limit = os.sysconf("SC_ARG_MAX")
    except (OSError, ValueError):
        return None
    # (no stack limit: Linux takes three quarters of 8 MB)
    return min(limit, 6 * 1024 * 1024) - _RESERVED if limit > _RESERVED else None


def _shown(word: str) -> str:
    return repr(word[:40] + "...")


def _too_long(what: str, size: int, limit: int) -> EspalierError:
    return EspalierError(
        "bad_argument",
        f"{what} takes {size:,} bytes; this system starts no program with more than {limit:,}.",
        "Write the values to a file in the source directory, or give a file as an input: inputs = list(name = path).",
        bytes=size,
        limit=limit,
    )
