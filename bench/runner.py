"""What watching a job costs: ending a tree of 500 processes, the memory of runner and guardian, the load of sampling,
and a log of 1 GB, for the job and for those who watch it."""

import os
import subprocess
import sys
import time
from pathlib import Path

from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.base.paths import RunPaths
from espalier.lifecycle.status import read_status
from espalier.vault.credentials import LogMasker
from samples import Samples, seconds

work = sys.argv[1]
samples = Samples("runner.py")
workspace = Workspace.create("runner", os.path.join(work, "runner"))
experiment = Experiment(workspace, "bench")
TREE = "for i in $(seq 10); do setsid sh -c 'for j in $(seq 49); do sleep 600 & done; wait' & done; wait"
LINES = "yes '0123456789 0123456789 0123456789 0123456789 0123456789 012345678' | head -c 1000000000"


def submit(command: object) -> Run:
    """A run whose job runs."""
    run = experiment.submit(ScriptRunConfig(command=command))
    while run.get_status() not in ("Running", "Completed"):
        time.sleep(0.005)
    return run


def job_of(run: Run) -> int:
    """How many processes bear the run's id."""
    mark = b"ESPALIER_RUN_ID=" + run.id.encode()
    found = 0
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found += mark in path.read_bytes()
        except OSError:
            continue
    return found


def held(pid: int, name: str, file: str) -> int:
    """Bytes, of a line of a file in /proc."""
    line = next(line for line in Path(f"/proc/{pid}/{file}").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def runner_and_guardian(run: Run) -> "list[int]":
    """The process that executes a run, and the one above it."""
    runner = int(read_status(RunPaths(run.run_dir)).pid)
    return [runner, int(Path(f"/proc/{runner}/stat").read_text().rpartition(")")[2].split()[1])]


def ticks(pid: int) -> float:
    """Processor time, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cancel(name: str, command: str, number: int) -> None:
    run = submit(command)
    while job_of(run) < 500:
        time.sleep(0.05)
    time.sleep(0.5)
    began = time.perf_counter()
    run.cancel()
    while not run.follow(1 << 60, 1.0)["final"]:
        pass
    samples.add(name, number, time.perf_counter() - began)


for number in range(5):
    cancel("cancel", TREE, number)
# (what is taken once counts: round 0 would be a warm-up)
cancel("cancel.deaf", "trap '' TERM; " + TREE, 1)

run = submit("sleep 20")
time.sleep(8)  # until samples have been taken, which loads their modules
watchers = runner_and_guardian(run)
samples.add("memory", 1, sum(held(pid, "Pss", "smaps_rollup") for pid in watchers))
run.cancel()
run = submit(TREE)
while job_of(run) < 500:
    time.sleep(0.05)
time.sleep(2)
before = sum(map(ticks, runner_and_guardian(run)))
time.sleep(20)
samples.add("load", 1, (sum(map(ticks, runner_and_guardian(run))) - before) / 20)
run.cancel()

for number in range(5):
    with open(os.path.join(work, "plain"), "wb") as file:
        samples.add("plain", number, seconds(lambda: subprocess.run(["sh", "-c", LINES], stdout=file, check=True)))
    os.unlink(os.path.join(work, "plain"))
    run = experiment.submit(ScriptRunConfig(command=LINES))
    while not run.follow(1 << 60, 1.0)["final"]:
        pass
    samples.add("log", number, run.get_details()["durationSeconds"])
    if number < 4:
        os.unlink(os.path.join(run.run_dir, "user_logs", "std_log.txt"))

def peak(argv: "list[str]") -> int:
    """The most memory that a program of its own holds, given the workspace and the run."""
    program = subprocess.Popen([*argv, workspace.path, run.id], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while program.poll() is None:
        try:
            most = max(most, held(program.pid, "VmHWM", "status"))
        except (OSError, StopIteration):
            break
        time.sleep(0.02)
    assert program.wait() == 0, argv
    return most


IN_PYTHON = "import sys; from espalier import Run; Run(*sys.argv[1:]).wait_for_completion(show_output=True)"
IN_R = "library(espalier); a <- commandArgs(TRUE); ws <- get_workspace(basename(a[1]), path = dirname(a[1]))"
IN_R += "; run <- get_run(ws, a[2])"
samples.add("watcher.python", 1, peak([sys.executable, "-c", IN_PYTHON]))
idle = peak(["Rscript", "-e", f"{IN_R}; get_run_status(run); Sys.sleep(0.2)"])
watching = peak(["Rscript", "-e", f"{IN_R}; wait_for_run_completion(run)"])
samples.add("watcher.r", 1, watching - idle)


def hide(line: str) -> None:
    """As the runner does with the output of a job that was given secrets."""
    data, masker = (line.encode() * 1000)[:250_000], LogMasker(["S3cr3t-value-of-a-job", "another value"])
    for _ in range(400):
        masker.feed(data)
    masker.close()


TEXT = "2026-01-02 12:34:56,789 INFO [trainer.py:123] epoch=12 step=3456 loss=0.1234 user_id=abc_12, zero of k quarts\n"
PROGRESS = "\rEpoch 12/50:  37%|###########          | 370/1000 [00:12<00:34, 12.34it/s, loss=0.123]"
FULL = "curl ghp_ hf_ npm_ AKIA xox Bearer password authorization: aws_ :// @ dapi login \n"
for number in range(5):
    for name, line in (("text", TEXT), ("progress", PROGRESS), ("full", FULL)):
        samples.add("hidden." + name, number, seconds(lambda line=line: hide(line)))
samples.add("watcher.r.whole", 1, watching)
samples.add("session.r", 1, idle)
samples.write()
