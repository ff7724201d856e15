"""Which files and folders of this machine a job's container may be given, beside its run's.

Asked at submit and again when the container is created, because links, mounts and sockets may have changed meanwhile.
"""

import os
import stat
from typing import List, Mapping, Optional, Sequence

from espalier.adapters.engine_sockets import SYSTEM_FOLDERS, Found, find_sockets, hard_link_below
from espalier.adapters.homes import home_folder
from espalier.base.errors import EspalierError
from espalier.base.names import is_within

_SHOWN = 3
_HINT = "Mount only folders that the job needs, without that in them."


def refuse_dangerous(paths: Sequence[str], variables: Mapping[str, str]) -> List[str]:
    """Refuse files and folders by which a container would rule this machine.

    Args:
        paths: Those that it is to be given, absolute.
        variables: The session's, or those of them that name an engine.

    Returns:
        Warnings: what in them the job can read or speak to, which the user may not have thought of.

    Raises:
        EspalierError: `bad_argument`.
    """
    if not paths:
        return []
    real = {path: os.path.realpath(path) for path in paths}
    for path, place in real.items():
        _refuse_system(path, place, variables)
    sockets = find_sockets(variables, list(real.values()))
    warnings: List[str] = []
    for path, place in real.items():
        _refuse_special(path, place, sockets)
        _refuse_engine_below(path, place, sockets)
        _refuse_keys(path, place, variables)
        warnings += _warnings(path, place, sockets)
    return warnings


def refuse_missing(paths: Sequence[str]) -> None:
    """Refuse mounts of what is not there, which an engine refuses only when the job is to start. Raises EspalierError:
    `bad_argument`."""
    for path in paths:
        if not os.path.exists(path):
            here, _, there = path.partition(":")
            hint = "Correct the path, or make the folder first."
            if there.startswith("/"):
                there = there.partition(":")[0]
                hint = f'Give the path in the container as its name, in R mounts = c("{there}" = "{here}").'
            raise _refused(path, "it doesn't exist", hint)


def _refuse_system(path: str, place: str, variables: Mapping[str, str]) -> None:
    runtime = variables.get("XDG_RUNTIME_DIR", "")
    for folder in (*SYSTEM_FOLDERS, *([os.path.realpath(runtime)] if os.path.isabs(runtime) else [])):
        if any(one == "/" or is_within(one, folder) for one in (path, place)):
            shown = place if place == "/" else folder
            raise _refused(path, f"a container doesn't get {shown}", "Mount only the folders that the job needs.")
        if any(is_within(folder, one) for one in (path, place)):
            raise _refused(path, f"it holds {folder}, which a container doesn't get", _HINT)


def _refuse_special(path: str, place: str, sockets: Found) -> None:
    try:
        found = os.stat(place)
    except OSError:
        return
    if stat.S_ISSOCK(found.st_mode):
        is_engine = (found.st_dev, found.st_ino) in sockets.engines.values()
        whose = "the socket of a container engine" if is_engine else "a socket"
        why = f"it is {whose}, through which the job could control a program outside its container"
        raise _refused(path, why, "Give the job what it needs as files, or by the network.")
    if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        raise _refused(path, "it is a device", "Give the job what it needs as files.")


def _refuse_engine_below(path: str, place: str, sockets: Found) -> None:
    below: Optional[str] = next((one for one in sorted(sockets.engines) if is_within(one, place)), None)
    below = below or hard_link_below(place, sockets.engines)
    if below is not None:
        why = f"it holds {below}, the socket of a container engine, through which the job could control this machine"
        raise _refused(path, why, _HINT)


def _refuse_keys(path: str, place: str, variables: Mapping[str, str]) -> None:
    """The key of the engine that is used opens it as its socket does."""
    if not variables.get("DOCKER_TLS_VERIFY"):
        return
    folder = variables.get("DOCKER_CERT_PATH") or os.path.join(home_folder() or "/", ".docker")
    key = os.path.realpath(os.path.join(folder, "key.pem"))
    if os.path.exists(key) and is_within(key, place):
        raise _refused(path, f"it holds {key}, the key to the Docker engine", _HINT)


def _warnings(path: str, place: str, sockets: Found) -> List[str]:
    found = []
    home = os.path.realpath(home_folder() or "/")
    if is_within(home, place) or place == "/etc":
        whole = "your home folder" if is_within(home, place) else "this machine's settings"
        found.append(f"The job can read all of {path}, which is {whole}: keys, tokens and passwords in it too.")
    others = [one for one in sockets.others if is_within(one, place)]
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        listed = ", ".join(others[:_SHOWN]) + more
        found.append(f"The job can speak to programs of this machine by sockets in {path}: {listed}.")
    return found


def _refused(path: str, why: str, hint: str) -> EspalierError:
    return EspalierError("bad_argument", f"Can't mount {path} in the job's container: {why}.", hint, path=path)
