"""What a walk in Python found, and how it goes into the store: the twin of the native scanner."""

import hashlib
import heapq
import stat
from typing import Any, Dict, List, NamedTuple, Optional

from espalier.base.progress import report
from espalier.snapshot import statcache
from espalier.snapshot.entries import Entry, Excluded, Opener, Totals
from espalier.snapshot.statcache import Known, StatCache, State, pack, state_of, unpack
from espalier.store.blobs import put_file
from espalier.store.objects import ObjectWriter
from espalier.store.trees import tree_bytes


class Node(NamedTuple):
    """One file or link: path relative to the folder, state when it was last looked at, target of a link.

    Of a file that a link out of the folder led to, `target` is where it lies: its real path.
    """

    path: str
    state: State
    target: str


class PlainWalk:
    """The result of a walk.

    Args:
        began_ns: When the walk began, nanoseconds since 1970.
        nodes: All files and links that belong to the snapshot, sorted by path.
        excluded: What is left out, sorted by path.
    """

    def __init__(self, source: str, began_ns: int, nodes: List[Node], excluded: List[Excluded]) -> None:
        self._source = source
        self._began_ns = began_ns
        self._nodes = nodes
        self._excluded = excluded
        self._digests: List[Optional[bytes]] = []
        self._trees: Dict[str, bytes] = {}

    def entries(self) -> List[Entry]:
        """The files and links."""
        return [entry_of(node) for node in self._nodes]

    def links(self) -> List[Entry]:
        """The links alone."""
        return [entry_of(node) for node in self._nodes if stat.S_ISLNK(node.state[5])]

    def excluded(self) -> List[Excluded]:
        """What is left out."""
        return self._excluded

    def settle(self, cache: bytes) -> Optional[str]:
        """Takes over the digests of what has not changed.

        Args:
            cache: What is known of the folder, as `read_cache` returns it; empty when nothing is.

        Returns:
            The hex digest of the root's tree when nothing at all has changed, else None.
        """
        known = unpack(cache)
        if known is None:
            self._digests = [None] * len(self._nodes)
            return None
        safe_ns, entries = known.began_ns - statcache.RACY_NS, known.entries
        self._digests = [_digest_if_same(node, entries.get(node.path), safe_ns) for node in self._nodes]
        unchanged = len(entries) == len(self._nodes) and None not in self._digests
        return known.root.hex() if unchanged else None

    def store(self, writer: ObjectWriter) -> str:
        """Puts what is not known into the store, and all trees.

        Args:
            writer: Takes the contents.

        Returns:
            The hex digest of the root's tree.

        Raises:
            EspalierError: `source_changed`, `source_unreadable`, `workspace_read_only`.
        """
        opener = Opener(self._source)
        done = 0
        total = sum(node.state[2] for node, digest in zip(self._nodes, self._digests) if digest is None)
        try:
            for at, node in enumerate(self._nodes):
                if self._digests[at] is None:
                    report("Storing the snapshot", done, total)
                    done += node.state[2]
                    self._digests[at] = self._read(at, writer, opener)
        finally:
            opener.close()
        return self._store_trees(writer)

    def _read(self, at: int, writer: ObjectWriter, opener: Opener) -> bytes:
        node = self._nodes[at]
        if stat.S_ISLNK(node.state[5]):
            return hashlib.sha256(node.target.encode("utf-8")).digest()
        fd, name = opener.open_for(node.path, node.target)
        stored = put_file(writer, name, fd, node.path)
        self._nodes[at] = node._replace(state=state_of(stored.seen))
        return bytes.fromhex(stored.digest)

    def _store_trees(self, writer: ObjectWriter) -> str:
        folders: Dict[str, List[List[Any]]] = {"": []}
        for node, digest in zip(self._nodes, self._digests):
            folder, _, name = node.path.rpartition("/")
            above = folder
            while above not in folders:
                folders[above] = []
                above = above.rpartition("/")[0]
            _, _, size, _, _, mode = node.state
            if stat.S_ISLNK(mode):
                folders[folder].append([name, "l", node.target, 0])
            else:
                folders[folder].append([name, "x" if mode & stat.S_IXUSR else "f", (digest or b"").hex(), size])
        self._trees = {}
        for folder in sorted(folders, reverse=True):  # what lies below a folder comes before it
            tree = writer.add(tree_bytes(folders[folder]))
            self._trees[folder] = bytes.fromhex(tree)
            if folder:
                above, _, name = folder.rpartition("/")
                folders[above].append([name, "d", tree, 0])
        return tree

    def remember(self) -> bytes:
        """What is known now, for `write_cache`; after `store`."""
        known = {node.path: Known(node.state, digest or b"") for node, digest in zip(self._nodes, self._digests)}
        return pack(StatCache(self._began_ns, self._trees[""], known, self._trees))

    def totals(self) -> Totals:
        """Number, bytes, and the largest three, as they were when they were read."""
        files = [node for node in self._nodes if stat.S_ISREG(node.state[5])]
        largest = heapq.nlargest(3, files, key=lambda node: node.state[2])
        return Totals(len(self._nodes), sum(node.state[2] for node in files), [(n.path, n.state[2]) for n in largest])


def entry_of(node: Node) -> Entry:
    """A node as others see it."""
    mtime_ns, _, size, _, _, mode = node.state
    if stat.S_ISLNK(mode):
        return Entry(node.path, "link", False, 0, mtime_ns, node.target)
    return Entry(node.path, "file", bool(mode & stat.S_IXUSR), size, mtime_ns, "", node.target)


def _digest_if_same(node: Node, known: Optional[Known], safe_ns: int) -> Optional[bytes]:
    if known is None or known.state != node.state or node.state[0] >= safe_ns or node.state[1] >= safe_ns:
        return None
    return known.digest
