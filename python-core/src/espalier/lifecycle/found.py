"""What a job left in its working copy."""

from typing import Dict, List, NamedTuple, Tuple


class Found(NamedTuple):
    """New and changed files (folder -> name and size of each), files of the snapshot that are gone, and what is
    neither file nor folder."""

    files: Dict[str, List[Tuple[str, int]]]
    deleted: List[str]
    skipped: List[str]
