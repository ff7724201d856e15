r"""Names of a run's files as people see and give them.

A job may name a file as it likes. Bytes that a name must not show (control characters, backslashes, what is not UTF-8)
are listed as `\x` and two hex digits. No other name has a backslash, so the listed name leads back to the file.
"""

import hashlib
import os
import re
from typing import List

from espalier.base.errors import EspalierError

# (bytes that are no text in the file system's encoding: surrogates)
_ODD = re.compile("[\x00-\x1f\x7f\\\\\udc80-\udcff]")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
# Bytes that a file system takes as one part of a name.
_LONGEST_PART = 255


def listed_name(stored: str) -> str:
    """The name under which a file is listed."""
    return _ODD.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0])), stored)


def checked_parts(name: str) -> List[str]:
    """The name of a new artifact split into its parts.

    Raises:
        EspalierError: `bad_name` (absolute, `..`, empty parts, backslashes, control characters).
    """
    parts = name.split("/")
    if not _is_encodable(name) or _ODD.search(name) or any(part in ("", ".", "..") for part in parts):
        raise _bad(name)
    return parts


def file_parts(name: str) -> List[str]:
    """A listed name as the parts of the file's path.

    Raises:
        EspalierError: `bad_name`, for what `listed_name` never gives.
    """
    if "\\" not in name:
        return checked_parts(name)
    if not _is_encodable(name):
        raise _bad(name)
    stored = os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), os.fsencode(name)))
    parts = stored.split("/")
    if listed_name(stored) != name or "\0" in stored or any(part in ("", ".", "..") for part in parts):
        raise _bad(name)
    return parts


def copy_parts(name: str) -> List[str]:
    """The parts of the path of a copy: safe on the system that copies, and no longer than a name may be there."""
    safe = name if os.sep == "/" else name.replace("\\", "%")
    return [_fitting(part) for part in safe.split("/")]


def _fitting(part: str) -> str:
    data = os.fsencode(part)
    if len(data) <= _LONGEST_PART:
        return part
    stem, ending = os.path.splitext(part)
    mark = "-" + hashlib.sha256(data).hexdigest()[:8] + ending[-40:]
    return os.fsencode(stem)[: _LONGEST_PART - len(os.fsencode(mark))].decode("utf-8", "ignore") + mark


def _is_encodable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def _bad(name: str) -> EspalierError:
    return EspalierError(
        "bad_name",
        f"{name!r} is no name of a run's file.",
        "Names are relative paths with `/`, as get_run_file_names() lists them.",
    )
