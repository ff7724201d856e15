"""What of a snapshot is not committed: its files are compared with those of the commit, by git's ids of contents.

Files that are as git's index has them have its ids. Of the others the contents are read, from the store, and no filter
of the repository's is applied to them. A file also counts as committed with the line ends of Windows in place of those
of Unix, and where the commit has a pointer of Git LFS to it.
"""

import hashlib
import os
import re
import stat
from typing import Dict, List, NamedTuple, Optional, Tuple

from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths
from espalier.snapshot.found import Scan
from espalier.snapshot.git import File, Git, GitCall, GitMissing, GitProblem, GitState, as_file
from espalier.store.packs import Damaged, ObjectReader
from espalier.store.plain import open_stored
from espalier.store.trees import Entry, SnapshotFolders

# Of larger files line ends are not looked at, and no diff is shown, bytes.
LARGEST = 4 << 20
_LARGEST_POINTER = 1024
_CHUNK = 1 << 20
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize \d+\n")
_NONE = ("", "", 0)
# How reading the store may fail.
UNREADABLE = (Damaged, EspalierError, OSError)


class Change(NamedTuple):
    """A file or link that differs, by its path from the source folder: as the commit has it, and its kind in the
    snapshot; None where there is none."""

    path: str
    before: Optional[File]
    after: Optional[str]


class Changes(NamedTuple):
    """What is not committed. Files that git does not track are apart. `left_out` is the number of committed files that
    rules leave out of the snapshot."""

    call: GitCall
    stored: "Stored"
    changed: List[Change]
    untracked: List[str]
    left_out: int


class Stored:
    """The files of a snapshot in the store. Each method may fail as `UNREADABLE` lists.

    Args:
        paths: The workspace.
        snapshot_id: `sha256:<64 hex digits>`.
    """

    def __init__(self, paths: WorkspacePaths, snapshot_id: str) -> None:
        self._paths = paths
        self._reader = ObjectReader(paths)
        self._folders = SnapshotFolders(paths, snapshot_id, self._reader)
        self._found: Dict[str, Entry] = {}

    def find(self, path: str) -> Entry:
        """The kind of a file or link (`f`, `x`, `l`; empty for none), its SHA-256 (of a link its target), its size."""
        if path not in self._found:
            folder, slash, name = path.rpartition("/")
            found = self._folders.entries(folder + slash).get(name, _NONE)
            self._found[path] = _NONE if found[0] == "d" else found
        return self._found[path]

    def data(self, path: str) -> bytes:
        """The content of a file, or the target of a link."""
        kind, content, _ = self.find(path)
        return content.encode("utf-8", "surrogateescape") if kind == "l" else self._reader.read(content)

    def git_id(self, path: str, algorithm: str, git: Git) -> str:
        """The id that git gives the content of a file of any size, or of a link."""
        _, content, size = self.find(path)
        if size <= LARGEST:
            return git_id(self.data(path), algorithm)
        sha = hashlib.new(algorithm, b"blob %d\0" % size)
        with open(open_stored(self._paths.blob(content)), "rb") as file:
            for chunk in iter(lambda: file.read(_CHUNK), b""):
                git.refuse_late()
                sha.update(chunk)
        return sha.hexdigest()

    def close(self) -> None:
        """Close the files of the store."""
        self._reader.__exit__()


def git_id(data: bytes, algorithm: str) -> str:
    """The id that git gives a content."""
    return hashlib.new(algorithm, b"blob %d\0" % len(data) + data).hexdigest()


def lfs_content(data: bytes) -> Optional[str]:
    """The SHA-256 that a pointer of Git LFS names; None if the data is no pointer."""
    pointer = _POINTER.fullmatch(data)
    return pointer.group(1).decode("ascii") if pointer else None


def unix_ends(data: bytes) -> bytes:
    """A content with line ends of Unix."""
    return data.replace(b"\r\n", b"\n")


def compare_with_commit(
    call: GitCall, paths: WorkspacePaths, scan: Scan, snapshot_id: str
) -> Tuple[Optional[GitState], Optional[Changes]]:
    """Compare a snapshot with the commit that is current in its source folder.

    Args:
        call: What was asked of git; it is waited for.
        paths: The workspace.
        scan: The walk that the snapshot was made from.
        snapshot_id: The snapshot, which is in the store.

    Returns:
        The state for the run's record, with `problem` where something could not be found out; None without a repository
        or git. And the changes; None where there are none, or no commit.
    """
    try:
        call.wait()
        changes = _changes(call, call.git(), Stored(paths, snapshot_id), scan)
    except GitMissing:
        return None, None
    except GitProblem as error:
        return {**call.state, "problem": str(error)}, None
    except UNREADABLE:
        return {**call.state, "problem": "the snapshot could not be read"}, None
    except (ValueError, IndexError):  # another git than those known
        return {**call.state, "problem": "what git answered is not understood"}, None
    dirty = bool(changes.changed or changes.untracked)
    return {**call.state, "dirty": dirty}, changes if dirty and call.state["commit"] else None


def _changes(call: GitCall, git: Git, stored: Stored, scan: Scan) -> Changes:
    rows = scan.walked.against_index(call.index, call.prefix(), hashlib.new(call.algorithm).digest_size)
    if rows is None:
        raise GitProblem("git's index is damaged, or split in two")
    tracked = {path: as_file(mode, content.hex()) for path, mode, content in rows}
    submodules = tuple(path + "/" for path, file in tracked.items() if file and file[0] == "m")
    changed: List[Change] = []
    doubtful: List[Tuple[Change, str]] = []
    untracked: List[str] = []
    left_out = 0
    for path, file in {**tracked, **call.staged}.items():
        kind = stored.find(path)[0]
        change = Change(path, file, kind or None)
        if file is None:
            if kind and (path in call.staged or tracked[path]):
                changed.append(change)
            elif kind and not path.startswith(submodules):
                untracked.append(path)
        elif not kind:
            excluded = scan.why_excluded(path) is not None
            if not excluded and file[0] != "m" and _is_missing(os.path.join(scan.source, path)):
                excluded = scan.rules.decide(path, False).excluded
                changed += [] if excluded else [change]
            left_out += excluded
        elif kind != file[0] and (call.modes_count or {kind, file[0]} != {"f", "x"}):
            changed.append(change)
        else:
            doubtful.append((change, file[1]))
    changed += _different(doubtful, call.algorithm, git, stored)
    ignored = git.ignored(sorted(untracked))
    return Changes(call, stored, sorted(changed), sorted(set(untracked) - ignored), left_out)


def _different(doubtful: List[Tuple[Change, str]], algorithm: str, git: Git, stored: Stored) -> List[Change]:
    """Those whose content is not that of the id."""
    if not doubtful:
        return []
    sizes, pointers = git.contents({name for _, name in doubtful}, _LARGEST_POINTER)
    different = []
    for change, name in doubtful:
        git.refuse_late()
        _, content, size = stored.find(change.path)
        committed_size, pointed = sizes.get(name, size), lfs_content(pointers.get(name, b""))
        if change.after == "l" or committed_size == size:
            same = stored.git_id(change.path, algorithm, git) == name
        elif pointed is not None:
            same = content == pointed
        else:
            same = committed_size < size <= LARGEST and git_id(unix_ends(stored.data(change.path)), algorithm) == name
        if not same:
            different.append(change)
    return different


def _is_missing(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return True
