"""The runs of a workspace: `ws.runs`."""

import os
import stat
from typing import Any, Optional, Sequence

from espalier.api.run import Run
from espalier.api.wait_many import enough, look
from espalier.base import states
from espalier.base.arguments import classed
from espalier.base.errors import EspalierError
from espalier.base.operation import operation
from espalier.base.paths import is_run_id
from espalier.base.types import Frame
from espalier.store.index.run_index import Query, RunIndex, query_of
from espalier.store.index.sql import Sql
from espalier.tracking.run_rows import summarise
from espalier.workspace.handle import NO_CHILDREN, WorkspaceHandle


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
    ) -> Frame:
        """Runs, newest first, a row each: ids, status, times, tags, parameters, last metrics.

        Args:
            include_children: Also runs that have a parent.
            filter: Only runs for which this holds: `metrics.auc > 0.8 and tags.stage = 'prod'`, in the language of
                MLflow's `search_runs`, with `or`, `not` and parentheses. Times take `'2026-03-01'` and `'7 days'`.
            order_by: What to sort by: `["metrics.auc DESC", "created_at"]`. Runs without a value come last.
            max_results: The number of runs, at most.
            page_token: The table's `page_token`, to get the runs that follow it. The other arguments must be the same.

        Raises:
            EspalierError: `bad_filter`.
        """
        return self._runs(Sql("1"), include_children, query_of(filter, order_by, max_results, page_token))

    @operation("GET /runs/{id}", long=True, command="")
    def get(self, run_id: str) -> Run:
        """A run by its id.

        Args:
            run_id: The run's id, or "latest" for the newest one that has no parent.

        Raises:
            EspalierError: `run_missing`.
        """
        if run_id == "latest":
            run_id = next(iter(self._run_ids(Query(limit=1, fixed=NO_CHILDREN))), run_id)
        try:
            found = is_run_id(run_id) and stat.S_ISDIR(os.stat(self._paths.run(run_id).root).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            found = False
        if not found:
            raise EspalierError("run_missing", f"There is no run {run_id!r} in {self._paths.root}.", "See list_runs().")
        RunIndex(self._paths, summarise).look_again(run_id)  # its files may have been changed in place
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
        for run_id in run_ids:
            if not is_run_id(run_id):
                raise EspalierError("run_missing", f"There is no run {run_id!r}.", "See list_runs().")
        now = look([self._paths.run(run_id) for run_id in run_ids], wait_seconds, any)
        return {"states": now, "ended": sum(map(states.is_final, now)), "enough": enough(now, any)}
