"""What a walk over a source folder found."""

from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional

from espalier.snapshot.ignore import Decision


class Entry(NamedTuple):
    """One file or link of the snapshot; `path` is relative, with `/`; `kind` is `file` or `link`."""

    path: str
    kind: str
    executable: bool
    size: int
    mtime_ns: int
    target: str


class Excluded(NamedTuple):
    """One path that is left out; of a folder only the folder itself is listed."""

    path: str
    is_dir: bool
    decision: Decision


@dataclass(frozen=True)
class Scan:
    """What a walk found, sorted by path; `ignore_file` is where a further rule belongs."""

    source: str
    ignore_file: str
    files: List[Entry]
    excluded: List[Excluded]
    _by_path: Dict[str, Excluded] = field(default_factory=dict, repr=False, compare=False)

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

    def excluded_because(self, path: str) -> Optional[str]:
        """The rule that leaves a path out and where it is written; None when nothing does.

        Args:
            path: The path relative to the source, with `/`.

        Returns:
            For example `data/ (.gitignore:3)`.
        """
        item = self.why_excluded(path)
        return f"{item.decision.rule} ({item.decision.origin})" if item else None
