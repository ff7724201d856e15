import os
import subprocess
import sys
from pathlib import Path

import pytest
from espalier.adapters import cgroup as module
from espalier.adapters.cgroup import Cgroup, find_cgroup, leave_job, make_cgroup, own_folder

RUN = f"c_1_{os.getpid():08x}"


@pytest.mark.parametrize(
    "group,mounts,folder",
    [
        ("0::/\n", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"),
        ("4:memory:/x\n0::/a/b\n", "30 24 0:26 / /cg/unified rw shared:4 - cgroup2 none rw\n", "/cg/unified/a/b"),
        ("0::/docker/7/a\n", "30 24 0:26 /docker/7 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup/a"),
        ("0::/../other\n", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", None),
        ("0::/elsewhere\n", "30 24 0:26 /docker/7 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", None),
        ("4:memory:/x\n", "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", None),
        ("", "", None),
    ],
)
def test_where_this_process_is(group: str, mounts: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_text", lambda path: mounts if path.endswith("mountinfo") else group)
    assert own_folder() == folder


def test_where_none_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "own_folder", lambda: None)
    assert make_cgroup(RUN) is None and find_cgroup(RUN) is None
    monkeypatch.setattr(module, "own_folder", lambda: str(tmp_path / "missing"))
    assert make_cgroup(RUN) is None
    group = Cgroup(str(tmp_path / "missing"))
    assert not group.kill() and not group.freeze() and group.members() == [] and group.cpu_seconds() == 0.0
    group.thaw()
    group.remove()


def test_what_is_recorded_must_be_the_runs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "own_folder", lambda: None)
    for name in (f"espalier-{RUN}", "user.slice"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    assert find_cgroup(RUN, str(tmp_path / "user.slice")) is None
    found = find_cgroup(RUN, str(tmp_path / f"espalier-{RUN}"))
    assert found is not None and found.path.endswith(RUN)


@pytest.fixture
def group() -> Cgroup:
    made = make_cgroup(RUN)
    if made is None:
        pytest.skip("no control group can be made here")
    return made


def test_one_that_is_real(group: Cgroup) -> None:
    job = subprocess.Popen(["sh", "-c", "sleep 60 & wait"])
    assert group.adopt([job.pid, 999_999_999]) and group.members() == [job.pid]
    assert group.freeze()
    group.thaw()
    assert make_cgroup(RUN) is not None, "made by a runner that was killed since"
    assert group.kill() and job.wait(5) == -9
    assert group.cpu_seconds() >= 0 and group.peak_bytes() >= 0
    group.remove()
    assert not os.path.exists(group.path)


def test_what_a_job_started_that_is_none_of_it_leaves(group: Cgroup) -> None:
    code = "import sys; sys.stdin.read(); from espalier.adapters.cgroup import *; leave_job(); print(own_folder())"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    group.adopt([other.pid])
    assert other.communicate()[0].strip() == own_folder()
    leave_job()  # (nothing, outside of one)
    group.remove()
    assert not os.path.exists(group.path)
