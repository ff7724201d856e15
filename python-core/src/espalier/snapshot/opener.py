"""Opening the folders of a source again, after the walk."""

import os
from typing import Optional, Tuple

from espalier.base.errors import EspalierError

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


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
                message = f"The folder {folder} was replaced or removed while the snapshot was taken."
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
