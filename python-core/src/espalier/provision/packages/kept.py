"""R packages as installed, kept for the next environment: added by us after a build, by their content, and looked at
again before they are used.

A build sees the cache read-only, and leaves what it installed in a folder of its own. The digest of each package is
kept beside the cache, where no build writes, so that a package that was changed later is not taken for what it was.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from typing import Iterable, Iterator, Optional

from espalier.adapters.file_locks import locked
from espalier.adapters.files import remove_tree
from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, CachePaths
from espalier.base.records import make_folders, read_record, replace_record
from espalier.provision.packages.sources import Tell

_CHUNK = 1 << 20


@contextlib.contextmanager
def keeping(cache: CachePaths, keys: Iterable[str], tell: Tell) -> Iterator[str]:
    """A folder into which packages are installed; what is there at the end of the block is kept.

    Args:
        cache: espalier's folder of caches.
        keys: The keys of the packages that may be used and kept.
        tell: Called with a line for each package that isn't what it was.

    Returns:
        The folder. In it a package lies in a folder that is named by its key.
    """
    wanted = set(keys)
    make_folders(cache.r_packages)
    for key in sorted(wanted):
        _check(cache, key, tell)
    folder = tempfile.mkdtemp(prefix=".made-", dir=os.path.dirname(cache.r_packages))
    os.chmod(folder, 0o755)
    if os.geteuid() == 0:  # (root may build for whom the cache belongs to)
        seen = os.stat(cache.r_packages)
        os.chown(folder, seen.st_uid, seen.st_gid)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            _keep(cache, folder, wanted)
        with contextlib.suppress(OSError):
            remove_tree(folder)


def digest_of_tree(folder: str) -> str:
    """SHA-256 over the names, kinds and contents of all that lies in a folder.

    Raises:
        OSError: something can't be read.
        ValueError: there is something that is no file, folder or link.
    """
    total = hashlib.sha256()
    for top, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*files, *(one for one in folders if os.path.islink(os.path.join(top, one)))]):
            path = os.path.join(top, name)
            total.update(f"{os.path.relpath(path, folder)}\0{_content(path)}\n".encode("utf-8", "surrogateescape"))
    return "sha256:" + total.hexdigest()


def _content(path: str) -> str:
    seen = os.lstat(path)
    if stat.S_ISLNK(seen.st_mode):
        return "l" + os.readlink(path)
    if not stat.S_ISREG(seen.st_mode):
        raise ValueError(f"{path} is no file")
    data = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            data.update(chunk)
    return ("x" if seen.st_mode & 0o100 else "f") + data.hexdigest()


def _check(cache: CachePaths, key: str, tell: Tell) -> None:
    """Remove a package from the cache that is not what was put there."""
    folder = os.path.join(cache.r_packages, key)
    if not os.path.isdir(folder):
        return
    if _digest(folder) == _recorded(cache, key):
        return
    with locked(cache.build_lock("r-packages")):
        if os.path.isdir(folder) and _digest(folder) != _recorded(cache, key):
            tell(f"{', '.join(os.listdir(folder))} in the cache isn't what was installed there. It is installed again.")
            aside = tempfile.mkdtemp(prefix=".gone-", dir=os.path.dirname(cache.r_packages))
            os.rename(folder, os.path.join(aside, key))
            with contextlib.suppress(OSError):
                remove_tree(aside)


def _keep(cache: CachePaths, folder: str, wanted: "set[str]") -> None:
    with locked(cache.build_lock("r-packages")):
        for key in sorted(wanted.intersection(os.listdir(folder))):
            made, kept = os.path.join(folder, key), os.path.join(cache.r_packages, key)
            digest = _digest(made)
            if digest is None or os.path.lexists(kept) or os.path.islink(made):
                continue
            make_folders(cache.r_digests)
            replace_record(cache.r_digest(key), {"format": FORMAT, "digest": digest}, cache.r_digests)
            shutil.move(made, kept)


def _digest(folder: str) -> Optional[str]:
    try:
        return digest_of_tree(folder)
    except (OSError, ValueError):
        return None


def _recorded(cache: CachePaths, key: str) -> str:
    try:
        return str(read_record(cache.r_digest(key))["digest"])
    except (OSError, EspalierError, KeyError):
        return ""
