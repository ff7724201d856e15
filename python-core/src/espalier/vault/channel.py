"""How a job is given its secrets: a file in memory, whose path is in `ESPALIER_SECRETS`. Standard library only.

    espalier secrets 1
    <name> <bytes>
    <value, so many bytes>
    ...

Not JSON, so that base R reads it in a few lines wherever a job runs.
"""

import os
from typing import Dict, Mapping, Optional

from espalier.base.errors import EspalierError

VARIABLE = "ESPALIER_SECRETS"
_HEAD = b"espalier secrets 1\n"


def dump_secrets(values: Mapping[str, str]) -> bytes:
    """Secrets by name as the bytes of the file."""
    parts = [_HEAD]
    for name, value in values.items():
        data = value.encode("utf-8")
        parts.append(b"%s %d\n%s\n" % (name.encode("ascii"), len(data), data))
    return b"".join(parts)


def load_secrets(data: bytes) -> Dict[str, str]:
    """The reverse. Raises EspalierError `damaged`."""
    found: Dict[str, str] = {}
    at = len(_HEAD)
    try:
        if not data.startswith(_HEAD):
            raise ValueError
        while at < len(data):
            end = data.index(b"\n", at)
            name, size = data[at:end].decode("ascii").split(" ")
            at = end + 1 + int(size) + 1
            if data[at - 1 : at] != b"\n":
                raise ValueError
            found[name] = data[end + 1 : at - 1].decode("utf-8")
    except ValueError:
        raise EspalierError("damaged", "Can't read this job's secrets: their format is unknown.") from None
    return found


def given_secrets() -> Optional[Dict[str, str]]:
    """The secrets of the job that this process belongs to; None when it was given none. Raises EspalierError:
    `secret_missing` when they can no longer be read, `damaged`."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return load_secrets(file.read())
    except OSError as error:
        message = f"Can't read this job's secrets any more: {error.strerror}."
        hint = "Its run has ended, or this process runs as another user or in another container."
        raise EspalierError("secret_missing", message, hint) from error
