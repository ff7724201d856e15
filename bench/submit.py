"""From the call to the state change the waiter sees, in a warm Python session, beside submitit and mlflow."""

import logging
import os
import shutil
import subprocess
import sys
import time
from typing import Callable, Dict

import mlflow
import submitit
from espalier import Experiment, ScriptRunConfig, Workspace
from samples import Samples, seconds

ROUNDS = 21
PEER_ROUNDS = 5
CLI_ROUNDS = 3


def main(work: str) -> None:
    """Measure, interleaved: every round takes one sample of each."""
    logging.disable(logging.INFO)
    samples = Samples("submit.py")
    project = os.path.join(work, "project")
    experiment = Experiment(Workspace.open("bench", os.path.join(work, "from-python")), "submit")
    config = ScriptRunConfig(source_directory=project, entry_script="train.R")
    executor = submitit.LocalExecutor(folder=os.path.join(work, "submitit"))
    rscript = str(shutil.which("Rscript"))

    def bare() -> None:
        with open(os.path.join(work, "bare.log"), "w") as log:
            subprocess.run([rscript, "train.R"], cwd=project, stdout=log, check=True)

    def ours(number: int) -> None:
        began = time.perf_counter()
        run = experiment.submit(config)
        samples.add("py.submit", number, time.perf_counter() - began)
        run.wait_for_completion(show_output=False)
        samples.add("py.finished", number, time.perf_counter() - began)

    def submitit_job() -> "submitit.Job[int]":
        return executor.submit(subprocess.call, [rscript, os.path.join(project, "train.R")])

    def submitit_polled() -> None:
        job = submitit_job()
        while not job.done():
            time.sleep(0.003)
        assert job.result() == 0

    def mlflow_warm() -> None:
        mlflow.projects.run(project, env_manager="local", experiment_name="warm")

    def mlflow_cli() -> None:
        argv = [sys.executable, "-m", "mlflow", "run", project, "--env-manager", "local", "--experiment-name", "cli"]
        # (it looks for the program `python` on the path)
        env = {**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
        env.pop("PYTHONPATH", None)
        subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    peers: Dict[str, Callable[[], object]] = {
        "submitit": lambda: submitit_job().result(),
        "submitit.polled": submitit_polled,
        "mlflow.warm": mlflow_warm,
    }
    # numbered 0: not reported
    for _ in range(3):
        bare()
        ours(0)
    mlflow_warm()
    for number in range(1, ROUNDS + 1):
        samples.add("py.bare", number, seconds(bare))
        ours(number)
        if number <= PEER_ROUNDS:
            for name, action in peers.items():
                samples.add(name, number, seconds(action))
        if number <= CLI_ROUNDS:
            samples.add("mlflow.cli", number, seconds(mlflow_cli))
    samples.write()


if __name__ == "__main__":
    main(sys.argv[1])
