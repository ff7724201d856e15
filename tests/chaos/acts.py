"""What a process does to the disk and to other processes, one act after another: counted, recorded, cut short.

Nothing of this is known to the code under test. The functions of `os` by which it writes, renames, synchronises,
locks and starts processes are replaced in the process that is to suffer, and that process is killed before its n-th act.
"""

import base64
import fcntl
import json
import os
import re
import signal
from typing import Any, Callable, Dict, Optional, Tuple

from espalier.adapters import posix

_ACTS = (
    "mkdir", "rmdir", "open", "write", "fsync", "rename", "replace", "unlink", "remove", "link", "symlink", "chmod",
    "fork", "posix_spawn", "kill", "killpg",
)  # fmt: skip
_WRITING = os.O_CREAT | os.O_WRONLY | os.O_RDWR
_suicide = os.kill


class Acts:
    """The acts of this process from now on.

    Args:
        die_before: The number of the act that is not done any more; None to live.
        die_in_fork: The same for one process that this one forks, counting anew.
        record: A file that gets one line for each act, for `replay.py`.
        count_to: A file that gets the number of acts as they are done; with `.fork` added, those of the forked one.
        fork: Which process that this one forks: the first is 1.
        moves: A folder, another name for it, and a number of acts: in place of dying, rename it for so long.
    """

    def __init__(
        self,
        die_before: Optional[int] = None,
        die_in_fork: Optional[int] = None,
        record: Optional[str] = None,
        count_to: Optional[str] = None,
        fork: int = 1,
        moves: Optional[Tuple[str, str, int]] = None,
    ) -> None:
        self.count, self.die_before, self.die_in_fork = 0, die_before, die_in_fork
        self._real: Dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in _ACTS}
        self._record = record
        self._count_to = count_to
        self._forks_before = fork
        self._moves = moves

    def install(self) -> None:
        """Watch this process from here on."""
        for name in _ACTS:
            setattr(os, name, self._watched(name, self._real[name]))
        fcntl.flock = self._watched("flock", fcntl.flock)  # type: ignore[assignment]
        posix.sync_file_system = self._watched("syncfs", posix.sync_file_system)

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **options: Any) -> Any:
            if name == "open" and not (args[1] if len(args) > 1 else options.get("flags", 0)) & _WRITING:
                return call(*args, **options)
            if self._moves is not None:
                self._move(*self._moves)
            elif self.count == self.die_before:
                _suicide(os.getpid(), signal.SIGKILL)
            self.count += 1
            told = self._told(name, args, options) if self._record else None
            result = call(*args, **options)
            # (what follows is no act: the built-in `open` does not go by os.open)
            if name == "fork":
                self._forks_before -= 1
            if name == "fork" and result == 0:
                is_meant, self._forks_before = self._forks_before == 0, 0
                self.count, self.die_before, self.die_in_fork = 0, self.die_in_fork if is_meant else None, None
                self._count_to = self._count_to + ".fork" if self._count_to and is_meant else None
            elif told is not None and self._record:
                with open(self._record, "a") as file:  # anew each time: the runner closes what it inherits
                    file.write(json.dumps(told) + "\n")
            if self._count_to:
                with open(self._count_to, "w") as file:
                    file.write(str(self.count))
            return result

        return act

    def _move(self, folder: str, other: str, acts: int) -> None:
        if self.die_before is not None and self.count == self.die_before:
            self._real["rename"](folder, other)
        elif self.die_before is not None and self.count == self.die_before + acts:
            self._real["rename"](other, folder)  # (an error where it has been made again)

    def _told(self, name: str, args: Any, options: Dict[str, Any]) -> Dict[str, Any]:
        if name in ("write", "fsync"):
            told = {"act": name, "path": os.readlink(f"/proc/self/fd/{args[0]}")}
            if name == "write":
                told["data"] = base64.b64encode(bytes(args[1])).decode()
            return told
        if name == "open":
            flags = args[1] if len(args) > 1 else options["flags"]
            mode = args[2] if len(args) > 2 else options.get("mode", 0o777)
            return {"act": name, "path": _absolute(args[0], options), "create": bool(flags & os.O_CREAT), "mode": mode}
        if name in ("rename", "replace", "link"):
            source, target = ({"dir_fd": options.get(which)} for which in ("src_dir_fd", "dst_dir_fd"))
            told = {"act": name, "path": _absolute(args[0], source), "to": _absolute(args[1], target)}
            if os.path.isfile(told["path"]):  # it may have been written by what we cannot watch
                with open(told["path"], "rb") as file:
                    told["data"] = base64.b64encode(file.read()).decode()
            return told
        if name == "symlink":
            return {"act": name, "path": _absolute(args[1], options), "to": os.fsdecode(args[0])}
        if name == "posix_spawn":
            log = _output(options["file_actions"])
            return {"act": name, "argv": args[1], "log": log, "path": log}
        if name in ("mkdir", "rmdir", "unlink", "remove", "chmod"):
            return {"act": name, "path": _absolute(args[0], options)}
        return {"act": name}  # leaves nothing on the disk


def _output(actions: Any) -> str:
    """The file that a process which is started writes its output to; empty where that is none."""
    for action in actions:
        if action[0] == os.POSIX_SPAWN_OPEN and action[1] == 1:
            return os.path.abspath(action[2])
        if action[0] == os.POSIX_SPAWN_DUP2 and action[2] == 1:
            path = os.readlink(f"/proc/self/fd/{action[1]}")
            return path if os.path.isfile(path) else ""
    return ""


def _absolute(path: Any, options: Dict[str, Any]) -> str:
    if isinstance(path, int):
        return os.readlink(f"/proc/self/fd/{path}")
    text, folder = os.fsdecode(path), options.get("dir_fd")
    if folder is not None:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)
    # (a name in a folder that is open: posix.path_through())
    through = re.match(r"/proc/self/fd/\d+(?=/|$)", text)
    return os.readlink(through.group()) + text[through.end() :] if through else os.path.abspath(text)
