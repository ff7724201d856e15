"""The build contexts that definitions of environments refer to: folders that were frozen as snapshots."""

import json
import os
from typing import Any, Iterator, List, Tuple

from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths, is_digest, is_record


def contexts_in(value: Any) -> Iterator[str]:
    """The snapshots of all build contexts in a JSON value, 64 hex digits each."""
    if isinstance(value, list):
        for item in value:
            yield from contexts_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "build_context" and isinstance(item, dict) and isinstance(item.get("snapshot"), str):
                digest = item["snapshot"][7:]
                if not is_digest(digest):
                    raise ValueError(f"{item['snapshot']!r} is no snapshot")
                yield digest
            else:
                yield from contexts_in(item)


def registered_contexts(paths: WorkspacePaths) -> Iterator[Tuple[str, str]]:
    """The snapshots that registered environments refer to.

    Args:
        paths: The workspace.

    Returns:
        Each with who refers to it, in words.

    Raises:
        EspalierError: `damaged` when it cannot be told what one of them refers to.
    """
    for name in _names(paths.environments):
        for file in filter(is_record, _names(os.path.join(paths.environments, name))):
            path = os.path.join(paths.environments, name, file)
            for digest in _contexts_of(path):
                yield digest, f"version {file.partition('.')[0]} of the environment {name} refers to it"


def _contexts_of(path: str) -> List[str]:
    try:
        with open(path, "rb") as file:
            return list(contexts_in(json.loads(file.read())))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path} cannot be read: {error}."
        raise EspalierError("damaged", message, "Restore it from a backup, or delete it.", path=path) from error


def _names(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
