"""Lists of many finished runs: the first index, a filtered page, all rows, and a refresh; beside SQLite alone.

Usage: index.py WORK [RUNS]. Seconds are of the processor, because readers wait for nobody.
"""

import contextlib
import json
import os
import random
import sqlite3
import sys
import time
from typing import Any, Callable, Dict, List

from espalier import Workspace
from espalier.base.paths import RunPaths
from espalier.store.index.run_index import RunIndex, query_of
from espalier.tracking.run_rows import summarise
from samples import Samples

ROUNDS = 15
NEW = 10
FILTER = "metrics.auc > 0.85 and tags.stage = 'prod'"
ORDER = ["metrics.auc DESC"]
# The same of another value of the metric than the last one.
OTHER = {"filter": "max(metrics.auc) > 0.925 and tags.stage = 'prod'", "order_by": ["max(metrics.auc) DESC"]}


def main(work: str, count: str = "100000") -> None:
    """Make the runs, and measure."""
    os.environ.setdefault("ESPALIER_CACHE_DIR", os.path.join(work, "cache"))
    samples = Samples("index.py")
    workspace = Workspace.open("many", os.path.join(work, "many"))
    made = Runs(workspace)
    made.make(int(count))
    samples.add("first", 1, cpu(workspace.runs.list, max_results=1))
    # a run that has just been read may have changed since: the second look is the last one
    time.sleep(2.1)
    workspace.runs.list(max_results=1)
    index = RunIndex(workspace._paths, summarise)
    same = statement_of(index)
    with contextlib.closing(sqlite3.connect(index._file)) as database:
        for number in range(1, ROUNDS + 1):
            samples.add("page", number, cpu(workspace.runs.list, filter=FILTER, order_by=ORDER, max_results=100))
            samples.add("sqlite", number, cpu(lambda: database.execute(same).fetchall()))
            samples.add("newest", number, cpu(workspace.runs.list, max_results=100))
            samples.add("page.max", number, cpu(workspace.runs.list, **OTHER, max_results=100))
    workspace.runs.list()
    for number in range(1, 4):
        samples.add("all.python", number, cpu(workspace.runs.list))
    for number in range(1, 6):
        time.sleep(2.1)  # (the runs before are no longer looked at again)
        workspace.runs.list(max_results=1)
        made.make(NEW)
        samples.add("refresh", number, cpu(workspace.runs.list, max_results=1))
    samples.write()


def statement_of(index: RunIndex) -> str:
    """What SQLite is asked for the page."""
    asked: List[str] = []

    def ask(database: sqlite3.Connection) -> None:
        database.set_trace_callback(asked.append)
        index.ids(database, query_of(FILTER, ORDER, 100))

    index.ask(ask)
    return next(statement for statement in asked if statement.startswith("SELECT r.n"))


def cpu(action: Callable[..., Any], **arguments: Any) -> float:
    """Seconds of the processor that one call takes."""
    began = time.process_time()
    action(**arguments)
    return time.process_time() - began


class Runs:
    """Finished runs, made by copying the records of a real one."""

    def __init__(self, workspace: Workspace) -> None:
        from espalier import Experiment

        self._paths = workspace._paths
        self._random = random.Random(1)
        self._next = 0
        run = Experiment(workspace, "model").start_logging()
        run.log("auc", 0.5)
        run.complete()
        paths = RunPaths(run.run_dir)
        self._records: Dict[str, Any] = {}
        for name in ("spec", "status", "meta"):
            with open(getattr(paths, name), encoding="utf-8") as file:
                self._records[name] = json.load(file)
        (log,) = os.scandir(paths.events)
        self._log_name = log.name
        with open(log.path, "rb") as events:
            self._log = events.read()

    def make(self, count: int) -> None:
        """Put so many into the workspace."""
        for _ in range(count):
            self._make()

    def _make(self) -> None:
        self._next += 1
        draw, number = self._random, self._next
        seconds = 1_700_000_000 + number * 60
        created = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))
        run_id = f"model_{seconds}_{draw.getrandbits(32):08x}"
        params = {"lr": cell("double", draw.random()), "trees": cell("integer", draw.choice([100, 200, 500]))}
        metrics = {name: cell("double", draw.random()) for name in ("auc", "loss", "accuracy")}
        ranges = {"auc": {"max": (1 + draw.random()) / 2}, "loss": {"first": draw.random(), "min": draw.random() / 2}}
        logged = {"metrics": metrics, "metric_ranges": ranges}
        status = {**self._records["status"], **logged, "duration_seconds": draw.random() * 100}
        spec = {**self._records["spec"], "run_id": run_id, "created_at": created, "params": params, "parent": None}
        meta = {**self._records["meta"], "tags": {"stage": draw.choice(["dev", "test", "prod"])}}
        run = self._paths.new_run(run_id)
        os.makedirs(run.events)
        for path, record in ((run.spec, spec), (run.status, status), (run.meta, meta)):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(record, file)
        with open(os.path.join(run.events, self._log_name), "wb") as events:
            events.write(self._log)
        os.rename(run.root, self._paths.run(run_id).root)


def cell(kind: str, value: float) -> Dict[str, Any]:
    """A value as records have it."""
    return {"kind": kind, "value": value}


if __name__ == "__main__":
    main(*sys.argv[1:])
