"""The job's own copy of a snapshot: every byte verified, whole or not at all.

Standard library and the lowest layer only: this runs at the start of every job, where no package may be
installed. Copies, never hard links: a job that edits its files must not reach the store.
"""

import hashlib
import json
import os
from typing import Any, Dict, List, Set

from espalier.canonical import digest_bytes
from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths, partial

_WHOLE = 8 << 20
_CHUNK = 1 << 20
_MODES = {"f": 0o644, "x": 0o755}
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def materialise(workspace_root: str, snapshot_id: str, dest: str) -> None:
    """Copies a snapshot into a new folder.

    Args:
        workspace_root: The workspace's folder.
        snapshot_id: `sha256:<64 hex digits>`.
        dest: The folder to make; it may exist when it is empty. `<dest>.part` beside it is used and removed.

    Raises:
        EspalierError: `snapshot_damaged` when the manifest or a file of it is missing, was edited or
            truncated, or the manifest names a place outside; `file_exists` when dest holds something.
    """
    paths = WorkspacePaths(workspace_root)
    entries = _entries(paths, snapshot_id)
    _check_paths(paths, entries, snapshot_id)
    part = partial(dest)
    try:
        try:
            os.mkdir(part)
        except FileExistsError:  # left by a runner that was killed here
            _remove(part)
            os.mkdir(part)
        writer = _Writer(part)
        try:
            for entry in entries:
                _write_entry(paths, writer, entry, snapshot_id)
        finally:
            writer.close()
        os.rename(part, dest)
    except OSError as error:
        _remove(part)
        if os.path.isdir(dest) and os.listdir(dest):
            message = f"The working copy cannot be made, {dest} is there already and not empty."
            raise EspalierError("file_exists", message, "Remove it.", path=dest) from error
        raise
    except BaseException:
        _remove(part)
        raise


def _entries(paths: WorkspacePaths, snapshot_id: str) -> List[List[Any]]:
    path = paths.tree(snapshot_id[7:])
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise _damaged(snapshot_id, "the file list", path, error.strerror or "it cannot be read") from error
    if digest_bytes(data) != snapshot_id:
        raise _damaged(snapshot_id, "the file list", path, "the content does not match its digest")
    manifest: Dict[str, Any] = json.loads(data)
    if manifest.get("format", 0) > 1:
        raise EspalierError(
            "newer_format", f"Snapshot {snapshot_id} was written by a newer espalier.", "Update espalier.", path=path
        )
    entries: List[List[Any]] = manifest["entries"]
    return entries


def _check_paths(paths: WorkspacePaths, entries: List[List[Any]], snapshot_id: str) -> None:
    """Refuses a manifest that would write outside the folder: ours never do, a copied one may."""
    links = {entry[0] for entry in entries if entry[1] == "l"}
    seen: Set[str] = set()
    for path, kind, content, _ in entries:
        parts = path.split("/")
        if not path or path in seen or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
            raise _damaged(snapshot_id, repr(path), paths.tree(snapshot_id[7:]), "this is no path inside the snapshot")
        if kind not in ("f", "x", "l") or (kind != "l" and not _is_hex(content)):
            raise _damaged(snapshot_id, path, paths.tree(snapshot_id[7:]), "the entry is not understood")
        if links:
            at = path.find("/")
            while at >= 0:
                if path[:at] in links:
                    raise _damaged(
                        snapshot_id, path, paths.tree(snapshot_id[7:]), f"the path goes through the link {path[:at]}"
                    )
                at = path.find("/", at + 1)
        seen.add(path)


def _is_hex(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


class _Writer:
    """Makes folders as they are needed and opens files in them, at any depth."""

    def __init__(self, root: str) -> None:
        self.root = os.fsencode(root)
        self._made: Set[str] = {""}
        self._folder, self._fd = "", os.open(root, _FOLDER)

    def place(self, path: str) -> bytes:
        """Moves to the folder of `path` and returns its last part, to be used with `fd`."""
        folder, _, name = path.rpartition("/")
        if folder != self._folder:
            self._go(folder)
        return name.encode("utf-8")

    @property
    def fd(self) -> int:
        return self._fd

    def _go(self, folder: str) -> None:
        if self._folder and folder.startswith(self._folder + "/"):
            rest = folder[len(self._folder) + 1 :]
        else:
            self._move(os.open(self.root, _FOLDER))
            rest = folder
        at = len(folder) - len(rest)
        for part in rest.split("/") if rest else ():
            name = part.encode("utf-8")
            at += len(part) + 1
            if folder[: at - 1] not in self._made:
                os.mkdir(name, 0o755, dir_fd=self._fd)
                self._made.add(folder[: at - 1])
            self._move(os.open(name, _FOLDER, dir_fd=self._fd))
        self._folder = folder

    def _move(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        os.close(self._fd)


def _write_entry(paths: WorkspacePaths, writer: _Writer, entry: List[Any], snapshot_id: str) -> None:
    path, kind, content, size = entry
    name = writer.place(path)
    if kind == "l":
        os.symlink(content.encode("utf-8"), name, dir_fd=writer.fd)
        return
    blob = paths.blob(content)
    try:
        source = os.open(blob, os.O_RDONLY)
    except OSError as error:
        raise _damaged(snapshot_id, path, blob, error.strerror or "it cannot be read") from error
    try:
        to = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODES[kind], dir_fd=writer.fd)
        try:
            seen = _copy(source, to, size)
            os.fchmod(to, _MODES[kind])  # the mode belongs to the snapshot, not to the umask
        finally:
            os.close(to)
    finally:
        os.close(source)
    if seen != content:
        raise _damaged(snapshot_id, path, blob, "the content does not match its digest")


def _copy(source: int, to: int, size: int) -> str:
    """Copies what is there and returns its hex digest; one read and one write for a small file."""
    sha = hashlib.sha256()
    wanted = size + 1 if size < _WHOLE else _CHUNK
    while True:
        data = os.read(source, wanted)
        if not data:
            return sha.hexdigest()
        sha.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(to, view) :]


def _damaged(snapshot_id: str, name: str, where: str, seen: str) -> EspalierError:
    return EspalierError(
        "snapshot_damaged",
        f"Snapshot {snapshot_id} is damaged: {name} ({where}): {seen}.",
        f"Remove {where} if it exists, and submit again from the source directory; that stores it anew.",
        path=name,
        snapshot=snapshot_id,
    )


def _remove(folder: str) -> None:
    import shutil  # 5 ms to load, and needed only after a failure

    shutil.rmtree(folder, ignore_errors=True)
