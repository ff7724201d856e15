"""One scalar logged from Python, beside mlflow's log_metric and one write(2) of the same line."""

import glob
import logging
import os
import random
import sys

import mlflow
from samples import Samples, seconds

BATCHES = 40
CALLS = 500
MLFLOW_CALLS = 20
LINE = b'{"type":"metric","seq":1234,"time":1764000001.512345,"name":"auc","kind":"double","value":0.9123456789}\n'


def main(work: str) -> None:
    """Measure batches of each in turn; a sample is the mean of a batch."""
    logging.disable(logging.INFO)
    samples = Samples("log.py")
    run_dir = os.path.join(work, "runs", "ab", "log_1764000000_ab000000")
    os.makedirs(run_dir)
    # as inside a job: the run comes from the environment
    os.environ.update(ESPALIER_RUN_DIR=run_dir, ESPALIER_WORKSPACE=work, ESPALIER_RUN_ID=os.path.basename(run_dir))
    from espalier import Run

    run = Run.get_context()
    limit = os.open(os.path.join(work, "limit-py"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    values = [random.random() for _ in range(CALLS)]

    def logged() -> None:
        for value in values:
            run.log("auc", value)

    def written() -> None:
        for _ in values:
            os.write(limit, LINE)

    def mlflow_logged() -> None:
        for value in values[:MLFLOW_CALLS]:
            mlflow.log_metric("auc", value)

    def mlflow_series(name: str) -> None:
        with mlflow.start_run():
            mlflow_logged()
            for batch in range(1, 6):
                samples.add(name, batch, seconds(mlflow_logged) / MLFLOW_CALLS)

    logged()
    written()
    for batch in range(1, BATCHES + 1):
        samples.add("py.log", batch, seconds(logged) / CALLS)
        samples.add("py.write", batch, seconds(written) / CALLS)
    mlflow_series("mlflow.sqlite")
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    mlflow.set_tracking_uri("file://" + os.path.join(work, "mlruns"))
    mlflow_series("mlflow.files")

    (events,) = glob.glob(os.path.join(run_dir, "events", "*.jsonl"))
    with open(events, "rb") as file:
        assert sum(1 for _ in file) == (BATCHES + 1) * CALLS + 1
    samples.write()


if __name__ == "__main__":
    main(sys.argv[1])
