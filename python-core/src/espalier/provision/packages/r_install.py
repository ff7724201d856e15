"""How R packages are installed: the plan that `install.R` reads, and the packages as installed, kept for the next
environment.

A build sees that cache read-only, and leaves what it installed in a separate folder. espalier adds it after the
build, by content. The digest of each package is kept beside the cache, where no build writes, so that a package that
was changed later isn't taken for what it was.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from typing import Dict, Iterable, Iterator, List, Optional, Sequence

from espalier.adapters.file_locks import locked
from espalier.adapters.files import remove_tree
from espalier.base.cache_paths import CachePaths, source_name
from espalier.base.canonical import digest, hex_of
from espalier.base.paths import FORMAT
from espalier.base.records import make_folders, readable_record, replace_record
from espalier.environment.lock import RSource
from espalier.provision.packages.sources import Tell
from espalier.provision.packages.versions import write_dcf

# Counts up when install.R installs differently, so that what was installed before is not taken for the same.
_FORMAT = 1

# The installer itself, to be run by `Rscript --vanilla INSTALLER PLAN LIBRARY CACHE SOURCES CPUS`.
INSTALLER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "install.R")
_CHUNK = 1 << 20


def package_keys(sources: Sequence[RSource], system: str) -> Dict[str, str]:
    """Name of a package -> the key under which it is cached as installed.

    A key covers the package's source, the keys of what it needs and the system it is installed for, so that a
    change reinstalls the package and what depends on it, and nothing else.

    Args:
        sources: In an order in which they can be installed, each with the SHA-256 of its file.
        system: What else the result depends on: R's version and platform, or the key of an image's system stage.

    Raises:
        KeyError: a package comes before one that it needs.
    """
    keys: Dict[str, str] = {}
    for source in sources:
        covered = {
            "format": _FORMAT,
            "name": source.name,
            "version": source.version,
            "source": source.digest,
            "unless_r_has": source.unless_r_has,
            "system": system,
            "needs": {name: keys[name] for name in source.needs},
        }
        keys[source.name] = hex_of(digest(covered))
    return keys


def write_plan(sources: Sequence[RSource], system: str) -> str:
    """The text of a plan; the arguments as for `package_keys`."""
    keys = package_keys(sources, system)
    records: List[Dict[str, str]] = []
    for source in sources:
        record = {
            "Package": source.name,
            "Version": source.version,
            "Source": source_name(hex_of(source.digest or "")),
            "Key": keys[source.name],
            "Needs": " ".join(source.needs),
            "UnlessRHas": source.unless_r_has or "",
        }
        records.append({name: value for name, value in record.items() if value})
    return write_dcf(records)


@contextlib.contextmanager
def keeping(cache: CachePaths, keys: Iterable[str], tell: Tell) -> Iterator[str]:
    """A folder into which packages are installed; what is there at the end of the block is kept.

    Args:
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
        ValueError: there is something that isn't a file, folder or link.
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
        raise ValueError(f"{path} isn't a file")
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
            installed, kept = os.path.join(folder, key), os.path.join(cache.r_packages, key)
            digest = _digest(installed)
            if digest is None or os.path.lexists(kept) or os.path.islink(installed):
                continue
            make_folders(cache.r_digests)
            replace_record(cache.r_digest(key), {"format": FORMAT, "digest": digest}, cache.r_digests)
            shutil.move(installed, kept)


def _digest(folder: str) -> Optional[str]:
    try:
        return digest_of_tree(folder)
    except (OSError, ValueError):
        return None


def _recorded(cache: CachePaths, key: str) -> str:
    return str(readable_record(cache.r_digest(key)).get("digest", ""))
