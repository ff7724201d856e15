"""Files that are added to a working copy where its snapshot does not bring them: marks of a project's top."""

from typing import List, Optional

from espalier.base.model.job import WorkingCopy

# What rprojroot looks for in a file that marks a project's top.
_RPROJ = b"Version: 1.0\n"


def stubs_of(working_copy: Optional[WorkingCopy]) -> List[str]:
    """The paths in a working copy of what is added where its snapshot does not bring it.

    Args:
        working_copy: How it is laid out, by the run's definition.
    """
    return [*working_copy.stubs, ".here"] if working_copy else []


def stub_content(path: str) -> bytes:
    """What is in that file."""
    return _RPROJ if path.endswith(".Rproj") else b""
