"""Where a user's own things lie, with and without a home folder."""

import os
import subprocess
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier import EspalierError
from espalier.adapters import homes

_NAMES = ("ESPALIER_STATE_DIR", "ESPALIER_CACHE_DIR", "R_USER_CACHE_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME")
NOBODY = 54321


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """None of the variables, and a folder in place of /var/tmp."""
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(homes, "_SHARED", (str(shared),))
    monkeypatch.chdir(tmp_path)
    return shared


def without_home(monkeypatch: pytest.MonkeyPatch, home: str = "~") -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", home))


def test_variables_and_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert homes.state_folder() == f"{tmp_path}/.local/state/espalier"
    assert homes.cache_folder() == f"{tmp_path}/{homes._CACHES}/R/espalier"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert homes.state_folder() == f"{tmp_path}/.local/state/espalier"
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert homes.state_folder() == "/x/espalier"
    monkeypatch.setenv("ESPALIER_STATE_DIR", "mine")
    assert homes.state_folder() == f"{tmp_path}/mine"
    monkeypatch.setenv("ESPALIER_STATE_DIR", "~/mine")
    assert homes.state_folder() == f"{tmp_path}/mine"


def test_the_cache_lies_where_r_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/testthat/test-homes.R compares both."""
    for name, value, expected in (
        ("XDG_CACHE_HOME", "/x", "/x/R/espalier"),
        ("R_USER_CACHE_DIR", "relative", "/x/R/espalier"),
        ("R_USER_CACHE_DIR", "/r", "/r/R/espalier"),
        ("ESPALIER_CACHE_DIR", "/e", "/e"),
    ):
        monkeypatch.setenv(name, value)
        assert homes.cache_folder() == expected


@pytest.mark.parametrize("home", ["~", "", "not/absolute", "/proc/no/such", "/dev/null/x"])
def test_no_home(monkeypatch: pytest.MonkeyPatch, bare: Path, home: str) -> None:
    without_home(monkeypatch, home)
    own = bare / f"espalier-{os.geteuid()}"
    monkeypatch.setattr(os, "access", lambda path, mode: str(path).startswith(str(bare.parent)))
    assert homes.state_folder() == str(own / "state")
    assert homes.cache_folder() == str(own / "cache")
    assert own.stat().st_mode & 0o777 == 0o700


def test_what_is_in_an_unwritable_home_already_stays_in_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".local" / "state" / "espalier").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert homes.state_folder() == f"{tmp_path}/.local/state/espalier"


@pytest.mark.parametrize("squat", ["link", "file", "open"])
def test_a_folder_that_is_not_this_users_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, bare: Path, tmp_path: Path, squat: str
) -> None:
    without_home(monkeypatch)
    own, other = bare / f"espalier-{os.geteuid()}", tmp_path / "other"
    other.mkdir(mode=0o700)
    {"link": lambda: own.symlink_to(other), "file": own.touch, "open": lambda: own.mkdir(0o755)}[squat]()
    with pytest.raises(EspalierError, match="HOME isn't writable"):
        homes.state_folder()
    if os.geteuid() == 0 and squat == "open":
        own.chmod(0o700)
        os.chown(own, NOBODY, NOBODY)
        with pytest.raises(EspalierError):
            homes.state_folder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user")
@pytest.mark.parametrize("variables", [{}, {"HOME": "/"}])
def test_a_user_without_home_and_passwd_entry_keeps_nothing_in_the_working_directory(
    tmp_path: Path, variables: Dict[str, str]
) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o005)
    place = tmp_path / "work"
    place.mkdir()
    place.chmod(0o777)
    source = str(Path(homes.__file__).parents[2])
    shared = tmp_path / "shared"
    shared.chmod(0o1777)
    code = (
        f"from espalier.adapters import homes; homes._SHARED = ({str(shared)!r},);"
        "from espalier.queue.home import queue_paths; print(queue_paths().root)"
    )
    found: Any = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", code],
        cwd=place, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": source, **variables}, capture_output=True, text=True,
    )  # fmt: skip
    if found.returncode and "ermission" in found.stderr:
        pytest.skip("this Python can only be run by root")
    assert found.stdout.startswith(f"{shared}/espalier-{NOBODY}/state/queue/"), found.stderr
    assert list(place.iterdir()) == []
