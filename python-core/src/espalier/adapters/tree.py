"""The tree of a job: all its processes, also disguised ones, and ending them in order.

Standard library only: the runner loads this file.
"""

import os
import signal
import time
from typing import AbstractSet, List, Optional, Set

from espalier.adapters.cgroup import Cgroup
from espalier.adapters.processes import (
    Process,
    all_processes,
    ancestors,
    ignores_interrupts,
    interrupt,
    is_r,
    kill_group,
    look_at,
    processes_of_run,
    send,
    with_descendants,
)

# How long killing may take. What is left then waits for a disk, or is faster than we are.
_KILL_SECONDS = 3.0
# How long a round waits for R that ignores INT.
_EARS_SECONDS = 0.02
# How often processes are stopped before they are killed, once they have been seen to multiply.
_STOP_ROUNDS = 20


class Tree:
    """All processes of one job. They are found by who started them, by the job's leader and its session, by its control
    group, and where this process is not their sub-reaper by the run's id in their environment.

    Args:
        run_id: The run's id.
        leader: The job's own process, which may lead a session; None if it is not known.
        reaper: The sub-reaper that started the job: all that descends from it is the job's. None if it is dead.
        spared: Other children of that process.
    """

    def __init__(
        self, run_id: str, leader: Optional[int], reaper: Optional[int], spared: AbstractSet[int] = frozenset()
    ) -> None:
        self.run_id = run_id
        self.leader = leader
        self.reaper = reaper
        self.cgroup: Optional[Cgroup] = None
        self.spared: Set[int] = {os.getpid(), 0, 1, *spared}
        # asked to end; stopped until the R below them has ended; R that could not hear us yet
        self._told: Set[int] = set()
        self._held: Set[int] = set()
        self._deaf: Set[int] = set()

    def members(self) -> List[Process]:
        """The processes that have not ended."""
        processes = all_processes()
        roots = {
            each.pid
            for each in processes.values()
            if (self.reaper and each.parent == self.reaper) or (self.leader and self.leader in (each.pid, each.session))
        }
        if self.cgroup is not None:
            roots.update(self.cgroup.members())
        if self.reaper is None:
            roots.update(processes_of_run(self.run_id))
        return with_descendants(roots, processes, self.spared)

    def known_members(self) -> List[Process]:
        """As `members`, without looking through all processes of the system where a control group knows them."""
        if self.cgroup is None:
            return self.members()
        found = (look_at(pid) for pid in self.cgroup.members())
        return [each for each in found if each is not None and each.pid not in self.spared]

    def gather(self, cgroup: Cgroup) -> None:
        """Bring all of it into a control group, where what it starts from now on is too."""
        inside: Set[int] = set()
        for _ in range(10):  # a process may start another while we look
            new = {each.pid for each in self.members()} - inside
            if not new:
                break
            if not cgroup.adopt(sorted(new)):
                break
            inside |= new
        self.cgroup = cgroup

    def terminate(self) -> None:
        """Ask every process to end: R with INT, which it cleans up after, all others with TERM.

        What they start in answer to that, to tidy up, is left alone. What R was started by (a shell, `timeout`) stands
        still until R has ended: it would pass TERM on to R, which dies of it, or go on to its next line.
        """
        frozen = self.cgroup is not None and self.cgroup.freeze()
        try:
            self._tell(self.members())
        finally:
            if self.cgroup is not None:
                self.cgroup.thaw()
        if not frozen:  # one that was just being started
            self.terminate_orphans()

    def terminate_orphans(self) -> int:
        """Ask those to end that were not asked because they were just being started, by one that has ended since, or
        because of an R.

        Returns:
            How many processes there are.
        """
        members = self.members()
        pids = {each.pid for each in members}
        later = self._held | self._deaf
        left_alone = {each.pid for each in members if each.pid in self._told or each.parent in pids - self._deaf}
        self._tell([each for each in members if each.pid in later or each.pid not in left_alone], members)
        return len(members)

    def terminate_programs_of_r(self) -> None:
        """Ask the programs to end that R waits for. If it was interrupted just before it began to, it does not know."""
        members = self.members()
        waiting = {each.pid for each in members if is_r(each.pid) and ignores_interrupts(each.pid)}
        self._send([each for each in members if each.parent in waiting and not is_r(each.pid)], signal.SIGTERM)

    def terminate_r(self) -> None:
        """Ask R, and what it was started by, with TERM."""
        self._send([each for each in self.members() if each.pid in self._held or is_r(each.pid)], signal.SIGTERM)

    def _tell(self, asked: List[Process], members: Optional[List[Process]] = None) -> None:
        members = asked if members is None else members
        r = {each.pid for each in members if is_r(each.pid)}
        above = ancestors(r, members) - r
        held = [each for each in asked if each.pid in above]
        send([each.pid for each in held if each.pid not in self._held], signal.SIGSTOP)
        self._deaf = {each.pid for each in _by_age(asked) if each.pid in r and not interrupt(each.pid)}
        self._told |= r.intersection(each.pid for each in asked) - self._deaf
        self._send([each for each in asked if each.pid not in r | above], signal.SIGTERM)
        self._held = {each.pid for each in held}
        self._catch_ears()

    def _catch_ears(self) -> None:
        """R that waits for a program which has just been ended may start the next one at once."""
        deadline = time.monotonic() + _EARS_SECONDS
        while self._deaf and time.monotonic() < deadline:
            heard = {pid for pid in self._deaf if not ignores_interrupts(pid) and interrupt(pid)}
            self._told |= heard
            self._deaf -= heard

    def _send(self, processes: List[Process], number: int) -> None:
        pids = [each.pid for each in _by_age(processes)]
        self._told.update(pids)
        send(pids, number)
        send(pids, signal.SIGCONT)  # a stopped process cannot act on it

    def kill(self, seconds: float = _KILL_SECONDS) -> bool:
        """Kill every process, until nothing new appears.

        Returns:
            Whether nothing is left.
        """
        deadline = time.monotonic() + seconds
        known: Set[int] = set()
        pause = 0.001
        while True:
            if self.cgroup is not None:
                self.cgroup.kill()
            members = self.members()
            if not members:
                return True
            if time.monotonic() > deadline:
                return False
            pids = {each.pid for each in members}
            if known and pids - known:
                members = self._stop()
            known |= pids
            self._kill(members)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def _stop(self) -> List[Process]:
        """Stop all of it: what was killed one by one would have been started again in the meantime."""
        stopped: Set[int] = set()
        for _ in range(_STOP_ROUNDS):
            members = self.members()
            pids = {each.pid for each in members}
            if pids <= stopped:
                break
            send(pids - stopped, signal.SIGSTOP)
            stopped |= pids
        return members

    def _kill(self, members: List[Process]) -> None:
        """Each of them, and each of their process groups: the kernel ends a group as a whole, however fast it forks."""
        pids = {each.pid for each in members}
        for group in {each.group for each in members if each.session != os.getsid(0)}:
            if group in pids or look_at(group) is None:
                kill_group(group, signal.SIGKILL)
        send(pids, signal.SIGKILL)


def _by_age(processes: List[Process]) -> List[Process]:
    """The oldest first: a script whose program is ended before it would go on to its next line."""
    return sorted(processes, key=lambda each: (each.start, each.pid))
