"""The walk over a source folder: what a snapshot would hold, what it leaves out, what it must refuse.

The walk keeps one folder open at a time and climbs back by `..`, so neither the recursion limit, nor the
longest path a system call takes, nor the number of open files bounds the depth; and a folder swapped for
a link while it runs is never entered.
"""

import os
import stat
import time
from typing import FrozenSet, List, NamedTuple, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.base.progress import report
from espalier.snapshot.defaults import RECORDS, own_folder
from espalier.snapshot.entries import Entry, Excluded, Scan, Walked
from espalier.snapshot.file_names import ignore_line, is_utf8, shown, special_kind
from espalier.snapshot.ignore import OWN_FILE, IgnoreRules
from espalier.snapshot.native import native_walk
from espalier.snapshot.outside import Copies, settle_links
from espalier.snapshot.plain import Node, PlainWalk, entry_of
from espalier.snapshot.statcache import state_of

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def scan(source: str, rules: IgnoreRules, outside_links: str = "refuse") -> Scan:
    """Walks a source folder.

    Returns:
        The files and links that belong to the snapshot, and what is left out by which rule.

    Raises:
        EspalierError: `source_missing` when there is no such folder, `source_unreadable` when something
            in it cannot go into a snapshot (the message says how to leave it out).
    """
    if os.scandir not in os.supports_fd:
        raise EspalierError("not_supported", "Can't take snapshots on this system yet.")
    began_ns = time.time_ns()
    walked: Optional[Walked] = native_walk(source, began_ns, rules, outside_links)
    if walked is None:
        walk = _Walk(source, rules)
        walk.run(_open_source(source), "")
        settle_links(walk, source, rules, outside_links)
        walk.nodes.sort()
        walk.excluded.sort()
        walked = PlainWalk(source, began_ns, walk.nodes, walk.excluded)
    return Scan(source, rules, walked)


class _Frame(NamedTuple):
    """A folder on the way down: its path with a `/` at the end, its identity, its folders still to do."""

    prefix: str
    identity: Tuple[int, int]
    todo: List[str]


class _Walk:
    def __init__(self, source: str, rules: IgnoreRules) -> None:
        self.source = source
        self.rules = rules
        self.nodes: List[Node] = []
        self.excluded: List[Excluded] = []
        # what the paths below a folder that a link led to begin with, and where it lies
        self._copied = ("", "")

    def run(self, fd: int, prefix: str) -> None:
        """Walks an open folder, which is closed, as if it lay at a path of the snapshot."""
        try:
            stack = [self._list(fd, prefix)]
            while stack:
                if stack[-1].todo:
                    prefix, name = stack[-1].prefix, stack[-1].todo.pop()
                    fd = _move(fd, self._enter(fd, prefix + name, name))
                    stack.append(self._list(fd, prefix + name + "/"))
                else:
                    stack.pop()
                    if stack:
                        fd = _move(fd, self._climb(fd, stack[-1]))
        finally:
            os.close(fd)

    def links(self) -> List[Entry]:
        """The links; see `Walking`."""
        return [entry_of(node) for node in self.nodes if stat.S_ISLNK(node.state[5])]

    def replace(self, by: Copies) -> List[Entry]:
        """Puts files and folders in the place of links; see `Walking`."""
        gone = {item[0] for kind in by for item in kind}
        self.nodes = [node for node in self.nodes if node.path not in gone]
        self.nodes += [Node(path, state_of(seen), real) for path, real, seen in by.files]
        self.excluded += by.left_out
        before = len(self.nodes)
        for path, real in by.folders:
            self._copied = (path + "/", real.rstrip("/") + "/")
            self.run(self._open_real(path, real), path + "/")
        return [entry_of(node) for node in self.nodes[before:] if stat.S_ISLNK(node.state[5])]

    def _open_real(self, path: str, real: str) -> int:
        try:
            return os.open(real.encode("utf-8", "surrogateescape"), _FOLDER)
        except OSError as error:
            problem = f"leads to {shown(real)}, which can't be opened: {error.strerror}"
            raise self._refuse(path, problem, False) from error

    def _enter(self, fd: int, path: str, name: str) -> int:
        try:
            return os.open(os.fsencode(name), _FOLDER, dir_fd=fd)
        except OSError as error:
            raise self._refuse(path, f"can't be opened: {error.strerror}", True) from error

    def _climb(self, fd: int, above: _Frame) -> int:
        parent = os.open("..", _FOLDER, dir_fd=fd)
        seen = os.fstat(parent)
        if (seen.st_dev, seen.st_ino) != above.identity:
            os.close(parent)
            raise EspalierError(
                "source_changed",
                f"Can't take a snapshot of {self.source}: {above.prefix or '.'} was moved meanwhile.",
                "Submit again.",
                path=above.prefix,
            )
        return parent

    def _list(self, fd: int, prefix: str) -> _Frame:
        """Sorts a folder's entries into files, excluded and folders still to do."""
        status = os.fstat(fd)
        frame = _Frame(prefix, (status.st_dev, status.st_ino), [])
        try:
            with os.scandir(fd) as found:
                entries = list(found)
                marker = _marker(fd, frozenset(entry.name for entry in entries))
                if prefix and marker:
                    decision = self.rules.decide_here(prefix[:-1], True, marker)
                    if decision.excluded:
                        self.excluded.append(Excluded(prefix[:-1], True, decision))
                        return frame
                for entry in entries:
                    self._take(fd, entry, frame, "" if prefix else marker)
        except OSError as error:
            raise self._refuse(prefix[:-1], f"can't be listed: {error.strerror}", True) from error
        return frame

    def _take(self, fd: int, entry: "os.DirEntry[str]", frame: _Frame, marker: Optional[str]) -> None:
        report("Looking for files", len(self.nodes))
        path = frame.prefix + entry.name
        is_dir = entry.is_dir(follow_symlinks=False)
        record = self.rules.decide_record(entry.name, marker) if marker in RECORDS else None
        decision = record or self.rules.decide_here(path, is_dir)
        if decision.excluded:
            self.excluded.append(Excluded(path, is_dir, decision))
            return
        if not entry.name.isascii() and not is_utf8(entry.name):
            raise self._refuse(path, "has a name that is not UTF-8", is_dir)
        if is_dir:
            frame.todo.append(entry.name)
            return
        try:
            seen = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # an editor's temporary file, gone since the folder was listed
        if stat.S_ISLNK(seen.st_mode):
            target = os.readlink(os.fsencode(entry.name), dir_fd=fd).decode("utf-8", "surrogateescape")
            self.nodes.append(Node(path, state_of(seen), target))
        elif stat.S_ISREG(seen.st_mode):
            prefix, real = self._copied
            self.nodes.append(Node(path, state_of(seen), real and real + path[len(prefix) :]))
        else:
            raise self._refuse(path, f"is {special_kind(seen.st_mode)}, neither file, folder nor link", False)

    def _refuse(self, path: str, problem: str, is_dir: bool) -> EspalierError:
        return EspalierError(
            "source_unreadable",
            f"Can't take a snapshot of {self.source}: {shown(path) or '.'} {problem}.",
            f"Remove or rename it, or leave it out of the snapshot with the line {ignore_line(path, is_dir)} in "
            f"{OWN_FILE}.",
            path=shown(path),
        )


def _open_source(source: str) -> int:
    try:
        return os.open(source, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise EspalierError(
            "source_missing",
            f"Can't use the source directory {source}: it {'does not exist' if missing else 'is not a folder'}.",
            "Give the folder that holds the training script as source_directory.",
            path=source,
        ) from error
    except (OSError, ValueError) as error:
        raise EspalierError(
            "source_unreadable", f"Can't open the source directory {source}: {error}.", path=source
        ) from error


def _move(old: int, new: int) -> int:
    os.close(old)
    return new


def _marker(fd: int, names: FrozenSet[str]) -> Optional[str]:
    """What kind of left-out folder this is by its contents, None for an ordinary one."""
    return own_folder(fd, names) or ("venv" if "pyvenv.cfg" in names else None)
