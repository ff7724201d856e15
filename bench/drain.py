"""1,000 trivial runs through two slots, beside a bare `xargs -P2` that executes the same.

Also what a submit takes while they drain, and the memory of all processes that see to them.
"""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Dict, List

from espalier import Experiment, Host, ScriptRunConfig, Workspace
from espalier.queue.home import queue_paths
from samples import Samples, seconds

work = sys.argv[1]
samples = Samples("queue.py")
Host.resources(cpus=2)
experiment = Experiment(Workspace.create("queue", os.path.join(work, "queue")), "bench")
COMMANDS: Dict[str, List[str]] = {"r": ["Rscript", "-e", "1"], "true": ["true"]}
_OURS = re.compile(rb"/espalier/(?:runner|keeper)/__main__\.py")


def xargs(command: List[str], runs: int) -> None:
    numbers = "\n".join(map(str, range(runs)))
    # (the number is an argument that the program does not look at)
    subprocess.run(["xargs", "-P2", "-n1", *command], input=numbers, text=True, stdout=subprocess.DEVNULL, check=True)


def drained() -> bool:
    paths = queue_paths()
    return not (os.listdir(paths.tickets) or os.listdir(paths.leases))


def ours(command: List[str], runs: int, took: List[float]) -> None:
    config = ScriptRunConfig(command=command)
    for _ in range(runs):
        took.append(seconds(lambda: experiment.submit(config)))
    while not drained():
        time.sleep(0.01)


def held() -> int:
    """Bytes that runners, guardians and the keeper hold, shared pages counted once."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if _OURS.search(path.read_bytes()):
                total += int(re.search(r"^Pss:\s+(\d+)", (path.parent / "smaps_rollup").read_text(), re.M)[1]) * 1024
        except (OSError, TypeError):
            continue
    return total


class Memory(threading.Thread):
    """The most that was held, looked at four times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.over = 0, False

    def run(self) -> None:
        while not self.over:
            self.most = max(self.most, held())
            time.sleep(0.25)


def measure(name: str, runs: int, number: int) -> None:
    samples.add(f"{name}.xargs", number, seconds(lambda: xargs(COMMANDS[name], runs)))
    took: List[float] = []
    memory = Memory()
    memory.start()
    samples.add(name, number, seconds(lambda: ours(COMMANDS[name], runs, took)))
    memory.over = True
    samples.add(f"{name}.submit", number, sorted(took)[int(0.95 * runs)])
    samples.add(f"{name}.memory", number, memory.most)


measure("r", 40, 0)
measure("true", 40, 0)
measure("r", 1000, 1)
for number in range(1, 4):
    measure("true", 1000, number)
samples.write()
