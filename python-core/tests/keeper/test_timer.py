"""What is registered with cron and systemd, and that it works. The programs are stand-ins that keep what they get."""

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import EspalierError, Host, Run
from espalier.jobs import commit as submission
from espalier.keeper import timer
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths

CRONTAB = """#!/bin/sh
case $1 in
  -l) [ -e {folder}/entries ] && cat {folder}/entries || {{ echo no crontab >&2; exit 1; }} ;;
  -) cat > {folder}/entries ;;
esac
"""
SYSTEMCTL = '#!/bin/sh\necho "$@" >> {folder}/calls\n[ "$2" != enable ] || [ ! -e {folder}/refuse ]\n'


@pytest.fixture
def programs(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = home / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    for name in ("crontab", "systemctl"):
        monkeypatch.setattr(timer.shutil, "which", lambda name: str(folder / name) if (folder / name).exists() else None)
    return folder


def install(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text.format(folder=folder))
    (folder / name).chmod(0o755)


def test_neither(programs: Path) -> None:
    assert Host.keeper_status() == {"running": False, "how": None, "command": None}
    with pytest.raises(EspalierError, match="neither a systemd") as caught:
        Host.keeper_install()
    assert caught.value.code == "not_supported" and Host.keeper_uninstall() is False


def test_cron(programs: Path) -> None:
    install(programs, "crontab", CRONTAB)
    (programs / "entries").write_text("@daily true\n")
    for _ in range(2):
        assert Host.keeper_install()["how"] == "cron"
        lines = (programs / "entries").read_text().splitlines()
        assert len(lines) == 2 and lines[0] == "@daily true" and lines[1].startswith("@reboot env ESPALIER_STATE_DIR=")
    assert Host.keeper_uninstall() is True
    assert (programs / "entries").read_text() == "@daily true\n" and Host.keeper_status()["how"] is None


def test_what_cron_calls_moves_the_queue_on(programs: Path, submit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, reach: Any) -> None:
    install(programs, "crontab", CRONTAB)
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("true")
    Host.keeper_install()
    line = (programs / "entries").read_text().removeprefix("@reboot ").replace("\\%", "%")
    subprocess.run(["/bin/sh", "-c", line], check=True, env={"PATH": os.defpath, "HOME": "/"}, timeout=60)
    reach(lambda: run._status()["state"] == "Completed")


@pytest.mark.parametrize("name", ["with blank", "50%", "quo'te", "$HOME", "a;b"])
def test_paths_that_mean_something_to_a_shell(programs: Path, home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    install(programs, "crontab", CRONTAB)
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(home / name))
    set_capacity(queue_paths(), cpus=3)
    Host.keeper_install()
    line = (programs / "entries").read_text().removeprefix("@reboot ").replace("\\%", "%")
    subprocess.run(["/bin/sh", "-c", line], check=True, env={"PATH": os.defpath, "HOME": "/"}, timeout=60)
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == sorted(["programs", name])


def test_a_line_break_is_refused(programs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(programs, "crontab", CRONTAB)
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(home / "a\n* * * * * rm"))
    with pytest.raises(EspalierError, match="line break"):
        Host.keeper_install()
    assert not (programs / "entries").exists() or "rm" not in (programs / "entries").read_text()


def test_systemd(programs: Path, home: Path) -> None:
    install(programs, "systemctl", SYSTEMCTL)
    assert Host.keeper_install()["how"] == "systemd"
    units = home / "config" / "systemd" / "user"
    service = (units / "espalier-keeper.service").read_text()
    assert "KillMode=process" in service and f"ESPALIER_STATE_DIR={home}/state" in service
    assert "OnBootSec=1min" in (units / "espalier-keeper.timer").read_text()
    assert "--user enable --now espalier-keeper.timer" in (programs / "calls").read_text()
    assert Host.keeper_uninstall() is True and list(units.iterdir()) == []


def test_a_systemd_that_refuses(programs: Path, home: Path) -> None:
    install(programs, "systemctl", SYSTEMCTL)
    (programs / "refuse").touch()
    with pytest.raises(EspalierError, match="systemd refused it"):
        Host.keeper_install()
    assert Host.keeper_status()["how"] is None
