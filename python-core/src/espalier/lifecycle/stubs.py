"""Files that are added to a working copy where its snapshot does not bring them: marks of a project's top."""

from typing import Any, List

# What rprojroot looks for in a file that marks a project's top.
_RPROJ = b"Version: 1.0\n"


def stubs_of(working_copy: Any) -> List[str]:
    """The paths in a working copy of what is added where its snapshot does not bring it.

    Args:
        working_copy: That of a run's definition; of the wrong type it says nothing.
    """
    if not working_copy or not isinstance(working_copy, dict):
        return []
    stubs = working_copy.get("stubs")
    return [*map(str, stubs if isinstance(stubs, list) else ()), ".here"]


def stub_content(path: str) -> bytes:
    """What is in such a file."""
    return _RPROJ if path.endswith(".Rproj") else b""
