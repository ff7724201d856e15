"""Real trees of processes, whose sub-reaper is this process."""

import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from espalier.adapters import posix
from espalier.adapters.processes import all_processes
from espalier.adapters.subreaper import become_subreaper
from espalier.adapters.tree import Tree


def children() -> List[int]:
    return [each.pid for each in all_processes().values() if each.parent == os.getpid()]


@pytest.fixture
def grow(tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    """Start a shell line as a job and wait until its tree has some processes."""
    become_subreaper()
    spared = set(children())
    env = {"PATH": os.environ["PATH"], "ESPALIER_RUN_ID": f"t_1_{os.getpid():08x}", "HERE": str(tmp_path)}
    trees: List[Tree] = []

    def start(code: str, processes: int = 2) -> Tree:
        leader = posix.spawn_session(["/bin/sh", "-c", code], env, [])
        tree = Tree(env["ESPALIER_RUN_ID"], leader, os.getpid(), spared)
        trees.append(tree)
        deadline = time.monotonic() + 20
        while len(tree.members()) < processes:
            assert time.monotonic() < deadline, f"{len(tree.members())} processes"
            time.sleep(0.005)
        time.sleep(0.05)  # (what is between fork and its program is not settled yet)
        return tree

    yield start
    for tree in trees:
        tree.reaper = os.getpid()
        assert tree.kill()
        if tree.cgroup is not None:
            tree.cgroup.remove()
    collect(spared)


def collect(spared: Any) -> None:
    for pid in set(children_of_any_state()) - spared:
        os.waitpid(pid, 0)


def children_of_any_state() -> Iterator[int]:
    """Of this process, those that have ended too."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] in b"ZX":
            yield int(name)


@pytest.fixture(autouse=True)
def children_are_collected() -> Iterator[None]:
    """Whatever a test before left ignored."""
    old = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGCHLD, old)
