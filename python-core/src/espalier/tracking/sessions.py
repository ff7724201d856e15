"""With which versions the R and Python processes of a job ran: recorded at their end, read for people.

Runs inside jobs: standard library only, Python 3.8 or later.
"""

import contextlib
import json
import os
import re
import sys
import time
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from espalier.adapters.files import open_regular
from espalier.adapters.inside import replace_inside
from espalier.base.paths import FORMAT, RunPaths, is_record

_LIMIT_SESSIONS = 100
_LIMIT_BYTES = 1 << 20
_TEXTS = ("language", "version", "interpreter", "platform", "system", "host", "locale", "blas")
_INSTALLED = re.compile(r"(.+?)-([^-]+)(?:-.*)?\.(?:dist|egg)-info")
# The process that records itself at its end; a fork of it does not.
_recording: Set[int] = set()


def record_at_exit(run_dir: str) -> None:
    """Have this process record its versions when it ends, also by an exception."""
    pid = os.getpid()
    if pid not in _recording:
        import atexit

        _recording.add(pid)
        atexit.register(_record, run_dir, pid)


def _record(run_dir: str, pid: int) -> None:
    run = RunPaths(run_dir)
    with contextlib.suppress(Exception):  # a job never fails by this
        if os.getpid() != pid or len(_names(run)) >= _LIMIT_SESSIONS:
            return
        data = json.dumps(_session(), ensure_ascii=False).encode("utf-8", "backslashreplace")
        replace_inside(run.root, run.session(f"python-{pid}-{os.urandom(4).hex()}"), data + b"\n")


def _session() -> Dict[str, Any]:
    rows = sorted(_packages())
    libraries = sorted({row[2] for row in rows})
    packages = {
        "package": [row[0] for row in rows],
        "version": [row[1] for row in rows],
        "attached": [True] * len(rows),
        "library": [libraries.index(row[2]) for row in rows],
    }
    uname = os.uname()
    return {
        "format": FORMAT,
        "language": "python",
        "time": time.time(),
        "pid": os.getpid(),
        "version": "Python " + sys.version.split()[0],
        "interpreter": sys.executable,
        "platform": f"{uname.machine}-{sys.platform}",
        "host": uname.nodename,
        "command": [sys.executable, *sys.argv[:99]],
        "libraries": libraries,
        "packages": packages,
    }


def _packages() -> List[Tuple[str, str, str]]:
    """What of the loaded modules was installed: name, version, folder. Modules' files tell; importlib.metadata would
    take 20 ms to load."""
    loaded: Dict[str, Dict[str, Any]] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) if "." not in name else None
        if isinstance(file, str):
            above = os.path.dirname(file)
            folder = os.path.dirname(above) if os.path.basename(file).startswith("__init__.") else above
            loaded.setdefault(folder, {})[name] = module
    return [row for folder, modules in loaded.items() for row in _of_folder(folder, modules)]


def _of_folder(folder: str, modules: Mapping[str, Any]) -> List[Tuple[str, str, str]]:
    try:
        installed = [match for match in map(_INSTALLED.fullmatch, os.listdir(folder)) if match]
    except OSError:
        return []
    rows, left = [], {_plain(name): name for name in modules}
    for match in installed:
        named = [_plain(match[1])]
        if named[0] not in left:
            named = _top_levels(os.path.join(folder, match[0]))
        if any(name in left for name in named):
            rows.append((match[1].replace("_", "-"), match[2], folder))
            for name in named:
                left.pop(name, None)
    # scikit-learn is imported as sklearn, and may not say so
    names = [name for name in left.values() if installed and not name.startswith("_")]
    versions = {name: getattr(modules[name], "__version__", None) for name in names}
    return rows + [(name, version, folder) for name, version in versions.items() if isinstance(version, str)]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _top_levels(folder: str) -> List[str]:
    try:
        with open(os.path.join(folder, "top_level.txt"), encoding="utf-8") as file:
            return [_plain(line.strip()) for line in file]
    except (OSError, ValueError):
        return []


def read_sessions(run: RunPaths) -> List[Dict[str, Any]]:
    """What the processes of a job recorded, in the order in which they ended.

    A job can write to its run's folder: what isn't a record of that kind is left out.

    Returns:
        For each process `language`, `version`, `platform`, `host`, `command`, ..., and `packages`: columns `package`,
        `version`, `attached`, `library`.
    """
    found = [_read(os.path.join(run.sessions, name)) for name in _names(run)[:_LIMIT_SESSIONS]]
    return sorted((session for session in found if session), key=lambda session: float(session["time"]))


def _names(run: RunPaths) -> List[str]:
    try:
        names = sorted(os.listdir(run.sessions))
    except OSError:
        return []
    return [name for name in names if is_record(name)]


def _read(path: str) -> Optional[Dict[str, Any]]:
    try:
        with open_regular(path) as file:
            record = json.loads(file.read(_LIMIT_BYTES))
        if record["format"] > FORMAT:
            return None
        columns, libraries = record["packages"], [str(item) for item in record["libraries"]]
        rows = list(zip(columns["package"], columns["version"], columns["attached"], columns["library"]))
        packages = {
            "package": [str(row[0]) for row in rows],
            "version": [str(row[1]) for row in rows],
            "attached": [bool(row[2]) for row in rows],
            "library": [libraries[row[3]] for row in rows],
        }
        texts = {key: str(record[key]) for key in _TEXTS if record.get(key)}
        lists = {key: [str(item) for item in record.get(key, [])] for key in ("command", "rng")}
        return {**texts, "time": float(record["time"]), "pid": int(record["pid"]), **lists, "packages": packages}
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
