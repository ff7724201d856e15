"""The values of secrets that this process has set or got, refused where texts would be recorded.

Standard library only: jobs load this file.
"""

import os
from dataclasses import fields, is_dataclass
from typing import Dict, Iterator, Mapping, Tuple

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths

# A shorter value occurs in other texts by chance.
LEAST = 8

# Fields of a job that aren't searched: what they name is read first, or isn't recorded as it is.
NOT_SEARCHED = ("source_directory", "secrets", "session")

# Real path of a workspace -> name of a secret -> its value.
_known: Dict[str, Dict[str, str]] = {}


def remember(paths: WorkspacePaths, secrets: Mapping[str, str]) -> None:
    """Take note of values, by name; a new value of a name replaces the one before."""
    _known.setdefault(os.path.realpath(paths.root), {}).update(secrets)


def forget(paths: WorkspacePaths, secret: str) -> None:
    """A deleted secret's value may be recorded."""
    _known.get(os.path.realpath(paths.root), {}).pop(secret, None)


def refuse_secret_values(paths: WorkspacePaths, given: Mapping[str, object]) -> None:
    """Refuse texts that contain a known secret's value of at least 8 characters.

    Args:
        paths: The workspace in whose records the texts would stand.
        given: Name of a field to what it holds: texts, and lists, mappings or dataclasses of them.

    Raises:
        EspalierError: `bad_argument`; it names the field, and no value.
    """
    if not _known:  # (as in nearly all processes)
        return
    values = [value.strip() for value in _known.get(os.path.realpath(paths.root), {}).values()]
    values = [value for value in values if len(value) >= LEAST]
    if not values:
        return
    for name, content in given.items():
        for field, text in _texts(name, content):
            if any(value in text for value in values):
                raise EspalierError(
                    "bad_argument",
                    f"Can't use a secret's value in `{field}`: it would stand in the workspace's records.",
                    "Name the secret in `secrets` of the job, which reads it with get_secrets_from_run().",
                )


def _texts(field: str, content: object) -> Iterator[Tuple[str, str]]:
    """The texts of a field, each with the name of the part it stands in. A part's own name comes first: once it is
    known to contain no value it can be shown."""
    if isinstance(content, str):
        yield field, content
    elif isinstance(content, Mapping):
        for name, part in content.items():
            yield f"names of {field}", str(name)
            yield from _texts(f"{field}${name}", part)
    elif isinstance(content, (list, tuple)):
        for part in content:
            yield from _texts(field, part)
    elif is_dataclass(content) and not isinstance(content, type):
        for item in fields(content):
            yield from _texts(f"{field}${item.name}", getattr(content, item.name))
