"""Waiting for a job: its end, a request to cancel it, its time limit. Whichever comes first decides the outcome.

The process that watches is the sub-reaper of the job: orphans among its processes become children of the watcher.
"""

import contextlib
import os
import signal
import time
from typing import AbstractSet, Any, Callable, List, Optional, Tuple

from espalier.adapters.cgroup import enter_scope, is_scope_wanted, make_cgroup
from espalier.adapters.oom import kills, shortage_since
from espalier.adapters.processes import become_subreaper
from espalier.adapters.tree import Tree
from espalier.base.paths import RunPaths
from espalier.executors.meter import Meter
from espalier.lifecycle.status import Outcome
from espalier.lifecycle.strays import note_job
from espalier.runner.ahead import LONG_SECONDS, load_all
from espalier.runner.patience import STOPPERS, WAKERS

# How often the request file is looked for, seconds; a local cancel also signals the runner and is noticed at once.
_LOOK_SECONDS = 1.0
# A job that lives this long gets a control group. For a shorter one that would be more work than the job.
_GATHER_SECONDS = 0.25
# How long a cancelled job may take to end by itself before it is killed, seconds.
GRACE_SECONDS = 10.0
# The parts of it after which programs that R waits for get TERM, and R itself, which TERM ends.
_PROGRAMS, _R = 0.4, 0.8
# How often a tree that is to end is looked through, seconds: at first, and when nothing has happened for long.
_SOON, _LATE = 0.03, 0.5
_NEVER = float("inf")


def watch(
    run: RunPaths,
    pid: int,
    started: float,
    limit: Optional[float],
    spared: AbstractSet[int] = frozenset(),
    grace: float = GRACE_SECONDS,
    attend: Callable[[bool], AbstractSet[int]] = lambda woken: frozenset(),
    measure: Optional[Callable[[str, Tree, float], Meter]] = None,
    place: Optional[Callable[[], RunPaths]] = None,
) -> Outcome:
    """Wait until the job has ended and nothing of its tree is left.

    The caller was made a sub-reaper (`become_subreaper`) and has blocked the signals (`block_signals`) before
    the job was started.

    Args:
        pid: The job's process, leader of a session.
        started: `time.monotonic()` at its start.
        limit: Seconds it may run, or None.
        spared: Children of this process that are no part of the job.
        grace: Seconds between the request to end and the end.
        attend: Called at each turn while the job runs, for other work of the job; its argument is whether another
            process has woken this one (SIGUSR1). Returns the processes that do it, which are no part of the job.
        place: Where the run's folder is now, where that may change.
        measure: Makes what measures the job, where that is not measured as processes are.

    Raises:
        ChildProcessError: another process took the job's exit status.
    """
    reaper = os.getpid() if become_subreaper() else None
    tree = Tree(os.path.basename(run.root), pid, reaper, spared)
    meter = (measure or Meter)(run.usage, tree, started)
    is_gathered = measure is not None
    return _Watch(run, tree, pid, started, limit, grace, attend, meter, place, is_gathered).to_the_end()


class _Watch:
    def __init__(
        self,
        run: RunPaths,
        tree: Tree,
        pid: int,
        started: float,
        limit: Optional[float],
        grace: float,
        attend: Callable[[bool], AbstractSet[int]],
        meter: Meter,
        place: Optional[Callable[[], RunPaths]],
        is_gathered: bool,
    ) -> None:
        self._place = place
        self._attend, self._woken = attend, False
        self._run, self._tree, self._pid, self._started, self._limit = run, tree, pid, started, limit
        self._meter = meter
        self._stop = Stop(tree, grace)
        # (what is measured in another way, a container, has one that the engine made)
        self._gather_at: Optional[float] = None if is_gathered else started + _GATHER_SECONDS
        self._load_at = started + LONG_SECONDS
        self._status: Optional[int] = None
        self._duration = 0.0
        self._scoped = False
        self._alone = False  # without any child, so that nothing of the tree can be left
        self._kills = kills()
        with contextlib.suppress(OSError):  # the run's folder has been deleted
            note_job(run, pid, self._kills)

    def to_the_end(self) -> Outcome:
        """Wait for the job, then for its tree if that was asked to end; kill what is left."""
        while True:
            self._reap()
            now = time.monotonic()
            if self._status is not None and (self._stop.why is None or self._stop.is_done or self._alone):
                return self._outcome(self._status)
            if self._status is None:
                self._look_after_job(now)
            self._stop.go_on(now)
            woken = signal.sigtimedwait(WAKERS, self._pause(now))
            self._woken = woken is not None and woken.si_signo == signal.SIGUSR1
            if woken is not None and woken.si_signo in STOPPERS and self._status is None:
                # the request file says who asked; without one the machine or an administrator did
                self._stop.begin("canceled")

    def _reap(self) -> None:
        """Collect what has ended: the job, and orphans of it."""
        if self._status is None:
            self._take(*os.wait4(self._pid, os.WNOHANG))
        try:
            while self._take(*os.wait4(-1, os.WNOHANG)):
                self._stop.look_soon()
        except ChildProcessError:
            self._alone = self._tree.reaper is not None

    def _take(self, pid: int, status: int, used: Any) -> bool:
        if not pid:
            return False
        if pid == self._pid:
            self._status, self._duration = status, time.monotonic() - self._started
        self._meter.add(pid, used)
        return True

    def _look_after_job(self, now: float) -> None:
        if self._place is not None:
            self._run = self._place()
        self._stop.begin(_why_stop(self._run, now - self._started, self._limit))
        if self._gather_at is not None and now >= self._gather_at:
            self._gather_at = None if self._scoped or not self._enter_scope() else now + _GATHER_SECONDS
            if self._gather_at is None:
                self._gather()
        if now >= self._load_at:
            self._load_at = float("inf")
            load_all()
        self._tree.spared.update(self._attend(self._woken))
        self._meter.sample_when_due(now)

    def _enter_scope(self) -> bool:
        """Ask for a scope that outlives the login session, for the job and for this process and its guardian."""
        self._scoped = True
        if not is_scope_wanted():
            return False
        pids = {each.pid for each in self._tree.members()} | (self._tree.spared - {0, 1})
        asking = enter_scope(self._tree.run_id, pids)
        if asking is not None:
            self._tree.spared.add(asking)
        return asking is not None

    def _gather(self) -> None:
        """Bring the job into a control group, where one can be had."""
        cgroup = make_cgroup(self._tree.run_id)
        if cgroup is not None:
            self._tree.gather(cgroup)
            with contextlib.suppress(OSError):
                note_job(self._run, self._pid, self._kills, cgroup.path)

    def _pause(self, now: float) -> float:
        """How long to wait for a signal, at most."""
        times = [now + _LOOK_SECONDS, self._stop.due]
        if self._status is None:
            times += [self._meter.due, self._gather_at or times[0]]
            if self._limit is not None and self._stop.why is None:
                times.append(self._started + self._limit)
        return max(min(times) - now, 0.001)

    def _outcome(self, status: int) -> Outcome:
        warnings: List[str] = []
        if not self._alone and not self._tree.kill():
            warnings.append("Can't end all processes of the job: new ones start faster than espalier finds them.")
        self._reap()
        usage = self._meter.totals()
        if self._tree.cgroup is not None:
            self._tree.cgroup.remove()
        shortage = None if status == 0 else shortage_since(self._kills)
        return Outcome(*_decode(status), self._stop.why, self._duration, usage, warnings, shortage)


def _why_stop(run: RunPaths, seconds: float, limit: Optional[float]) -> Optional[str]:
    if os.path.exists(run.cancel):
        return "canceled"
    return "timed_out" if limit is not None and seconds >= limit else None


def _decode(status: int) -> Tuple[Optional[int], Optional[int]]:
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None


class Stop:
    """One job's way to its end, once it is to be ended.

    Args:
        grace: Seconds until KILL.
    """

    def __init__(self, tree: Tree, grace: float) -> None:
        self.why: Optional[str] = None
        # Whether nothing is left of the tree, or nothing more can be done about it.
        self.is_done = False
        # When `go_on` has something to do.
        self.due = _NEVER
        self._tree, self._grace = tree, grace
        self._kill_at = _NEVER
        self._steps: List[Tuple[float, Callable[[], None]]] = []
        self._pause = _SOON

    def begin(self, why: Optional[str]) -> None:
        """Ask the tree to end. The first reason counts."""
        if why is None or self.why is not None:
            return
        self.why = why
        began = time.monotonic()
        self._kill_at = began + self._grace
        self._steps = [
            (began + _PROGRAMS * self._grace, self._tree.terminate_programs_of_r),
            (began + _R * self._grace, self._tree.terminate_r),
        ]
        self._tree.terminate()
        self.due = time.monotonic() + _SOON

    def look_soon(self) -> None:
        """Something of the tree has ended."""
        self._pause = _SOON
        if self.why is not None and not self.is_done:
            self.due = min(self.due, time.monotonic() + _SOON)

    def go_on(self, now: float) -> None:
        """See what is left, and kill it when its time is over."""
        if now < self.due:
            return
        if now >= self._kill_at:
            self._tree.kill()
            self.is_done = True
            return
        if self._steps and now >= self._steps[0][0]:
            self._steps.pop(0)[1]()
        if not self._tree.terminate_orphans():
            self.is_done = True
        self._pause = min(2 * self._pause, _LATE)
        self.due = _NEVER if self.is_done else min(now + self._pause, self._kill_at, *(at for at, _ in self._steps))
