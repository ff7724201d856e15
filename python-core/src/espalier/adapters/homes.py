"""Where espalier keeps what belongs to a user and not to a workspace. Standard library only: the runner loads it.

Below the user's home folder, or where variables say. A user may have no home that can be written: a number without an
entry in passwd, `env -i`, `docker run --user` with `HOME=/`. What is kept then lies in a private folder of the machine,
and never in the working directory. R/homes.R follows the same rule.
"""

import contextlib
import os
import stat
import sys
from typing import Optional, Tuple

from espalier.adapters.trust import refuse_foreign_folder
from espalier.base.errors import EspalierError
from espalier.base.records import make_private_folder
from espalier.base.scratch_paths import SCRATCH

# Both keep what lies in them while jobs run; the first also when the machine starts again.
_SHARED = ("/var/tmp", "/tmp")
# Where R keeps caches below the home folder: `tools::R_user_dir()`.
_CACHES = {"darwin": "Library/Caches/org.R-project.R", "win32": "AppData/Local/R/cache"}.get(sys.platform, ".cache")


def state_folder() -> str:
    """The folder of espalier's own state for this user, on any host. Raises EspalierError: `not_supported`: there is no
    safe place for it."""
    return _folder("ESPALIER_STATE_DIR", ("XDG_STATE_HOME",), ".local/state", "espalier", "state")


def cache_folder() -> str:
    """The folder of what can be made again: the same one as that of R packages. Raises as `state_folder`."""
    return _folder("ESPALIER_CACHE_DIR", ("R_USER_CACHE_DIR", "XDG_CACHE_HOME"), _CACHES, "R/espalier", "cache")


def program_cache() -> str:
    """The folder of caches for those who keep programs in it; made where it is missing, for this user alone. Raises
    EspalierError: as `state_folder`; `writable_by_others`: another user could change what lies there."""
    folder = cache_folder()
    with contextlib.suppress(OSError):  # the process that writes there reports what hinders it
        make_private_folder(folder)
        refuse_foreign_folder(folder)
    return folder


def home_folder() -> Optional[str]:
    """The user's home folder, absolute; None if the user has none."""
    home = os.path.expanduser("~")
    return home if os.path.isabs(home) else None


def _folder(variable: str, bases: Tuple[str, ...], below_home: str, own: str, name: str) -> str:
    chosen = os.environ.get(variable)
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    for base in map(os.path.expanduser, (os.environ.get(base, "") for base in bases)):
        if os.path.isabs(base):  # (the standard has relative ones ignored)
            return os.path.join(base, own)
    home = home_folder()
    folder = os.path.join(home, below_home, own) if home else ""
    return folder if folder and _can_be_made(folder) else os.path.join(_private_folder(), name)


def _can_be_made(folder: str) -> bool:
    """Whether a folder is there, or can be made."""
    at = folder
    while not os.path.isdir(at):
        if os.path.lexists(at):
            return False
        at = os.path.dirname(at)
    return at == folder or os.access(at, os.W_OK | os.X_OK)


def _private_folder() -> str:
    """This user's folder in a place that all users share; what another user has made there doesn't count."""
    uid = os.geteuid()
    for place in _SHARED:
        folder = os.path.join(place, f"espalier-{uid}")
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
            found = os.lstat(folder)
            if stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not stat.S_IMODE(found.st_mode) & 0o077:
                return folder
    raise EspalierError(
        "not_supported",
        f"Can't find a folder for espalier's state: HOME isn't writable, nor is espalier-{uid} in {_SHARED[0]}.",
        "Set HOME, or ESPALIER_STATE_DIR and ESPALIER_CACHE_DIR, to a folder of your own.",
    )


def chosen_scratch() -> Optional[str]:
    """The folder that the user chose by `ESPALIER_SCRATCH_DIR`; scratch folders lie in one of our own in it."""
    chosen = os.environ.get("ESPALIER_SCRATCH_DIR")
    return os.path.abspath(os.path.expanduser(chosen)) if chosen else None


def scratch_folder() -> str:
    """Where runs have their scratch folders, unless another place was chosen at submit."""
    chosen = chosen_scratch()
    return scratch_below(chosen) if chosen else os.path.join(state_folder(), SCRATCH)


def scratch_below(chosen: str) -> str:
    """The folder of scratch folders in one that the user chose, whose other files are the user's."""
    return os.path.join(chosen, f"espalier-{os.geteuid()}")


def is_own_folder(path: str) -> bool:
    """Whether this is a folder of this user, and not a link to one. Raises OSError: it is missing."""
    return _is_own(os.lstat(path))


def _is_own(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def make_own_folder(path: str) -> None:
    """Make a folder that only this user can enter.

    Raises:
        OSError: it cannot be made.
        EspalierError: `not_permitted`: a link, a file or another user's folder is in its place.
    """
    make_private_folder(path)
    found = os.lstat(path)
    if not _is_own(found):
        what = "a link" if os.path.islink(path) else "another user's folder"
        raise EspalierError(
            "not_permitted",
            f"Can't create scratch folders in {path}: it's {what}.",
            "Remove it, or set ESPALIER_SCRATCH_DIR to another folder before you submit.",
            path=path,
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.chmod(path, 0o700)
