"""What a stopped machine leaves: the first acts of a recorded sequence, done again to a copy of what was before."""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set

from espalier.adapters.posix import boot_id
from espalier.lifecycle.digests import origin_of

# How the machine may have stopped.
#   kept    every act reached the disk
#   empty   names did, but data that had not been synchronised did not: such files are empty
#   undone  nothing reached the disk that was done after the last synchronisation
WAYS = ("kept", "empty", "undone")
_SYNC = ("fsync", "syncfs")
OTHER_BOOT = "00000000-1111-2222-3333-444444444444"


class Recording:
    """Acts that were recorded (`acts.py`), and the folder as it was before them.

    Args:
        base: A copy of the folder from before the acts.
        home: The folder.
        record: The acts.
        job: What the job did, which cannot be watched; done again where it was started.
    """

    def __init__(self, base: Path, home: Path, record: Path, job: Optional[Callable[[], None]] = None) -> None:
        self.base, self.home, self.job = base, home, job
        self.acts: List[Dict[str, Any]] = [json.loads(line) for line in record.read_text().splitlines()]

    def reached(self, number: int, way: str) -> int:
        """How many acts have reached the disk when the machine stopped after that many."""
        if way != "undone":
            return number
        return max((at + 1 for at, act in enumerate(self.acts[:number]) if act["act"] in _SYNC), default=0)

    def stops(self, way: str) -> List[int]:
        """After how many acts it is worth while to stop: not where the disk is as it was one act before."""
        found, last = [], None
        for number in range(len(self.acts) + 1):
            reached = self.acts[: self.reached(number, way)]
            disk = sum(_changes_disk(act, way) for act in reached), self.begun(number)
            if disk != last or number == len(self.acts):
                found.append(number)
            last = disk
        return found

    def begun(self, number: int) -> bool:
        """Whether a job had been started within so many acts."""
        return any(_starts_job(act) for act in self.acts[:number])

    def when(self, state: str) -> int:
        """The number of acts after which a run's status first has a state."""
        text = f'"state": "{state}"'.encode()
        is_it = (text in base64.b64decode(act.get("data", "")) and act["act"] == "replace" for act in self.acts)
        return next(at + 1 for at, found in enumerate(is_it) if found)

    def stop_after(self, number: int, way: str) -> bool:
        """Make the folder what it is when the machine stopped after that many acts.

        Returns:
            Whether a job had been started by then.
        """
        shutil.rmtree(self.home)
        shutil.copytree(self.base, self.home, symlinks=True)
        unsynced: Set[str] = set()
        for act in self.acts[: self.reached(number, way)]:
            _do(act, unsynced)
            if self.job is not None and _starts_job(act):
                self.job()
        if way == "empty":
            for path in unsynced:
                if os.path.isfile(path):
                    os.truncate(path, 0)
        _reboot(self.home)
        return self.begun(number)


def _changes_disk(act: Dict[str, Any], way: str) -> bool:
    """Whether another disk is left when the machine stops after an act than when it stops before."""
    kind = act["act"]
    if kind in _SYNC:
        return way == "empty"  # (data that is synchronised isn't lost)
    return "path" in act and (kind != "open" or act["create"]) and kind != "chmod"


def _starts_job(act: Dict[str, Any]) -> bool:
    return bool(act["act"] == "posix_spawn" and act["log"].endswith("std_log.txt"))


def _do(act: Dict[str, Any], unsynced: Set[str]) -> None:
    kind, path = act["act"], act.get("path", "")
    if kind == "mkdir":
        os.mkdir(path)
    elif kind == "open" and act["create"]:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, act["mode"]))
        unsynced.add(path)
    elif kind == "write" and os.path.isfile(path):  # (not a pipe)
        with open(path, "ab") as file:
            file.write(base64.b64decode(act["data"]))
        unsynced.add(path)
    elif kind == "fsync":
        unsynced.discard(path)
    elif kind == "syncfs":
        unsynced.clear()
    elif kind in ("rename", "replace"):
        if "data" in act and not os.path.lexists(path):
            Path(path).write_bytes(base64.b64decode(act["data"]))
            unsynced.add(path)
        os.replace(path, act["to"])
        unsynced.discard(act["to"])  # what was there is replaced
        for old in [one for one in unsynced if one == path or one.startswith(path + "/")]:
            unsynced.discard(old)
            unsynced.add(act["to"] + old[len(path) :])
    elif kind in ("unlink", "remove"):
        if os.path.lexists(path):
            os.unlink(path)
    elif kind == "rmdir":
        os.rmdir(path)
    elif kind == "symlink":
        os.symlink(act["to"], path)
    elif kind == "link":
        os.link(path, act["to"])
    elif kind == "posix_spawn" and act["log"]:
        with open(act["log"], "ab"):
            pass


def _reboot(home: Path) -> None:
    """Another boot of the same machine: what records say of the old boot is not this one's, but the files are the same
    files, which those made here are not."""
    for path in home.rglob("status.json"):
        data = path.read_bytes()
        if data and b'"ended_at": "' not in data:  # those that have ended are compared to the byte
            record = json.loads(data.replace(boot_id().encode(), OTHER_BOOT.encode()))
            path.write_text(json.dumps({**record, "origin": origin_of(str(path.with_name("spec.json")))}))
