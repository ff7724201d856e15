"""Inputs: files and folders outside the snapshot that a job reads where they are."""

import hashlib
import os
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from espalier.errors import EspalierError
from espalier.names import check_name
from espalier.records import now_iso

# Up to this size an input is read for its digest; above, size and time stand for it (reading 1 GB takes a second).
DIGEST_LIMIT_BYTES = 64 * 1024 * 1024
_DIGEST_LIMIT_FILES = 1000


def resolve_inputs(inputs: Mapping[str, str]) -> List[Dict[str, Any]]:
    """The record of each input: absolute path, kind, and what tells whether it changed.

    Raises:
        EspalierError: `input_missing`, `bad_name`.
    """
    return [_resolve(check_name("input", name), path) for name, path in sorted(inputs.items())]


def _resolve(name: str, path: str) -> Dict[str, Any]:
    try:
        return _record(name, path)
    except OSError as error:
        hint = "Make it readable, or leave it out."
        message = f"The input {name} ({path}) cannot be read: {error.filename or path}: {error.strerror}."
        raise EspalierError("input_missing", message, hint) from error


def _record(name: str, path: str) -> Dict[str, Any]:
    full = os.path.abspath(os.path.expanduser(path))
    if not os.path.exists(full):
        raise EspalierError(
            "input_missing", f"The input {name} is {path}, and there is no such file or folder.", "Correct the path."
        )
    folder = os.path.isdir(full)
    files = sorted(_files(full)) if folder else [("", full)]
    # a pipe or device has no content to read twice
    readable = folder or os.path.isfile(full)
    size = sum(os.path.getsize(item) for _, item in files)
    record: Dict[str, Any] = {"name": name, "path": full, "kind": "directory" if folder else "file", "size": size}
    if readable and size <= DIGEST_LIMIT_BYTES and len(files) <= _DIGEST_LIMIT_FILES:
        record["digest"] = "sha256:" + _digest(files)
    else:
        record["modified_at"] = now_iso(max(os.path.getmtime(item) for _, item in files))
        record["files"] = len(files)
    return record


def _files(folder: str) -> Iterator[Tuple[str, str]]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            if os.path.isfile(path):
                yield os.path.relpath(path, folder), path


def _digest(files: List[Tuple[str, str]]) -> str:
    whole = hashlib.sha256()
    for relative, path in files:
        with open(path, "rb") as file:
            one = hashlib.sha256(file.read())
        whole.update(os.fsencode(relative) + b"\0" + one.digest())
    return whole.hexdigest()


def identity_of(inputs: List[Dict[str, Any]]) -> List[Any]:
    """What decides whether the inputs are the same as another run's."""
    keys = ("digest",) if all("digest" in item for item in inputs) else ("digest", "path", "size", "modified_at")
    return [[item["name"], *(item.get(key) for key in keys)] for item in inputs]
