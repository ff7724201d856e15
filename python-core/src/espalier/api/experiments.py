"""The experiments of a workspace: `ws.experiments`."""

from typing import Any, Dict, List

from espalier.api.experiment import Experiment
from espalier.api.workspace import Workspace
from espalier.base.arguments import classed
from espalier.base.operation import operation
from espalier.base.records import now_iso
from espalier.base.types import Frame
from espalier.store.index.run_index import experiments
from espalier.workspace.handle import WorkspaceHandle


@classed
class Experiments(WorkspaceHandle):
    """The experiments of a workspace."""

    NOUN = "experiments"

    @operation("GET /experiments", long=True)
    def list(self) -> Frame:
        """List experiments: `experiment`, `runs`, `last_run_at`."""
        found = [row for row in self._ask(lambda index, database: experiments(database)) if row[0]]
        columns: Dict[str, List[Any]] = {
            "experiment": [name for name, _, _ in found],
            "runs": [runs for _, runs, _ in found],
            "last_run_at": [None if last is None else now_iso(last + 5e-7) for _, _, last in found],
        }
        return Frame(columns, {"experiment": "string", "runs": "integer", "last_run_at": "string"})

    @operation("GET /experiments/{name}", command="")
    def get(self, name: str) -> Experiment:
        """An experiment by its name. It comes into being with its first run.

        Args:
            name: Its name.

        Raises:
            EspalierError: `bad_name`.
        """
        return Experiment(Workspace(self._paths.root), name)
