"""What loading costs over a bare interpreter: whole processes, started in turn."""

import glob
import json
import os
import shutil
import subprocess
import sys
import time
from typing import Dict, List, Tuple

from samples import Samples

ROUNDS = 21
COLD_ROUNDS = 11

R_SCRIPTS = {
    "r.bare": "invisible(1)",
    "r.library": "library(espalier)",
    "r.log": 'library(espalier)\nlog_metric_to_run("auc", 0.9)',
}
PY_SCRIPTS = {
    "py.bare": "pass",
    "py.import": "import espalier",
    "py.log": "from espalier import Run\nRun.get_context().log('auc', 0.9)",
}
SUBMIT = """
library(espalier)
ws <- workspace("cold", path = Sys.getenv("BENCH_COLD"))
run <- submit_experiment(experiment(ws, "cold"), estimator(Sys.getenv("BENCH_PROJECT"), entry_script = "train.R"))
"""
FIRST = """
library(espalier)
invisible(get_workspace("cold", path = Sys.getenv("BENCH_COLD")))
"""
# In the interpreter that the submitting script uses.
RETICULATE = 'invisible(reticulate::py_eval("1 + 1"))'
WHICH_PYTHON = SUBMIT + 'cat(reticulate::py_config()$python, file = file.path(Sys.getenv("BENCH_COLD"), "python"))'


def timed(argv: List[str], env: Dict[str, str]) -> Tuple[float, float]:
    """Wall time and processor time of a process and the children it waited for."""
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)])
    _, status, used = os.wait4(pid, 0)
    took = time.perf_counter() - began
    if status != 0:
        raise SystemExit(f"{argv} ended with status {status}")
    return took, used.ru_utime + used.ru_stime


class Startup:
    """The measurement in a working folder."""

    def __init__(self, work: str) -> None:
        self.work = work
        self.samples = Samples("startup.py")
        self.rscript = str(shutil.which("Rscript"))
        self.cold = os.path.join(work, "cold-ws")
        run_dir = os.path.join(work, "runs", "ab", "log_1764000000_ab000000")
        os.makedirs(run_dir)
        os.makedirs(self.cold)
        run = {"ESPALIER_RUN_DIR": run_dir, "ESPALIER_WORKSPACE": work, "ESPALIER_RUN_ID": os.path.basename(run_dir)}
        self.in_job = {**os.environ, **run}
        self.outside = {**os.environ, "BENCH_COLD": self.cold, "BENCH_PROJECT": os.path.join(work, "project")}
        self.r_env = {name: value for name, value in self.in_job.items() if name != "PYTHONPATH"}
        self.outside.pop("PYTHONPATH", None)

    def script(self, name: str, text: str) -> str:
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
        return path

    def add(self, series: str, number: int, argv: List[str], env: Dict[str, str]) -> None:
        wall, cpu = timed(argv, env)
        self.samples.add(series, number, wall)
        self.samples.add(series + ".cpu", number, cpu)

    def loading(self) -> None:
        """library(), import, and a first log. Round 0 warms up and is not reported."""
        r = {name: self.script(name + ".R", text) for name, text in R_SCRIPTS.items()}
        py = {name: self.script(name + ".py", text) for name, text in PY_SCRIPTS.items()}
        for number in range(ROUNDS + 1):
            for name, path in r.items():
                self.add(name, number, [self.rscript, path], self.r_env)
            for name, path in py.items():
                self.add(name, number, [sys.executable, path], self.in_job)

    def submitting(self) -> None:
        """A whole Rscript that calls the core once, one that submits, and one that only starts Python."""
        subprocess.run([self.rscript, self.script("which.R", WHICH_PYTHON)], env=self.outside, check=True)
        with open(os.path.join(self.cold, "python"), encoding="utf-8") as file:
            python = file.read()
        reticulate = self.script("reticulate.R", RETICULATE)
        submit = self.script("submit.R", SUBMIT)
        first = self.script("first.R", FIRST)
        for number in range(COLD_ROUNDS + 1):
            self.add(
                "cold.reticulate", number, [self.rscript, reticulate], {**self.outside, "RETICULATE_PYTHON": python}
            )
            self.add("cold.first", number, [self.rscript, first], self.outside)
            self.add("cold.submit", number, [self.rscript, submit], self.outside)
            self.settle()

    def settle(self) -> None:
        """Wait for the submitted runs, so that they do not slow the next sample down."""
        deadline = time.monotonic() + 60
        for path in glob.glob(os.path.join(self.cold, "*", "runs", "*", "*", "status.json")):
            while state_of(path) != "Completed":
                if time.monotonic() > deadline:
                    raise SystemExit(f"{path} is {state_of(path)} after a minute")
                time.sleep(0.05)


def state_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return str(json.load(file)["state"])


def main(work: str) -> None:
    """Measure and write the samples."""
    startup = Startup(work)
    startup.loading()
    startup.submitting()
    startup.samples.write()


if __name__ == "__main__":
    main(sys.argv[1])
