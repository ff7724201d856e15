"""Inputs: files and folders outside the snapshot that a job may read."""

import contextlib
import os
from typing import Any, Dict, List, Mapping, Sequence

from espalier.config import INPUT_COPY_LIMIT_BYTES, INPUT_COPY_LIMIT_FILES
from espalier.errors import EspalierError
from espalier.model.job import Input
from espalier.names import check_name, input_variable
from espalier.records import now_iso
from espalier.store.inputs import LeadsOutside, content_digest, measure


def resolve_inputs(inputs: Mapping[str, str]) -> List[Input]:
    """Each input: absolute path, kind, and what tells whether it changed.

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


def _resolve(name: str, path: str) -> Input:
    try:
        return _input(name, path)
    except OSError as error:
        hint = "Make it readable, or leave it out."
        message = f"The input {name} ({path}) cannot be read: {error.filename or path}: {error.strerror}."
        raise EspalierError("input_missing", message, hint) from error


def _input(name: str, path: str) -> Input:
    full = os.path.abspath(os.path.expanduser(path))
    if not os.path.exists(full):
        raise EspalierError(
            "input_missing", f"The input {name} is {path}, and there is no such file or folder.", "Correct the path."
        )
    folder = os.path.isdir(full)
    size, changed, count = measure(full)
    found = Input(name, full, "directory" if folder else "file", size, now_iso(changed), count)
    # a pipe or device has no content to read twice
    readable = folder or os.path.isfile(full)
    if readable and size <= INPUT_COPY_LIMIT_BYTES and count <= INPUT_COPY_LIMIT_FILES:
        with contextlib.suppress(LeadsOutside):
            found = found._replace(digest=content_digest(full))
    return found


def identity_of(inputs: Sequence[Input]) -> List[Any]:
    """What decides whether the inputs are the same as another run's."""
    keys = ("digest",) if all(item.is_copied for item in inputs) else ("digest", "path", "size", "modified_at")
    return [[item.name, *(getattr(item, key) for key in keys)] for item in inputs]
