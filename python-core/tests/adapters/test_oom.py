"""What the kernel killed for lack of memory, by files as the kernel has them; and a real one where a group can be had."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import espalier
import pytest
from espalier.adapters import oom
from espalier.adapters.oom import MACHINE, Shortage, kills, shortage_since

MEMORY = "10:memory:/a/job\n9:cpu,cpuacct:/a\n0::/b\n"


def laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, place: str = "/") -> Path:
    """A hierarchy of groups /a/job, mounted from `place` down; returns the folder of that group."""
    options = "rw" if kind == "cgroup2" else "rw,memory"
    groups = "0::/a/job\n" if kind == "cgroup2" else MEMORY
    mounts = f"30 20 0:26 {place} {tmp_path} rw - {kind} {kind} {options}\n"
    read = oom.read_text
    fakes = {"/proc/self/cgroup": groups, "/proc/self/mountinfo": mounts, MACHINE: "oom_kill 5\n"}
    monkeypatch.setattr(oom, "read_text", lambda path: fakes.get(path) or read(path))
    monkeypatch.setattr(oom, "hierarchies", oom.hierarchies.__wrapped__)  # (what is remembered is the machine's own)
    folder = tmp_path / os.path.relpath("/a/job", place)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("kind", "counter", "limit"),
    [("cgroup2", "memory.events", "memory.max"), ("cgroup", "memory.oom_control", "memory.limit_in_bytes")],
)
@pytest.mark.parametrize("place", ["/", "/a"])
@pytest.mark.parametrize("above", [False, True])
def test_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, counter: str, limit: str, place: str, above: bool
) -> None:
    folder = laid_out(tmp_path, monkeypatch, kind, place)
    group = folder.parent if above else folder
    (group / limit).write_text("700\n")
    (group / counter).write_text("low 0\noom_kill_disable 0\noom_kill 2\n")
    before = kills()
    assert before == {str(group / counter): 2, MACHINE: 5} and shortage_since(before) is None
    (group / counter).write_text("low 0\noom_kill_disable 0\noom_kill 4\n")
    assert shortage_since(before) == Shortage(2, 700, group=True)
    (group / limit).write_text("max\n")
    assert shortage_since(before) == Shortage(2, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), group=True)


def test_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out(tmp_path, monkeypatch, "cgroup2")
    assert shortage_since({MACHINE: 5}) is None
    found = shortage_since({MACHINE: 4})
    assert found is not None and (found.killed, found.group) == (1, False) and found.limit > 1 << 27


@pytest.mark.parametrize("before", [None, [], {"/etc/passwd": 0}, {MACHINE: "4"}, {3: 4}])
def test_a_damaged_record(before: Any) -> None:
    assert shortage_since(before) is None


def own_group() -> Path:
    """The folder of this process's group of version 1, where it may make others."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if ":memory:" in line:
            return Path("/sys/fs/cgroup/memory" + line.split(":", 2)[2])
    return Path("/nowhere")


PARENT = """
import os, signal, sys, time
from espalier.adapters.processes import become_subreaper
from espalier.lifecycle.failure import job_error
from espalier.lifecycle.verdict import with_memory
from espalier.base.paths import RunPaths
from espalier.runner.patience import block_signals
from espalier.executors.start import start_job
from espalier.runner.watch import watch
open(sys.argv[2] + "/cgroup.procs", "w").write(str(os.getpid()))
run = RunPaths(sys.argv[1])
os.makedirs(run.root)
block_signals()
code = sys.argv[3]
outcome = watch(run, start_job(run, run.root, [sys.executable, "-c", code], dict(os.environ)), time.monotonic(), None)
error = with_memory(job_error(run, outcome.exit_code, outcome.signal), outcome)
print(error["code"], error["message"])
"""
EATS = "x = []\nwhile True: x.append(bytearray(10_000_000))"


@pytest.mark.skipif(not os.access(own_group() / "cgroup.procs", os.W_OK), reason="no memory group (v1) can be made here")
def test_a_job_that_takes_too_much(tmp_path: Path) -> None:
    group = own_group() / f"espalier-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text("150M")
        said: Dict[str, str] = {}
        child = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {EATS!r}]) and 3)"
        for name, code in {"eats": EATS, "child": child, "by hand": "import os; os.kill(os.getpid(), 9)"}.items():
            command = [sys.executable, "-c", PARENT, str(tmp_path / name.replace(" ", "")), str(group), code]
            env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(espalier.__file__))}
            said[name] = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60).stdout
    finally:
        group.rmdir()
    assert said["eats"].startswith("job_out_of_memory The job ran out of memory, and the kernel killed it (signal 9, SIGKILL). It used up to 1")
    assert "the control group that it ran in may use 157 MB." in said["eats"]
    assert said["child"].startswith("job_failed The job ended with exit status 3.\nWhile it ran, the kernel killed 1 process for lack of memory.")
    assert said["by hand"] == "job_killed The job ended with signal 9, SIGKILL.\n"
