"""What a walk over a source folder found, and opening its folders again after the walk."""

import os
from functools import cached_property
from typing import Dict, List, NamedTuple, Optional, Protocol, Tuple

from espalier.base.errors import EspalierError
from espalier.snapshot.ignore import Decision, IgnoreRules
from espalier.store.objects import ObjectWriter

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


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
        rules: What was to be left out.
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


class Opener:
    """Opens folders of the source part by part, so that one swapped for a link is never entered."""

    def __init__(self, source: str) -> None:
        self._root = os.open(source, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        self._folder, self._fd = "", os.dup(self._root)
        self._outside: Optional[Opener] = None

    def open_for(self, path: str, origin: str) -> Tuple[int, str]:
        """The open folder of a file, and its name there.

        Args:
            path: The file's path relative to the source.
            origin: Where it lies if a link led there, its real path; else empty.
        """
        if origin:
            if self._outside is None:
                self._outside = Opener("/")
            return self._outside.open_for(origin[1:], "")
        folder, _, name = path.rpartition("/")
        return self.open(folder), name

    def open(self, folder: str) -> int:
        """The open folder; it stays open until the next call."""
        if folder == self._folder:
            return self._fd
        # Files come sorted, so the next folder often lies in this one.
        if self._folder and folder.startswith(self._folder + "/"):
            rest = folder[len(self._folder) + 1 :]
        else:
            self._move(os.dup(self._root))
            rest = folder
        for part in rest.split("/") if rest else ():
            try:
                self._move(os.open(part.encode("utf-8", "surrogateescape"), _FOLDER, dir_fd=self._fd))
            except OSError as error:
                message = f"Can't take a snapshot: the folder {folder} was replaced or removed meanwhile."
                raise EspalierError("source_changed", message, "Submit again.", path=folder) from error
        self._folder = folder
        return self._fd

    def _move(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._root)
        if self._outside is not None:
            self._outside.close()
