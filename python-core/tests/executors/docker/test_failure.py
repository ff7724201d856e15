"""Why a job in a container failed, by what is known of its container."""

from pathlib import Path

import pytest
from espalier.base.paths import RunPaths
from espalier.executors.docker.record import Box, cause_of, hint_for

BUS_ERROR = "RuntimeError: DataLoader worker (pid 9) is killed by signal: Bus error.\n"


def box(exit_code: int) -> Box:
    return Box({}, "i", "n", state="ended", exit_code=exit_code)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    made = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"))
    Path(made.log).parent.mkdir(parents=True)
    return made


def test_a_bus_error_names_shared_memory(run: RunPaths) -> None:
    Path(run.log).write_text(BUS_ERROR)
    assert "shm_size" in hint_for(run, box(1)) and cause_of(box(1)) is None
    assert hint_for(run, box(0)) == ""
    Path(run.log).write_text("RuntimeError: another\n")
    assert hint_for(run, box(1)) == ""
    code, message = cause_of(box(135)) or ("", "")
    assert code == "job_killed" and "bus error" in message and "shm_size" in message
    assert hint_for(run, box(135)) == ""
