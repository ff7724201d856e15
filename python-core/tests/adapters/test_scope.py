"""With files and a program that are made up: there is no systemd where these tests run."""

import os
from pathlib import Path

import pytest
from espalier.adapters.scope import enter, is_wanted


@pytest.mark.parametrize(
    "groups,bus,wanted",
    [
        ("0::/user.slice/user-1000.slice/session-3.scope\n", True, True),
        ("1:name=systemd:/user.slice/user-1000.slice/session-c2.scope\n0::/\n", True, True),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", False, False),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", True, False),
        ("0::/system.slice/rstudio-server.service\n", True, False),
        ("0::/\n", True, False),
    ],
)
def test_wanted_in_a_login_session_alone(tmp_path: Path, groups: str, bus: bool, wanted: bool) -> None:
    (tmp_path / "cgroup").write_text(groups)
    if bus:
        (tmp_path / "bus").touch()
    assert is_wanted(str(tmp_path / "cgroup"), str(tmp_path)) is wanted
    assert not is_wanted(str(tmp_path / "none"), str(tmp_path))


def test_what_the_manager_is_asked(tmp_path: Path) -> None:
    program = tmp_path / "busctl"
    program.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/asked\n")
    program.chmod(0o755)
    pid = enter("exp_1_abcdef01", [12, 7], str(tmp_path))
    assert pid is not None and os.waitpid(pid, 0)[1] == 0
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("--user --quiet call org.freedesktop.systemd1 /org/freedesktop/systemd1 ")
    assert asked.endswith(
        " StartTransientUnit ssa(sv)a(sa(sv)) espalier-exp_1_abcdef01.scope fail "
        "3 PIDs au 2 7 12 Delegate b true CollectMode s inactive-or-failed 0\n"
    )


def test_without_the_program(tmp_path: Path) -> None:
    assert enter("exp_1_abcdef01", [1], str(tmp_path)) is None
