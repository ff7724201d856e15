"""The job's own copy of a snapshot: every byte verified, whole or not at all.

Standard library only: this runs at the start of every job, where no package may be installed. Copies (sharing blocks
until one is written to, where the file system can), never hard links: a job that edits its files must not reach the
store.
"""

import contextlib
import os
from typing import Any, Dict, List, Set

from espalier.adapters.copying import clone
from espalier.base.errors import EspalierError
from espalier.base.hashing import load_for, sha256
from espalier.base.paths import WorkspacePaths, partial
from espalier.base.progress import check
from espalier.base.records import FOLDER_MODE, write_all
from espalier.store.packs import Damaged, ObjectReader, open_stored, pack_files
from espalier.store.trees import damage, read_tree

_WHOLE = 8 << 20
_CHUNK = 1 << 20
_BATCH = 256  # entries
_THREADS = 8
_MODES = {"f": 0o644, "x": 0o755}
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def materialise(workspace_root: str, snapshot_id: str, dest: str) -> None:
    """Copies a snapshot into a new folder.

    Args:
        snapshot_id: `sha256:<64 hex digits>`.
        dest: The folder to make; it may exist when it is empty. `<dest>.part` beside it is used and removed.

    Raises:
        EspalierError: `snapshot_damaged` when the manifest or a file of it is missing, was edited or
            truncated, or the manifest names a place outside; `file_exists` when dest holds something.
    """
    paths = WorkspacePaths(workspace_root)
    entries: List[List[Any]] = read_tree(paths, snapshot_id)["entries"]
    part = partial(dest)
    try:
        try:
            os.mkdir(part, FOLDER_MODE)
        except FileExistsError:  # left by a runner that was killed here
            _remove(part)
            os.mkdir(part, FOLDER_MODE)
        _fill(paths, snapshot_id, entries, part)
        os.rename(part, dest)
    except OSError as error:
        _remove(part)
        if os.path.isdir(dest) and os.listdir(dest):
            message = f"Can't create the working copy: {dest} isn't empty."
            raise EspalierError("file_exists", message, "Remove it.", path=dest) from error
        raise
    except BaseException:
        _remove(part)
        raise


def _fill(paths: WorkspacePaths, snapshot_id: str, entries: List[List[Any]], folder: str) -> None:
    if len(entries) >= _BATCH or any(entry[3] > _WHOLE for entry in entries):
        entries = _fill_natively(paths, entries, folder)
    load_for(sum(entry[3] for entry in entries))
    batches = _batches(entries)
    failures: List[BaseException] = []

    def work() -> None:
        """Takes batches until there are no more, or one of the threads has failed."""
        try:
            writer = _Writer(folder)
            try:
                with ObjectReader(paths) as reader:
                    source = _Source(paths, reader)
                    while batches and not failures:
                        _write_batch(paths, snapshot_id, batches, source, writer)
            finally:
                writer.close()
        except BaseException as error:  # an interrupt too ends the other threads first
            failures.append(error)

    if len(batches) == 1:
        work()
    else:
        from threading import Thread  # for the few snapshots that are worth it

        threads = [Thread(target=work) for _ in range(min(_THREADS, os.cpu_count() or 1, len(batches)) - 1)]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            while thread.is_alive():
                try:
                    thread.join()
                except BaseException as error:  # an interrupt: the others stop soon
                    failures.append(error)
    if failures:
        raise failures[0]


def _fill_natively(paths: WorkspacePaths, entries: List[List[Any]], folder: str) -> List[List[Any]]:
    """Writes what the native scanner writes, and returns what is left: links, and all that is out of the ordinary."""
    from espalier.base.accel import native

    scanner = native()
    if scanner is None:
        return entries
    numbers: Dict[str, int] = {"": 0}
    files, left = [], []
    for entry in entries:
        path, kind, content, size = entry
        above, _, name = path.rpartition("/")
        if kind == "l":
            left.append(entry)
            continue
        missing = []
        while above not in numbers:
            missing.append(above)
            above = above.rpartition("/")[0]
        for one in reversed(missing):  # a folder comes after the one above it
            numbers[one] = len(numbers)
        number = numbers[path.rpartition("/")[0]]
        files.append((number, name.encode("utf-8"), bytes.fromhex(content), size, kind == "x", entry))
    folders = [(path + "/").encode("utf-8") if path else b"" for path in numbers]
    given = [file[:5] for file in files]
    top, blobs = os.fsencode(folder), os.fsencode(paths.blobs)
    undone = scanner.fill(top, folders, given, blobs, pack_files(paths), check)
    return entries if undone is None else left + [files[at][5] for at in undone]


def _batches(entries: List[List[Any]]) -> List[List[List[Any]]]:
    """Entries to be written by one thread, in order; those to be taken first are the last: each large file alone."""
    large = sorted((entry for entry in entries if entry[3] > _WHOLE), key=lambda entry: int(entry[3]))
    small = [entry for entry in entries if entry[3] <= _WHOLE]
    batches = [small[at : at + _BATCH] for at in range(0, len(small), _BATCH)]
    return [*reversed(batches), *([entry] for entry in large)] or [[]]


def _write_batch(
    paths: WorkspacePaths, snapshot_id: str, batches: List[List[List[Any]]], source: "_Source", writer: "_Writer"
) -> None:
    try:
        batch = batches.pop()
    except IndexError:  # another thread was faster
        return
    for entry in batch:
        check()
        try:
            _write_entry(source, writer, entry)
        except Damaged as error:
            raise damage(paths, snapshot_id, entry[0], error.where, error.seen) from error


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
                with contextlib.suppress(FileExistsError):  # another thread made it
                    os.mkdir(name, 0o755, dir_fd=self._fd)
                self._made.add(folder[: at - 1])
            self._move(os.open(name, _FOLDER, dir_fd=self._fd))
        self._folder = folder

    def _move(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        os.close(self._fd)


class _Source:
    """Copies objects of the store into files that are open for writing, and verifies them on the way."""

    def __init__(self, paths: WorkspacePaths, reader: ObjectReader) -> None:
        self._paths = paths
        self._reader = reader

    def copy(self, hex_digest: str, size: int, to: int) -> None:
        """Copies one object of so many bytes. Raises Damaged: it is missing, or not what its digest says."""
        data = self._reader.verified_slice(hex_digest)
        if data is not None:
            write_all(to, data)
            return
        path = self._paths.blob(hex_digest)
        try:
            source = open_stored(path)
        except OSError as error:
            raise self._reader.missing(hex_digest, error) from error
        try:
            if os.fstat(source).st_size != size or _copy(source, to) != hex_digest:
                raise Damaged(path, "the content does not match its digest")
        finally:
            os.close(source)


def _write_entry(source: _Source, writer: _Writer, entry: List[Any]) -> None:
    path, kind, content, size = entry
    name = writer.place(path)
    if kind == "l":
        os.symlink(content.encode("utf-8"), name, dir_fd=writer.fd)
        return
    to = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODES[kind], dir_fd=writer.fd)
    try:
        source.copy(content, size, to)
        os.fchmod(to, _MODES[kind])  # the mode belongs to the snapshot, not to the umask
    finally:
        os.close(to)


def _copy(source: int, to: int) -> str:
    """Copies a file and returns the hex digest of the copy: shared blocks where the file system can, else bytes."""
    seen = os.fstat(source)
    if clone(source, to):
        source, copied = to, True
    else:
        copied = False
    sparse = seen.st_blocks * 512 < seen.st_size
    sha = sha256()
    wanted = seen.st_size + 1 if seen.st_size < _WHOLE else _CHUNK
    while True:
        data = os.read(source, wanted)
        if not data:
            break
        sha.update(data)
        if copied:
            continue
        if sparse and not data.strip(b"\0"):
            os.lseek(to, len(data), os.SEEK_CUR)
        else:
            write_all(to, data)
    if sparse and not copied:
        os.ftruncate(to, seen.st_size)
    return str(sha.hexdigest())


def _remove(folder: str) -> None:
    import shutil  # 5 ms to load, and needed only after a failure

    shutil.rmtree(folder, ignore_errors=True)
