"""Inputs that have an address: fetched when the job starts, and kept by their content for the runs to come.

What is kept lies in the user's cache, where anything may have become of it: it is used only if it has its digest.
Loaded only for runs that have such inputs, standard library only.
"""

import contextlib
import hashlib
import os
import time
from typing import Callable, Dict, Iterator, Mapping, NoReturn

from espalier.adapters.files import remove_tree
from espalier.base.cache_paths import fetched_inputs, is_fetched
from espalier.base.errors import EspalierError
from espalier.base.model.job import Fetch, Input
from espalier.base.paths import is_temporary, temporary
from espalier.base.records import make_private_folder
from espalier.provision.packages.fetch import NotThere, chunks
from espalier.store.input_digests import content_digest

LARGEST_BYTES = 16 << 30
# What no run has used for so long goes, and what a process that was killed has left.
_UNUSED_SECONDS, _LEFT_SECONDS = 30 * 86_400.0, 86_400.0


def fetch_input(item: Input, copy: str, fetch: Fetch, copy_file: Callable[[str, str], None]) -> None:
    """Make a job's copy of an input that has an address.

    Args:
        copy: Where to.
        copy_file: Copies a file to a new one.

    Raises:
        EspalierError: `input_missing`: it can't be fetched; `input_changed`: it has another digest.
        OSError: it can't be written.
    """
    folder = fetched_inputs(fetch.cache)
    kept = os.path.join(folder, str(item.sha256))
    if _copied(kept, item, copy, copy_file):
        return
    make_private_folder(folder)
    _forget_unused(folder)
    with _surroundings(fetch.variables):
        _download(item, folder, kept)
    copy_file(kept, copy)
    if content_digest(copy) != item.digest:
        raise EspalierError("input_changed", f"Can't copy {kept}: it changed meanwhile.", "Submit again.")


def _copied(kept: str, item: Input, copy: str, copy_file: Callable[[str, str], None]) -> bool:
    """Copy what was kept, if it is what was asked for. Other runs may fetch, or forget, the same at this moment."""
    try:
        os.utime(kept)  # (first, so that it isn't forgotten meanwhile)
        if os.path.isfile(kept):
            copy_file(kept, copy)
            if content_digest(copy) == item.digest:
                return True
            os.unlink(copy)
    except FileNotFoundError:
        return False
    remove_tree(kept)
    return False


def _download(item: Input, folder: str, kept: str) -> None:
    aside, sha256 = temporary(folder), hashlib.sha256()
    try:
        with open(aside, "xb", opener=_private) as file:
            for data in chunks(str(item.url), largest=LARGEST_BYTES):
                sha256.update(data)
                file.write(data)
        if sha256.hexdigest() != item.sha256:
            _refuse(item, sha256.hexdigest())
        os.replace(aside, kept)
    except NotThere:
        message = f"Can't fetch the input {item.name}: {item.url} doesn't exist."
        raise EspalierError("input_missing", message, "Correct the address, and submit again.") from None
    except EspalierError as error:
        if error.code != "lock_failed":
            raise
        message = f"Can't fetch the input {item.name}. {error.message}"
        raise EspalierError("input_missing", message, error.hint) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)


def _refuse(item: Input, found: str) -> NoReturn:
    message = f"Can't use {item.url}, the input {item.name}: its SHA-256 is {found}, not {item.sha256}."
    raise EspalierError("input_changed", message, "Submit with its new digest if the file there was replaced.")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """In the block this process has the submitter's proxies and certificates: urllib looks for them there."""
    before: Dict[str, str] = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]


def _forget_unused(folder: str) -> None:
    now = time.time()
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            age = now - entry.stat(follow_symlinks=False).st_mtime
            is_left = is_temporary(entry.name) and age > _LEFT_SECONDS
            if is_left or (is_fetched(entry.name) and age > _UNUSED_SECONDS):  # (other files there aren't ours)
                os.unlink(entry.path)
