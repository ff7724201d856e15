"""Inputs: files and folders outside the snapshot that a job reads where they are."""

import hashlib
import os
from typing import Any, Dict, List, Mapping, Tuple

from espalier.adapters.files import files_below, measure
from espalier.errors import EspalierError
from espalier.names import check_name, input_variable
from espalier.records import now_iso

# Up to this size an input is read for its digest; above, size and time stand for it (reading 1 GB takes a second).
DIGEST_LIMIT_BYTES = 64 * 1024 * 1024
_DIGEST_LIMIT_FILES = 1000


def resolve_inputs(inputs: Mapping[str, str]) -> List[Dict[str, Any]]:
    """The record of each input: absolute path, kind, and what tells whether it changed.

    Raises:
        EspalierError: `input_missing`, `bad_name`.
    """
    taken: Dict[str, str] = {}
    for name in inputs:
        other = taken.setdefault(input_variable(check_name("input", name)), name)
        if other != name:
            raise EspalierError(
                "bad_name",
                f"The inputs {other} and {name} would have the same variable, {input_variable(name)}.",
                "Give them names that differ in more than case and signs.",
            )
    return [_resolve(name, path) for name, path in sorted(inputs.items())]


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
    size, changed, count = measure(full)
    record: Dict[str, Any] = {
        "name": name,
        "path": full,
        "kind": "directory" if folder else "file",
        "size": size,
        "modified_at": now_iso(changed),
        "files": count,
    }
    # a pipe or device has no content to read twice
    readable = folder or os.path.isfile(full)
    if readable and size <= DIGEST_LIMIT_BYTES and count <= _DIGEST_LIMIT_FILES:
        record["digest"] = "sha256:" + _digest(sorted(files_below(full)) if folder else [("", full)])
    return record


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
