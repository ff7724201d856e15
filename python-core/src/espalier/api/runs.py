"""The runs of a workspace: `ws.runs`."""

import os
import stat
from typing import TYPE_CHECKING, Any, Iterable, Optional, Sequence

from espalier.base import states
from espalier.base.arguments import classed
from espalier.base.errors import EspalierError
from espalier.base.names import check_name
from espalier.base.operation import operation
from espalier.base.paths import is_run_id
from espalier.base.types import Frame
from espalier.store.index.fields import Field
from espalier.store.index.rows import clean
from espalier.store.index.run_index import Query, among, below, best_of, query_of
from espalier.store.index.sql import Sql, joined
from espalier.workspace.handle import WorkspaceHandle, listed, run_missing

if TYPE_CHECKING:
    from espalier.api.run import Run

# Which value of a metric a word stands for; of the best one it depends.
_VALUES = {"last": "", "best": "", "first": "first"}


def one_of(name: str, value: str, words: Iterable[str]) -> None:
    """Raises EspalierError `bad_argument` for another word."""
    if value not in words:
        raise EspalierError("bad_argument", f"`{name}` must be one of {', '.join(words)}, not {value!r:.100}.")


@classed
class Runs(WorkspaceHandle):
    """The runs of a workspace."""

    NOUN = "runs"

    @operation("GET /runs", long=True)
    def list(
        self,
        include_children: bool = False,
        filter: Optional[str] = None,
        order_by: Optional[Sequence[str]] = None,
        max_results: Optional[int] = None,
        page_token: Optional[str] = None,
        run_ids: Optional[Sequence[str]] = None,
        include_archived: bool = False,
    ) -> Frame:
        """List runs, newest first, a row each: ids, status, times, tags, parameters, last metrics.

        Args:
            include_children: Also runs that have a parent.
            filter: Only runs for which this holds: `metrics.auc > 0.8 and tags.stage = 'prod'`, in the language of
                MLflow's `search_runs`, with `or`, `not` and parentheses. Times take `'2026-03-01'` and `'7 days'`.
                `metrics.loss` is the last value of a metric, `first(metrics.loss)`, `min(metrics.loss)` and
                `max(metrics.loss)` are others of them. What of these is named becomes a column.
            order_by: What to sort by: `["metrics.auc DESC", "created_at"]`. Runs without a value come last.
            max_results: The number of runs, at most.
            page_token: The table's `page_token`, to get the runs that follow it. The other arguments must be the same.
            run_ids: Only runs that have one of these ids.
            include_archived: Also archived runs; the column `archived_at` then has the time, where there is one.

        Raises:
            EspalierError: `bad_filter`.
        """
        fixed = Sql("1") if run_ids is None else among(run_ids)
        query = query_of(filter, order_by, max_results, page_token)
        return self._runs(fixed, include_children, query, include_archived)

    @operation("GET /runs/best", long=True)
    def best(
        self,
        metric: str,
        maximize: bool = True,
        value: str = "last",
        experiment: Optional[str] = None,
        parent: Optional[str] = None,
        run_ids: Optional[Sequence[str]] = None,
        include_children: bool = False,
        status: Optional[str] = states.COMPLETED,
    ) -> "Run":
        """Find the best run by a metric: the one with the largest or smallest value; of several the one that was made
        first.

        Args:
            metric: The metric's name.
            maximize: Whether the largest value is the best one, or the smallest.
            value: Which value of a metric that was logged several times: `last`, `best` or `first`.
            experiment: Only runs of this experiment.
            parent: Only runs below the run of this id.
            run_ids: Only runs that have one of these ids.
            include_children: Also runs that have a parent. With `parent` or `run_ids` these always count, and archived
                runs too.
            status: Only runs in this state. None: in any.

        Raises:
            EspalierError: `run_missing` when none of these runs has a value; `bad_filter` when no run has the metric.
        """
        one_of("value", value, _VALUES)
        if status is not None:
            one_of("status", status, sorted(states.FINAL | states.UNFINISHED))
        statistic = _VALUES[value] if value != "best" else "max" if maximize else "min"
        field = Field("metrics", metric, statistic)
        scope = [Sql("r.experiment = ?", (check_name("experiment", experiment),))] if experiment is not None else []
        scope += [below(clean(parent))] if parent is not None else []
        scope += [among(run_ids)] if run_ids is not None else []
        scope += [Sql("r.status = ?", (status,))] if status is not None else []
        is_named = parent is not None or run_ids is not None
        fixed = listed(
            joined(scope, every=True), include_children=include_children or is_named, include_archived=is_named
        )
        found = self._run_ids(best_of(field, largest=maximize, number=1, fixed=fixed))
        if not found:
            counted = "run" if status is None else f"{status.lower()} run"
            raise EspalierError(
                "run_missing", f"Can't find a {counted} with a value of the metric {metric!r:.100}.", "See list_runs()."
            )
        return self._run(found[0])

    @operation("GET /runs/{id}", long=True, command="")
    def get(self, run_id: str) -> "Run":
        """A run by its id.

        Args:
            run_id: The run's id, or "latest" for the newest one that has no parent and isn't archived.

        Raises:
            EspalierError: `run_missing`.
        """
        if run_id == "latest":
            fixed = listed(Sql("1"), include_children=False, include_archived=False)
            run_id = next(iter(self._run_ids(Query(limit=1, fixed=fixed))), run_id)
        try:
            found = is_run_id(run_id) and stat.S_ISDIR(os.stat(self._paths.run(run_id).root).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            found = False
        if not found:
            raise run_missing(run_id, self._paths.root)
        self._index().look_again(run_id)  # its files may have been changed in place
        return self._run(run_id)

    def _run(self, run_id: str) -> "Run":
        from espalier.api.run import Run

        return Run(self._paths.root, run_id)

    @operation("GET /runs/states", command="")
    def follow(self, run_ids: Sequence[str], any: bool = False, wait_seconds: float = 0.0) -> Any:
        """The states of runs, for those who wait for several.

        Args:
            run_ids: Their ids.
            any: One that has ended is enough.
            wait_seconds: How long to wait for one to end before answering.

        Returns:
            `states`, one a run; `ended`, how many have; `enough`, whether there is nothing more to wait for.

        Raises:
            EspalierError: `run_missing`, `damaged`.
        """
        from espalier.api.wait_many import enough, look

        for run_id in run_ids:
            if not is_run_id(run_id):
                raise run_missing(run_id, self._paths.root)
        now = look([self._paths.run(run_id) for run_id in run_ids], wait_seconds, any)
        return {"states": now, "ended": sum(map(states.is_final, now)), "enough": enough(now, any)}
