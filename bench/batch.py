"""1,000 trials of one folder submitted at once, beside single submits and beside bare files of the same content.

No run is started meanwhile: a run that sleeps has the one slot.
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import Dict, List

from espalier import Experiment, Host, Run, ScriptRunConfig, Workspace
from espalier.adapters.posix import sync_file_system
from espalier.base.records import sync_folder, write_file
from espalier.queue.home import queue_paths
from samples import Samples, seconds

TRIALS, SINGLES, ROUNDS = 1000, 100, 5
work = sys.argv[1]
samples = Samples("batch.py")
Host.resources(cpus=1)
workspace = Workspace.create("batch", os.path.join(work, "batch"))
experiment = Experiment(workspace, "bench")
config = ScriptRunConfig(source_directory=os.path.join(work, "project"), entry_script="train.R")
grid = [{"rate": 0.001 * number, "depth": number % 7, "kind": "gbm"} for number in range(TRIALS)]


def singles() -> None:
    for params in grid[:SINGLES]:
        experiment.submit(ScriptRunConfig(config.source_directory, config.entry_script, script_params=params))


def files_of(run: Run) -> Dict[str, bytes]:
    names = ("spec.json", "env.json", "meta.json", "status.json")
    return {name: Path(run.run_dir, name).read_bytes() for name in names}


def bare(files: Dict[str, bytes], sync: bool) -> None:
    """What is written for 1,000 runs: each file and folder synchronised, or all of them together."""
    top = os.path.join(work, "bare")
    os.mkdir(top)
    for number in range(TRIALS):
        folder = os.path.join(top, f"{number % 256:02x}", str(number))
        os.makedirs(folder)
        for name, data in files.items():
            write_file(os.path.join(folder, name), data, sync=sync)
        if sync:
            sync_folder(folder)
            sync_folder(os.path.dirname(folder))
    if not sync:
        fd = os.open(top, os.O_RDONLY)
        sync_file_system(fd)
        os.close(fd)


def dequeue() -> None:
    """Take out all that waits: those that come next find a queue as short as the first."""
    for name in os.listdir(queue_paths().tickets):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(queue_paths().tickets, name))


gate = experiment.submit(ScriptRunConfig(command="sleep 3600"))
files: Dict[str, bytes] = {}
try:
    for number in range(ROUNDS + 1):  # (the first is not counted)
        runs: List[Run] = []
        samples.add("many", number, seconds(lambda runs=runs: runs.extend(experiment.submit_many(config, grid))))
        files = files_of(runs[-1])
        dequeue()
        samples.add("singles", number, seconds(singles) * TRIALS / SINGLES)
        dequeue()
        for name, sync in (("synced", True), ("together", False)):
            samples.add(name, number, seconds(lambda files=files, sync=sync: bare(files, sync)))
            shutil.rmtree(os.path.join(work, "bare"))
finally:
    gate.cancel()
samples.write()
