"""Where a run's folder is now: a workspace may be renamed while its runs are executed."""

import contextlib
import os
import time
from typing import Callable, Optional, TypeVar

from espalier.adapters import posix
from espalier.base.paths import RunPaths, is_temporary
from espalier.base.records import read_plain, replace_file
from espalier.base.scratch_paths import MOVED, ScratchPaths

_Result = TypeVar("_Result")
# How often it is looked again for what may have been renamed, and after how long, in seconds.
_LOOKS, _PAUSE = 10, 0.01
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# The runner looks where its run is several times in so many seconds.
_PATIENCE_SECONDS = 2.0
# No path is longer.
_PATH_BYTES = 1 << 16
_given_up: "set[str]" = set()


class Place:
    """A run's folder, held open, so that it is found again where it has been moved to.

    Args:
        run: The run, where it is now.
    """

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        self._roots = [run.workspace.root]
        self._scratch: Optional[ScratchPaths] = None
        self._fd: Optional[int] = None
        try:
            self._fd = os.open(run.root, _FLAGS)
        except OSError:  # it has been deleted: there is nothing to follow
            return

    def now(self) -> RunPaths:
        """The run where it is now; where it was, if it has been deleted or moved to another file system."""
        if self._fd is not None and not _is(self._run.root, self._fd):
            found = posix.path_of_open(self._fd)
            if _is(found, self._fd):
                self._run = RunPaths(found)
                self._roots.append(self._run.workspace.root)
                self._tell()
        return self._run

    def explains(self, error: BaseException) -> bool:
        """Whether something failed only because the workspace has been renamed, perhaps for a moment: what an error
        says is missing is there now."""
        missing = _missing(error)
        before = next((root for root in self._roots if missing and missing.startswith(root + os.sep)), None)
        if missing is None or before is None:
            return False
        if is_temporary(os.path.basename(missing)):
            missing = os.path.dirname(missing)
        for _ in range(_LOOKS):
            if os.path.lexists(self.now().workspace.root + missing[len(before) :]):
                return True
            time.sleep(_PAUSE)
        return False

    def following(self, act: Callable[[RunPaths], _Result]) -> _Result:
        """Do something to the run where it is now, and again if it is renamed meanwhile. Raises as the act does."""
        for _ in range(_LOOKS):
            try:
                return act(self.now())
            except OSError as error:
                if not self.explains(error):
                    raise
        return act(self.now())

    def tell(self, scratch: ScratchPaths) -> None:
        """From now on note each move in the run's scratch folder, for what the job logs."""
        self._scratch = scratch

    def _tell(self) -> None:
        if self._scratch is not None:
            with contextlib.suppress(OSError):
                replace_file(self._scratch.moved, os.fsencode(self._run.root) + b"\n", self._scratch.root)

    def close(self) -> None:
        """Let go of the folder."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _missing(error: Optional[BaseException]) -> Optional[str]:
    """The path that was missing, by an error or what caused it."""
    while error is not None:
        if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
            return error.filename
        error = error.__cause__ or error.__context__
    return None


def _is(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except OSError:
        return False


def job_folder() -> Optional[str]:
    """The folder of the run that this process is a job of, where it is now; the variables follow."""
    folder = os.environ.get("ESPALIER_RUN_DIR")
    if not folder or folder in _given_up or os.path.isdir(folder):
        return folder or None
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = _noted(os.environ.get("ESPALIER_WORK_DIR", ""))
        if os.path.basename(found) == os.path.basename(folder) and os.path.isdir(found):
            os.environ["ESPALIER_RUN_DIR"] = found
            os.environ["ESPALIER_WORKSPACE"] = os.path.dirname(os.path.dirname(os.path.dirname(found)))
            return found
        if time.monotonic() > end:
            _given_up.add(folder)
            return folder
        time.sleep(0.05)


def _noted(folder: str) -> str:
    """What the runner has noted in the scratch folder that a working directory lies in; empty if nothing."""
    while len(folder) > 1:
        folder = os.path.dirname(folder)
        try:
            return os.fsdecode(read_plain(os.path.join(folder, MOVED), limit=_PATH_BYTES)).rstrip("\n")
        except OSError:
            continue
    return ""
