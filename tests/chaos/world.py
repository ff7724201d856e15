"""A workspace, its queue, and what must be true of both after any fault."""

import hashlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from acts import Acts
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters.homes import scratch_folder
from espalier.queue import spawn
from espalier.queue.home import queue_paths

REAL_RUNNER = spawn.RUNNER
ACTOR = str(Path(__file__).parent / "runner_actor.py")
# State and error code of an end.
End = Tuple[str, Optional[str]]
DONE: End = ("Completed", None)
LOST: End = ("Failed", "runner_lost")
CANCELED: End = ("Canceled", "canceled")


class World:
    """One workspace under one state folder. Every job says its run's id to a file outside, once per execution."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.marks = home.parent / (home.name + "-marks")
        self.marks.touch()
        self.workspace = Workspace.create("ws", str(home))
        self.experiment = Experiment(self.workspace, "exp")
        self.sealed: Dict[str, str] = {}
        self.attempts: Dict[str, int] = {}  # of runs that may be tried again
        self.proof: Callable[[], Run] = self.submit
        self._older = process_ids()

    # ---- acting

    def job(self, then: str = "true") -> ScriptRunConfig:
        return ScriptRunConfig(command=f'echo "$ESPALIER_RUN_ID" >> {self.marks}; {then}')

    def submit(self, then: str = "true") -> Run:
        return self.experiment.submit(self.job(then))

    def writes(self) -> str:
        """What a job does that writes to its outputs and elsewhere, and then says so."""
        return f'echo kept > outputs/kept; mkdir d; echo new > d/new; touch {self.marks}-"$ESPALIER_RUN_ID"'

    def plan(self, **plan: Any) -> None:
        """What the next runner that starts will suffer (`runner_actor.py`)."""
        Path(os.environ["ESPALIER_STATE_DIR"]).mkdir(exist_ok=True)
        (Path(os.environ["ESPALIER_STATE_DIR"]) / "plan.json").write_text(json.dumps(plan))

    def forked(self, acts: Acts, deed: Callable[[], Any]) -> int:
        """Do something in a process of its own, watched; returns how it ended, as `waitpid` tells."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                spawn._children.clear()
                acts.install()
                deed()
                code = 0
            finally:
                os._exit(code)
        return os.waitpid(pid, 0)[1]

    # ---- judging

    def executions(self, run_id: str) -> int:
        return self.marks.read_text().split().count(run_id)

    def ends(self) -> Dict[str, str]:
        """What a reader sees; looking is all that anybody does to put things right."""
        frame = self.workspace.runs.list(include_children=True).columns
        return dict(zip(frame["run_id"], frame["status"]))

    def settle(self, seconds: float = 30.0) -> Dict[str, str]:
        """Look until every run has ended, nothing is queued or claimed, and no process is left."""
        deadline, pause = time.monotonic() + seconds, 0.01
        while True:
            seen = self.ends()
            spawn.collect_ended()
            open_ends = {run_id: state for run_id, state in seen.items() if state not in ("Completed", "Failed", "Canceled")}
            held = self._held()
            # (these take longest to find: they are looked for once nothing else is open)
            strays = [] if open_ends or held else self.processes()
            if not (open_ends or held or strays):
                return seen
            assert time.monotonic() < deadline, f"still open {open_ends}, held {held}, processes {strays}"
            self._await_change(held, pause if held else 0.01)
            pause = min(2 * pause, 0.32)

    def _held(self) -> List[str]:
        """Tickets, leases and scratch folders."""
        queue = queue_paths()
        held = os.listdir(queue.tickets) + os.listdir(queue.leases)
        return held + (os.listdir(scratch_folder()) if os.path.isdir(scratch_folder()) else [])

    def _await_change(self, held: List[str], seconds: float) -> None:
        """Wait until something else is held, or it is time for another look, by which readers put things right."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._held() == held:
            time.sleep(0.005)

    def young_processes(self) -> List[int]:
        """Processes that are younger than this world, which those of it are among."""
        return [int(name) for name in process_ids() - self._older]

    def processes(self) -> List[int]:
        """Living processes of this world."""
        return [pid for pid, _ in self.named_processes()]

    def named_processes(self) -> List[Tuple[int, bytes]]:
        """The same, each with its arguments and environment."""
        return named_processes(str(self.home), self._older)

    def end_of(self, run_id: str) -> End:
        return self._end_and_error(run_id)[0]

    def _end_and_error(self, run_id: str) -> Tuple[End, Any]:
        details = self.workspace.runs.get(run_id).get_details()
        return (details["status"], (details["error"] or {}).get("code")), details["error"]

    def check(self, allowed: Optional[Iterable[End]] = None, proof: bool = True) -> List[str]:
        """The contract, after whatever happened: returns the runs that ended since the last check.

        Args:
            allowed: How they may have ended.
            proof: Also submit a run and see it complete.
        """
        seen = self.settle()
        new = [run_id for run_id in seen if run_id not in self.sealed]
        for run_id in new:
            self._check_end(run_id, allowed)
        for run_id, digest in self.sealed.items():
            if run_id in list(self.sealed)[-3:] or not new:
                assert self.digest(run_id) == digest, f"{run_id} was changed after its end"
        for run_id in new:
            self.sealed[run_id] = self.digest(run_id)
        if proof:
            last = self.proof()
            assert self.settle()[last.id] == "Completed", "the queue does not go on"
            assert self.executions(last.id) == 1
            self.sealed[last.id] = self.digest(last.id)
        assert set(self.marks.read_text().split()) <= set(self.sealed), "a run that nobody knows was executed"
        return new

    def _check_end(self, run_id: str, allowed: Optional[Iterable[End]]) -> None:
        (state, code), error = self._end_and_error(run_id)
        times = self.executions(run_id)
        assert times <= self.attempts.get(run_id, 1), f"{run_id} was executed {times} times"
        assert allowed is None or (state, code) in allowed, f"{run_id} ended as {state} ({error}), not as one of {allowed}"
        assert (code is None) == (state == "Completed")
        if state == "Completed":
            assert times >= 1, f"{run_id} is Completed and was never executed"
        if code in ("prepare_failed", "start_failed"):
            assert times == 0, f"{run_id} was executed, and is {code}"
        status = json.loads(Path(self.folder(run_id), "status.json").read_text())
        assert status["ended_at"] and (status.get("duration_seconds") or 0) >= 0
        if os.path.exists(f"{self.marks}-{run_id}"):
            for name in ("outputs/kept", "workdir/d/new"):
                assert os.path.exists(os.path.join(self.folder(run_id), name)), f"{run_id} ended and lost {name}"
        left = set(os.listdir(self.folder(run_id))) & {"env.json", "work", "work.part", ".job"}
        assert not left, f"{run_id} ended and left {left}"

    def check_all(self) -> None:
        """Every finished run is, to the byte, as it was when it had ended."""
        for run_id, digest in self.sealed.items():
            assert self.digest(run_id) == digest, f"{run_id} was changed after its end"
            assert self.executions(run_id) <= self.attempts.get(run_id, 1)

    def folder(self, run_id: str) -> str:
        return os.path.join(self.workspace.path, "runs", run_id[-8:-6], run_id)

    def digest(self, run_id: str) -> str:
        return digest_of(self.folder(run_id))

    def sweep(self) -> None:
        """Kill what is left of this world."""
        for _ in range(5):
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if not self.processes():
                break
            time.sleep(0.02)
        shutil.rmtree(self.home, ignore_errors=True)


def digest_of(folder: str) -> str:
    """A digest of all names and bytes below a folder."""
    sha = hashlib.sha256()
    for at, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(at, name)
            sha.update(os.fsencode(os.path.relpath(path, folder)) + b"\0")
            sha.update(os.readlink(path).encode() if os.path.islink(path) else Path(path).read_bytes())
    return sha.hexdigest()


def process_ids() -> Set[str]:
    return set(filter(str.isdigit, os.listdir("/proc")))


def named_processes(text: str, older: Set[str]) -> List[Tuple[int, bytes]]:
    """Living processes, this one aside, that name a text in arguments or environment, with both of these.

    Args:
        older: Processes that don't. Those that have ended are taken out, because their numbers are given again.
    """
    found = []
    present = process_ids()
    older &= present
    for name in present - older:
        try:
            data = _content(f"/proc/{name}/cmdline") + _content(f"/proc/{name}/environ")
            if os.fsencode(text) in data and int(name) != os.getpid() and not _is_zombie(name):
                found.append((int(name), data))
        except OSError:  # it has ended
            continue
    return found


def _is_zombie(name: str) -> bool:
    return _content(f"/proc/{name}/stat").rpartition(b")")[2].split()[0] == b"Z"


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()
