"""Workspaces of which there is nothing but the folder."""

from pathlib import Path

from espalier.base.paths import WorkspacePaths


def bare(folder: Path) -> WorkspacePaths:
    """The places of a workspace, whose folder is made."""
    folder.mkdir(exist_ok=True)
    return WorkspacePaths(str(folder))
