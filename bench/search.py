"""10,000 runs of the same content here and in MLflow: a filtered page, and all of them as a table.

Usage: search.py WORK [RUNS]. Seconds are of the processor, as in index.py.
"""

import contextlib
import os
import sqlite3
import sys
import time
import uuid
from typing import Any, Dict, List, Tuple

import mlflow
from espalier import Workspace
from espalier.base.records import read_record
from espalier.store.index.run_index import RunIndex
from espalier.tracking.run_rows import summarise
from index import FILTER, ORDER, Runs, cpu, statement_of
from samples import Samples

ROUNDS = 7
METRICS, PARAMS = ("auc", "loss", "accuracy"), ("lr", "trees")


def main(work: str, count: str = "10000") -> None:
    """Make the runs, and measure."""
    os.environ.setdefault("ESPALIER_CACHE_DIR", os.path.join(work, "cache"))
    samples = Samples("index.search.py")
    workspace = Workspace.open("few", os.path.join(work, "few"))
    Runs(workspace).make(int(count))
    workspace.runs.list(max_results=1)
    time.sleep(2.1)  # (as in index.py)
    workspace.runs.list(max_results=1)
    experiment = Copy(workspace, os.path.join(work, "mlflow-runs.db")).make()
    index = RunIndex(workspace._paths, summarise)
    same = statement_of(index)
    theirs: Dict[str, Any] = {"filter_string": FILTER, "order_by": ORDER, "experiment_ids": [experiment]}
    with contextlib.closing(sqlite3.connect(index._file)) as database:
        for number in range(ROUNDS + 1):  # (round 0 warms up)
            samples.add("few.page", number, cpu(workspace.runs.list, filter=FILTER, order_by=ORDER, max_results=100))
            samples.add("few.sqlite", number, cpu(lambda: database.execute(same).fetchall()))
            samples.add("few.page.mlflow", number, cpu(mlflow.search_runs, **theirs, max_results=100))
    ours = workspace.runs.list(filter=FILTER, order_by=ORDER, max_results=100).columns["metric_auc"]
    assert list(mlflow.search_runs(**theirs, max_results=100)["metrics.auc"]) == list(ours), "not the same runs"
    for number in range(3):
        samples.add("few.all", number, cpu(workspace.runs.list))
        everything = {"experiment_ids": [experiment], "max_results": int(count)}
        samples.add("few.all.mlflow", number, cpu(mlflow.search_runs, **everything))
    samples.write()


class Copy:
    """The runs of a workspace in MLflow's database, made by copying the rows of a run that MLflow has logged."""

    def __init__(self, workspace: Workspace, file: str) -> None:
        mlflow.set_tracking_uri("sqlite:///" + file)
        self._file = file
        self._folders = [workspace.runs.get(run_id).run_dir for run_id in workspace.runs.list().columns["run_id"]]

    def make(self) -> str:
        """Copy them; returns the id of MLflow's experiment."""
        mlflow.set_experiment("model")
        with mlflow.start_run() as run:
            mlflow.log_metrics(dict.fromkeys(METRICS, 0.5))
            mlflow.log_params(dict.fromkeys(PARAMS, "0"))
            mlflow.set_tag("stage", "none")
        with contextlib.closing(sqlite3.connect(self._file)) as database:
            tables = ("runs", "metrics", "latest_metrics", "params", "tags")
            rows = {table: _rows(database, table, run.info.run_id) for table in tables}
            for folder in self._folders:
                self._copy(database, folder, rows)
            database.commit()
        return str(run.info.experiment_id)

    def _copy(self, database: sqlite3.Connection, folder: str, rows: "Dict[str, List[Dict[str, Any]]]") -> None:
        spec, status, meta = (read_record(os.path.join(folder, f"{name}.json")) for name in ("spec", "status", "meta"))
        given = {name: cell["value"] for name, cell in {**spec["params"], **status.get("metrics", {})}.items()}
        given.update(meta["tags"])
        run_id = uuid.uuid4().hex
        for table, of_run in rows.items():
            for row in of_run:
                value = {"value": given[row["key"]]} if row.get("key") in given else {}
                changed = {**row, **value, "run_uuid": run_id}
                names = ", ".join(changed)
                holes = ", ".join("?" * len(changed))
                database.execute(f"INSERT INTO {table} ({names}) VALUES ({holes})", [*changed.values()])


def _rows(database: sqlite3.Connection, table: str, run_id: str) -> "List[Dict[str, Any]]":
    found = database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))
    names: Tuple[str, ...] = tuple(column[0] for column in found.description)
    return [dict(zip(names, row)) for row in found.fetchall()]


if __name__ == "__main__":
    main(*sys.argv[1:])
