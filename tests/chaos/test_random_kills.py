"""Submitters, runners, guardians and jobs are killed -9 at random moments, over hundreds of runs at once.

The seed is printed; ESPALIER_CHAOS_SEED repeats the choices (not the timing of the machine), ESPALIER_CHAOS_RUNS makes
it longer.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Callable, Dict, List, Set, Tuple

from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from world import World

SUBMITTER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from espalier import Experiment, ScriptRunConfig, Workspace
experiment = Experiment(Workspace.open("ws", sys.argv[2]), "exp")
for number in range(int(sys.argv[4])):
    command = f'echo "$ESPALIER_RUN_ID" >> {sys.argv[3]}; exec sleep 0.0{number % 7}'
    print(experiment.submit(ScriptRunConfig(command=command)).id, flush=True)
"""
_A_RUN = re.compile(rb"exp_[0-9]+_[0-9a-f]{8}")
_WEIGHTS = {"submitter": 1, "runner or guardian": 4, "keeper": 1, "job": 5}
SUBMITTERS, BATCH = 3, 25


class Killer:
    """Kills, and remembers what it killed of which run."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.kills: Counter = Counter()
        self.suffered: Dict[str, Set[str]] = {}

    def strike(self) -> None:
        """Kill one process of this world, whichever."""
        found: Dict[str, List[Tuple[int, bytes]]] = {}
        for pid, data in sorted(self.world.named_processes()):
            found.setdefault(self._kind(data), []).append((pid, data))
        if not set(found) - {"submitter"}:  # on a busy machine none would live to submit anything
            return
        # (submitters must have time to submit, and jobs live shortest)
        kind = self.random.choices(list(found), [_WEIGHTS[name] for name in found])[0]
        pid, data = self.random.choice(found[kind])
        # (what was a runner a moment ago may be the job that it was about to start)
        run = _A_RUN.search(data if kind == "job" else held_by(pid) or environment_of(pid))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[kind] += 1
        if run:
            self.suffered.setdefault(run.group().decode(), set()).add(kind)

    def _kind(self, data: bytes) -> str:
        if b"ESPALIER_RUN_ID=" in data:
            return "job"
        if b"keeper/__main__.py" in data:
            return "keeper"
        return "runner or guardian" if b"__main__.py" in data else "submitter"


def environment_of(pid: int) -> bytes:
    """A process's variables; none when it has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()
    return b""


def held_by(pid: int) -> bytes:
    """The files that a process has open: a runner and its guardian have the lease of the run they are at."""
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd") if os.path.isdir(f"/proc/{pid}/fd") else []:
        with contextlib.suppress(OSError):
            names.append(os.fsencode(os.readlink(f"/proc/{pid}/fd/{fd}")))
    return b"\n".join(name for name in names if b"/leases/" in name)


def test_random_kills(world: World, seed: int, runs: int, unharmed: Callable[[], None]) -> None:
    unharmed()
    set_capacity(queue_paths(), cpus=6)
    world.check()
    killer, started, told = Killer(world, seed), 0, world.home.parent / "told"
    argv = [sys.executable, "-c", SUBMITTER, os.environ.get("PYTHONPATH", "").split(os.pathsep)[0], str(world.home), str(world.marks), str(BATCH)]
    sessions: List[subprocess.Popen] = []
    with told.open("ab") as out:
        while started < runs or any(session.poll() is None for session in sessions):
            sessions = [session for session in sessions if session.poll() is None]
            started = told.read_text().count("\n")
            while len(sessions) < SUBMITTERS and started < runs:
                sessions.append(subprocess.Popen(argv, stdout=out))
                started += 1
            time.sleep(killer.random.uniform(0, 0.06))
            killer.strike()
    stop = time.monotonic() + 60
    while os.listdir(queue_paths().tickets) and time.monotonic() < stop:  # the queue drains under fire
        time.sleep(killer.random.uniform(0, 0.06))
        killer.strike()
        world.ends()
    new = world.check()
    ends = Counter(world.end_of(run_id) for run_id in new)
    print(f"seed {seed}: {sum(killer.kills.values())} kills {dict(killer.kills)} over {len(new)} runs: {dict(ends)}")
    assert set(told.read_text().split()) <= set(new), "a run that submit had returned is lost"
    for run_id in new:
        check_cause(world.end_of(run_id), killer.suffered.get(run_id, set()), run_id)
    assert sum(killer.kills.values()) >= runs / 4


def check_cause(end: Tuple[str, object], suffered: Set[str], run_id: str) -> None:
    """What a run says of its end is what was done to it."""
    state, code = end
    if state == "Completed":
        return
    assert state == "Failed", (run_id, end)
    if code == "job_killed":  # (a job that is just beginning still bears its runner's name)
        assert suffered, (run_id, end, suffered)
    else:
        assert code in ("runner_lost", "prepare_failed") and "runner or guardian" in suffered, (run_id, end, suffered)
