import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterator, List

import pytest
from espalier.adapters import posix
from espalier.adapters.cgroup import make_cgroup
from espalier.base.paths import RunPaths
from espalier.lifecycle.strays import end_strays, note_job


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / f"s_1_{os.getpid():08x}"))
    os.mkdir(paths.root)
    return paths


@pytest.fixture
def job() -> Iterator[List[int]]:
    """A job that cleared its environment, as its session is left when its runner has died, and a bystander."""
    job = posix.spawn_session(["/bin/sh", "-c", "sleep 60 & sleep 60"], {}, [])
    other = posix.spawn_session(["/bin/sleep", "60"], {}, [])
    time.sleep(0.1)
    yield [job, other]
    for pid in (job, other):
        os.killpg(pid, signal.SIGKILL) if posix.process_start(pid) else None
        os.waitpid(pid, 0)


def dead(pid: int) -> bool:
    for _ in range(200):
        if posix.process_start(pid) is None:
            return True
        time.sleep(0.005)
    return False


def test_its_session(run: RunPaths, job: List[int]) -> None:
    note_job(run, job[0], {})
    end_strays(run)
    assert dead(job[0]) and posix.process_start(job[1]) is not None


def test_no_note_of_a_run_that_was_deleted(run: RunPaths, job: List[int]) -> None:
    os.rmdir(run.root)
    with pytest.raises(FileNotFoundError):
        note_job(run, job[0], {})
    assert not os.path.exists(run.root)


def test_its_control_group(run: RunPaths, job: List[int]) -> None:
    cgroup = make_cgroup(os.path.basename(run.root))
    if cgroup is None:
        pytest.skip("no control group can be made here")
    stray = subprocess.Popen(["env", "-i", "setsid", "sleep", "60"])
    cgroup.adopt([stray.pid])
    note_job(run, job[0], {}, cgroup.path)
    end_strays(run)
    assert stray.wait(5) == -signal.SIGKILL and dead(job[0]) and not os.path.exists(cgroup.path)
    assert posix.process_start(job[1]) is not None


def test_its_mark_without_any_note(run: RunPaths, job: List[int]) -> None:
    env = {"ESPALIER_RUN_ID": os.path.basename(run.root)}
    stray = posix.spawn_session(["/bin/sleep", "60"], env, [])
    end_strays(run)
    assert dead(stray) and posix.process_start(job[0]) is not None
    os.waitpid(stray, 0)


@pytest.mark.parametrize("change", [{"boot_id": "another"}, {"job_start": 1}, {"job_pid": "x"}, {"cgroup": "/"}, {"format": 99}])
def test_a_note_of_something_else_harms_nobody(run: RunPaths, job: List[int], change: object) -> None:
    """Of before a reboot, of a number that another process has by now, or written by the job."""
    note_job(run, job[0], {})
    record = {**json.loads(Path(run.processes).read_text()), **change}  # type: ignore[dict-item]
    if record.get("cgroup"):
        record["job_pid"] = None
    Path(run.processes).write_text(json.dumps(record))
    end_strays(run)
    assert posix.process_start(job[0]) is not None


def test_a_damaged_note(run: RunPaths, job: List[int]) -> None:
    os.makedirs(run.job)
    Path(run.processes).write_text("{")
    end_strays(run)
    assert posix.process_start(job[0]) is not None
