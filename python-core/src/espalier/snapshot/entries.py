"""What a walk over a source folder found."""

from functools import cached_property
from typing import Dict, List, NamedTuple, Optional, Protocol, Tuple

from espalier.snapshot.ignore import Decision, IgnoreRules
from espalier.store.objects import ObjectWriter


class Entry(NamedTuple):
    """One file or link of the snapshot; `path` is relative, with `/`; `kind` is `file` or `link`.

    `origin` is where the content lies (its real path) if a link led there; else empty.
    """

    path: str
    kind: str
    executable: bool
    size: int
    mtime_ns: int
    target: str
    origin: str = ""


class Excluded(NamedTuple):
    """One path that is left out; of a folder only the folder itself is listed."""

    path: str
    is_dir: bool
    decision: Decision


class Totals(NamedTuple):
    """Number of files and links, their size in bytes, and path and size of the three largest files."""

    files: int
    bytes: int
    largest: List[Tuple[str, int]]


class Walked(Protocol):
    """What a walk found, and how it goes into the store; see `PlainWalk`."""

    def entries(self) -> List[Entry]: ...

    def links(self) -> List[Entry]: ...

    def excluded(self) -> List[Excluded]: ...

    def settle(self, cache: bytes) -> Optional[str]: ...

    def store(self, writer: ObjectWriter) -> str: ...

    def remember(self) -> bytes: ...

    def totals(self) -> Totals: ...


class Scan:
    """What a snapshot of a folder would hold and leave out.

    Args:
        source: The folder.
        rules: What was to be left out.
        walked: What the walk found.
    """

    def __init__(self, source: str, rules: IgnoreRules, walked: Walked) -> None:
        self.source = source
        self.rules = rules
        self.walked = walked
        self._by_path: Dict[str, Excluded] = {}

    @cached_property
    def files(self) -> List[Entry]:
        """The files and links, sorted by path; made when they are first asked for."""
        return self.walked.entries()

    @cached_property
    def excluded(self) -> List[Excluded]:
        """What is left out, sorted by path."""
        return self.walked.excluded()

    def why_excluded(self, path: str) -> Optional[Excluded]:
        """The entry that leaves a path out: its own or that of a folder above; None when nothing does.

        Args:
            path: The path relative to the source, with `/`.

        Returns:
            The excluded path and the decision about it, or None.
        """
        if self.excluded and not self._by_path:
            self._by_path.update((item.path, item) for item in self.excluded)
        at = path.find("/")
        while at >= 0:
            if path[:at] in self._by_path:
                return self._by_path[path[:at]]
            at = path.find("/", at + 1)
        return self._by_path.get(path)
