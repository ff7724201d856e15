"""Having the queue moved on after a reboot without anybody looking: a timer of systemd's, or an entry of cron's.

Either calls one scheduling step; that starts what waits, and the keeper where something goes on waiting.
"""

import os
import shlex
import shutil
import subprocess
from typing import Dict, List, NamedTuple, Optional

from espalier.adapters.homes import home_folder, state_folder
from espalier.base.errors import EspalierError
from espalier.base.records import make_folders, replace_file
from espalier.queue.spawn import KEEPER, interpreter

_UNIT = "espalier-keeper"
_MARK = "# espalier keeper"
_SECONDS = 20


class Installed(NamedTuple):
    """What calls the step: `systemd` or `cron`, and the command it calls."""

    how: str
    command: str


def install() -> Installed:
    """Register it, in place of what was registered before. Raises EspalierError: `not_supported` where there is
    neither, or where it refuses."""
    remove()
    if _has_systemd():
        return _install_timer()
    if shutil.which("crontab"):
        return _install_entry()
    raise EspalierError(
        "not_supported",
        "Can't install the timer: this machine has neither a systemd of this user nor cron.",
        "Install cron, or call list_runs() after a reboot.",
    )


def installed() -> Optional[Installed]:
    """What is registered, if anything is."""
    if os.path.exists(_unit("service")):
        return Installed("systemd", _command())
    if any(line.endswith(_MARK) for line in _entries()):
        return Installed("cron", _command())
    return None


def remove() -> bool:
    """Take it out again. Returns whether there was something."""
    found = installed()
    if found is not None and found.how == "systemd":
        _systemctl("disable", "--now", f"{_UNIT}.timer")
        for kind in ("service", "timer"):
            if os.path.exists(_unit(kind)):
                os.unlink(_unit(kind))
        _systemctl("daemon-reload")
    elif found is not None:
        _set_entries([line for line in _entries() if not line.endswith(_MARK)])
    return found is not None


def _command() -> str:
    """The command, quoted for a shell."""
    words = ["env", f"ESPALIER_STATE_DIR={state_folder()}", interpreter(), "-I", "-S", "-X", "utf8", KEEPER]
    return " ".join(map(shlex.quote, words))


# ---- systemd


def _has_systemd() -> bool:
    return shutil.which("systemctl") is not None and _systemctl("show-environment") == 0


def _systemctl(*words: str) -> int:
    return _run(["systemctl", "--user", *words]).returncode


def _unit(kind: str) -> str:
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home_folder() or "/", ".config")
    return os.path.join(base, "systemd", "user", f"{_UNIT}.{kind}")


def _install_timer() -> Installed:
    quoted = _command().replace("%", "%%").replace("$", "$$")
    units: Dict[str, List[str]] = {
        # (runs go on when the step has been made)
        "service": ["[Unit]", "Description=Move espalier's queue on", "[Service]", "Type=oneshot",
                    "KillMode=process", f"ExecStart=/bin/sh -c {shlex.quote(quoted)}"],
        "timer": ["[Unit]", "Description=Move espalier's queue on", "[Timer]", "OnBootSec=1min",
                  "OnUnitActiveSec=5min", "[Install]", "WantedBy=timers.target"],
    }  # fmt: skip
    for kind, lines in units.items():
        make_folders(os.path.dirname(_unit(kind)))
        replace_file(_unit(kind), ("\n".join(lines) + "\n").encode(), os.path.dirname(_unit(kind)))
    _systemctl("daemon-reload")
    if _systemctl("enable", "--now", f"{_UNIT}.timer") != 0:
        remove()
        raise EspalierError("not_supported", "Can't install the timer: systemd refused it.", "See journalctl --user.")
    return Installed("systemd", _command())


# ---- cron


def _install_entry() -> Installed:
    command = _command()
    if "\n" in command:
        raise EspalierError(
            "not_supported",
            "Can't install the timer: cron takes no path with a line break in it.",
            "Set ESPALIER_STATE_DIR.",
        )
    # (cron makes line breaks of what is not escaped)
    _set_entries([*_entries(), "@reboot " + command.replace("%", "\\%") + " " + _MARK])
    return Installed("cron", command)


def _entries() -> List[str]:
    if shutil.which("crontab") is None:
        return []
    done = _run(["crontab", "-l"])
    return done.stdout.splitlines() if done.returncode == 0 else []  # (it fails where there are none)


def _set_entries(lines: List[str]) -> None:
    done = _run(["crontab", "-"], "".join(line + "\n" for line in lines))
    if done.returncode != 0:
        raise EspalierError("not_supported", f"Can't install the timer: cron refused it: {done.stderr.strip()}.")


def _run(argv: List[str], text: str = "") -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(argv, input=text, capture_output=True, encoding="utf-8", timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 1, "", str(error))
