import os
import signal
import time
from pathlib import Path
from typing import Callable

import pytest
from espalier.adapters import tree as module
from espalier.adapters.cgroup import make_cgroup
from espalier.adapters.processes import look_at
from espalier.adapters.tree import Tree

Grow = Callable[..., Tree]
# What a job may do to be no longer recognised, as shell; each starts sleepers that last longer than any test.
SHAPES = {
    "child": "sleep 300 & wait",
    "own session": "setsid sleep 300 & wait",
    "own group": "set -m; sleep 300 & wait",
    "double fork": "(setsid sh -c 'sleep 300 & exit' &) ; sleep 300",
    "no environment": "env -i setsid sleep 300 & wait",
    "no environment, double fork": "(env -i setsid sh -c 'sleep 300 & exit' &) ; sleep 300",
    "deaf": "trap '' TERM; setsid sleep 300 & sleep 300; :",
    "stopped": "setsid sh -c 'kill -STOP $$; sleep 300' & sleep 300",
}


def gone(tree: Tree, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while tree.members() and time.monotonic() < deadline:
        time.sleep(0.005)
    return not tree.members()


def gathered(tree: Tree) -> Tree:
    cgroup = make_cgroup(tree.run_id)
    if cgroup is None:
        pytest.skip("no control group can be made here")
    tree.gather(cgroup)
    assert sorted(cgroup.members()) == sorted(each.pid for each in tree.members())
    return tree


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grouped", [False, True], ids=["sub-reaper", "control group"])
def test_it_is_killed_whatever_it_did(grow: Grow, shape: str, grouped: bool) -> None:
    tree = grow(SHAPES[shape])
    if grouped:
        gathered(tree)
    assert tree.kill() and not tree.members()


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "deaf"])
@pytest.mark.parametrize("grouped", [False, True], ids=["sub-reaper", "control group"])
def test_it_is_asked_to_end(grow: Grow, shape: str, grouped: bool) -> None:
    tree = grow(SHAPES[shape])
    if grouped:
        gathered(tree)
    tree.terminate()
    assert gone(tree)


@pytest.mark.parametrize("shape", SHAPES)
def test_when_its_runner_is_dead_it_is_found_by_its_control_group(grow: Grow, shape: str) -> None:
    tree = gathered(grow(SHAPES[shape]))
    lost = Tree("another_1_00000000", None, reaper=None)
    lost.cgroup = tree.cgroup
    assert {each.pid for each in lost.members()} == {each.pid for each in tree.members()}
    assert lost.kill() and not tree.members()


def test_when_its_runner_is_dead_it_is_found_by_session_mark_and_descent(grow: Grow) -> None:
    tree = grow("env -i sleep 300 & setsid sleep 300 & setsid env -i sh -c 'sleep 300; :' & wait", 5)
    by_session = Tree("another_1_00000000", tree.leader, reaper=None)
    assert len(by_session.members()) == 5  # (and what descends from the session)
    by_mark = Tree(tree.run_id, None, reaper=None)
    assert len(by_mark.members()) == 5
    assert by_mark.kill() and gone(tree)


def test_what_tidies_up_is_left_alone(grow: Grow, tmp_path: Path) -> None:
    """A process started in answer to TERM gets no TERM."""
    tree = grow("trap 'sleep 0.3; echo tidied > $HERE/told; exit 0' TERM; while :; do sleep 0.05; done")
    tree.terminate()
    for _ in range(10):
        tree.terminate_orphans()
        time.sleep(0.02)
    assert gone(tree) and (tmp_path / "told").read_text() == "tidied\n"


def test_a_runner_that_a_job_started_is_no_part_of_it(grow: Grow, tmp_path: Path) -> None:
    """A job that looks at runs may start one that waits."""
    runner = tmp_path / "espalier" / "runner" / "__main__.py"
    runner.parent.mkdir(parents=True)
    runner.write_text("import subprocess, sys; subprocess.run(['sleep', '300'])")
    tree = grow(f"setsid python3 {runner} & echo $! > $HERE/runner; sleep 300")
    time.sleep(0.3)
    pid = int((tmp_path / "runner").read_text())
    assert pid not in {each.pid for each in tree.members()}
    assert tree.kill() and look_at(pid) is not None
    os.killpg(pid, signal.SIGKILL)


FORKER = """
import os, sys, time
ends = time.monotonic() + 20
while time.monotonic() < ends and not os.path.exists(sys.argv[1]):
    if os.fork():
        os._exit(0)
    {step}
"""


@pytest.mark.parametrize("grouped,step", [(False, "pass"), (True, "pass"), (True, "os.setsid()")])
def test_one_that_forks_and_ends_again_and_again(grow: Grow, tmp_path: Path, grouped: bool, step: str) -> None:
    """It has another number each time one looks: only its group, or its control group, ends it."""
    (tmp_path / "forker.py").write_text(FORKER.format(step=step))
    tree = grow("python3 $HERE/forker.py $HERE/enough & sleep 300", 2)
    if grouped:
        cgroup = make_cgroup(tree.run_id)
        if cgroup is None:
            pytest.skip("no control group can be made here")
        tree.gather(cgroup)
        time.sleep(0.1)
    try:
        assert tree.kill()
    finally:
        (tmp_path / "enough").touch()


@pytest.mark.parametrize("grouped", [False, True], ids=["sub-reaper", "control group"])
def test_one_that_multiplies(grow: Grow, tmp_path: Path, grouped: bool) -> None:
    """Each starts two, in sessions of their own, up to some hundreds: ten times as many as there are when it is killed."""
    (tmp_path / "bomb.py").write_text(
        "import os, time\n"
        "for _ in range(9):\n"
        "    if os.fork() == 0: os.setsid()\n"
        "    time.sleep(0.02)\n"
        "time.sleep(300)\n"
    )
    tree = grow("python3 $HERE/bomb.py & sleep 300", 40)
    if grouped:
        cgroup = make_cgroup(tree.run_id)
        if cgroup is None:
            pytest.skip("no control group can be made here")
        tree.gather(cgroup)
    assert tree.kill(10)


def test_it_gives_up_in_time(grow: Grow, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = grow("sleep 300 & wait")
    monkeypatch.setattr(module, "send", lambda pids, number: None)
    monkeypatch.setattr(module, "kill_group", lambda leader, number: True)
    before = time.monotonic()
    assert not tree.kill(0.3) and time.monotonic() - before >= 0.3
