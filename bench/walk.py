"""What the runner looks for when a job has ended: new and changed files in its working copy, beside `find -newer`."""

import json
import os
import subprocess
import sys
import time

from espalier import Workspace
from espalier.base import accel
from espalier.base.model.codec import encode
from espalier.base.model.job import FrozenFolder, JobSpec
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.lifecycle.scratch import make_scratch, note_beginning
from espalier.lifecycle.status import Known
from espalier.lifecycle.touched import Found, changed_files
from espalier.runner.workdir import materialise
from samples import Samples, seconds
from snapshot import OLD_ENOUGH, SCANNERS, scanner
from trees import make_tree

ROUNDS = 21
COUNTS = (1_000, 10_000)
MEAN_SIZE = 4_000
NOTHING = Found({}, [], [])


class Job:
    """A run whose job has begun, in a working copy of so many files."""

    def __init__(self, work: str, count: int) -> None:
        self.name, self.source = str(count), os.path.join(work, f"source-{count}")
        make_tree(self.source, count, MEAN_SIZE)
        self.workspace = Workspace.open("bench", os.path.join(work, f"workspace-{count}"))
        snapshot = self.workspace.snapshots.take(self.source)
        self.run = RunPaths(os.path.join(self.workspace.path, "runs", "ab", "walk_1764000000_ab000000"))
        os.makedirs(self.run.root)
        self.spec = JobSpec(snapshot=FrozenFolder(snapshot))
        with open(self.run.spec, "w", encoding="ascii") as file:
            json.dump(encode(self.spec), file)
        self.scratch = make_scratch(self.run, os.path.join(work, f"scratch-{count}"), "")
        materialise(self.workspace.path, snapshot, self.scratch.job)
        time.sleep(0.1)  # (a file that was written in the same tick of the clock is compared)
        note_beginning(self.scratch)

    def look(self) -> Found:
        return changed_files(Known(self.run, Status("Running"), self.spec), self.scratch, [])

    def note(self) -> None:
        """What the runner writes down when the job begins."""
        os.unlink(self.scratch.began)
        note_beginning(self.scratch)

    def find(self) -> None:
        """All times of change, and nothing else."""
        argv = ["find", self.scratch.work, "-cnewer", self.scratch.began]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)

    def measure(self, samples: Samples, series: str, number: int) -> None:
        for name in SCANNERS:
            with scanner(name):
                samples.add(f"{self.name}.{series}.{name}", number, seconds(self.look))


def main(work: str) -> None:
    """Measure. Round 0 warms up and is not reported."""
    if accel.native() is None:
        raise SystemExit("The native scanner is not built for this Python.")
    samples = Samples("walk.py")
    jobs = [Job(work, count) for count in COUNTS]
    time.sleep(OLD_ENOUGH)
    for number in range(ROUNDS + 1):
        for job in jobs:
            for name in SCANNERS:
                with scanner(name):
                    again = lambda job=job: job.workspace.snapshots.take(job.source)  # noqa: E731
                    samples.add(f"{job.name}.again.{name}", number, seconds(again))
            samples.add(f"{job.name}.find", number, seconds(job.find))
            samples.add(f"{job.name}.note", number, seconds(job.note))
            job.measure(samples, "same", number)
    assert all(job.look() == NOTHING for job in jobs)
    for number in range(ROUNDS + 1):
        for job in jobs:
            write(job, number)
            job.measure(samples, "changed", number)
    samples.write()


def write(job: Job, number: int) -> None:
    """As a job does: a new file at the top, another in a folder, and one that is replaced."""
    for path in ("table.csv", "part_0001/clean.rds", "part_0002/file_000040.R"):
        with open(os.path.join(job.scratch.work, path), "w", encoding="ascii") as file:
            file.write(f"# {number}\n")


if __name__ == "__main__":
    main(sys.argv[1])
