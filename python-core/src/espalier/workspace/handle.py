"""What every façade of a workspace stands on: its path, its files, its index."""

import contextlib
import os
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Type, TypeVar

from espalier.adapters.files import create_file
from espalier.base.errors import EspalierError
from espalier.base.os_errors import cannot_write
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.records import dump_record, make_folders, now_iso, read_record
from espalier.base.types import Frame, Text
from espalier.queue.nudge import nudge
from espalier.queue.step import step
from espalier.store.index.fields import Field
from espalier.store.index.grammar import Order
from espalier.store.index.rows import clean
from espalier.store.index.run_index import NOT_ARCHIVED, Query, RunIndex, archived_at, below, has_text, unfinished
from espalier.store.index.sql import Sql, joined

NO_CHILDREN = Sql("r.parent IS NULL")
_Answer = TypeVar("_Answer")
_Self = TypeVar("_Self", bound="WorkspaceHandle")


class WorkspaceHandle:
    """A workspace, or a noun of one: `ws.runs`, `ws.environments`. All have the identity of the workspace.

    A noun is a subclass with `NOUN`, its word at the command line and in HTTP paths, and methods that are declared by
    `base/operation.py`.
    """

    NOUN = ""

    def __init__(self, path: str) -> None:
        self._paths = WorkspacePaths(os.path.abspath(path))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._paths.root!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkspaceHandle) or type(self) is not type(other):
            return False
        return os.path.realpath(self._paths.root) == os.path.realpath(other._paths.root)

    def __hash__(self) -> int:
        return hash(os.path.realpath(self._paths.root))

    def _identity(self) -> Dict[str, str]:
        return {"path": self._paths.root}

    @classmethod
    def _from_identity(cls: Type[_Self], identity: Mapping[str, str]) -> _Self:
        return cls(identity["path"])

    def _checked(self: _Self) -> _Self:
        """This workspace, once it is known to be there and readable."""
        self._checked_id()
        return self

    def _checked_id(self) -> str:
        """The workspace's id. See `_checked`."""
        try:
            record = read_record(self._paths.record, follow=True)
        except (FileNotFoundError, NotADirectoryError):
            raise EspalierError(
                "workspace_missing",
                f"Can't find a workspace at {self._paths.root}.",
                "Create it with workspace() or create_workspace(), or correct name and path.",
                path=self._paths.root,
            ) from None
        if not isinstance(record.get("id"), str):
            raise EspalierError("damaged", f"Can't read {self._paths.record}: it has no id.", path=self._paths.record)
        nudge()
        return str(record["id"])

    def _index(self) -> RunIndex:
        return RunIndex(self._paths, _summarise)

    def _runs(self, fixed: Sql, include_children: bool, query: Query, include_archived: bool = False) -> Frame:
        """The table of the runs that a query is for."""
        fixed = listed(fixed, include_children=include_children, include_archived=include_archived)
        query = query._replace(fixed=fixed)
        if not include_archived:
            return self._ask(lambda index, database: index.frame(database, query))
        frame, times = self._ask(lambda index, database: (index.frame(database, query), archived_at(database)))
        frame.columns["archived_at"] = [times.get(run_id) for run_id in frame.columns["run_id"]]
        frame.kinds["archived_at"] = "time"
        return frame

    def _run_ids(self, query: Query) -> List[str]:
        return self._ask(lambda index, database: index.ids(database, query))

    def _unfinished(self) -> List[str]:
        return [run_id for run_id, *_ in self._ask(lambda index, database: unfinished(database))]

    def _ask(self, question: Callable[[RunIndex, Any], _Answer]) -> _Answer:
        """Ask the index. Looking moves the queue on: what died is seen, what waits is started."""
        index = self._checked()._index()
        with contextlib.suppress(EspalierError, OSError):  # (a user who cannot have a queue can still read)
            step()
        answer, waiting = index.ask(lambda database: (question(index, database), unfinished(database)))
        if not waiting:
            return answer
        from espalier.queue.control import look_after

        lost = [run_id for run_id, *owner in waiting if look_after(run_id, self._paths.run(run_id), *owner)]
        return index.ask(lambda database: question(index, database)) if lost else answer


def _summarise(folder: str) -> Dict[str, Any]:
    """The row of a run. (What reads runs is loaded for those that the index doesn't know yet.)"""
    from espalier.tracking.run_rows import summarise

    return summarise(folder)


def run_missing(run_id: str, place: str) -> EspalierError:
    """The error about a run that isn't in a workspace."""
    return EspalierError("run_missing", f"Can't find the run {run_id!r:.200} in {place}.", "See list_runs().")


def listed(fixed: Sql, *, include_children: bool, include_archived: bool) -> Sql:
    """A condition, without the runs that lists leave out unless they are asked for."""
    left_out = [] if include_children else [NO_CHILDREN]
    left_out += [] if include_archived else [NOT_ARCHIVED]
    return joined([fixed, *left_out], every=True)


def record_experiment(paths: WorkspacePaths, name: str) -> None:
    """Make an experiment's record when it is the first time. Raises EspalierError: `workspace_read_only`."""
    record = paths.experiment(name)
    try:
        if not os.path.exists(record):
            make_folders(paths.experiments, top=paths.root)
            content = {"format": FORMAT, "name": name, "created_at": now_iso(time.time())}
            create_file(record, dump_record(content), paths.experiments)
    except OSError as error:
        raise cannot_write(paths.root, error) from error


def indexed_children(
    path: str,
    run_id: str,
    recursive: bool,
    texts: Mapping[str, Mapping[str, Text]],
    type: Optional[str],
    status: Optional[str],
) -> List[str]:
    """The ids of a run's children, in the order in which they were made.

    Args:
        recursive: Also their children, and so on.
        texts: `tags` and `properties` that they have to have.
        type, status: Only of this type, only in this state.
    """
    conditions = [below(run_id) if recursive else Sql("r.parent = ?", (run_id,))]
    for name, value in (("type", type), ("status", status)):
        conditions += [Sql(f"r.{name} = ?", (clean(value),))] if value is not None else []
    for group, wanted in texts.items():
        conditions += [has_text(group, key, str(text)) for key, text in wanted.items()]
    order = [Order(Field("", "created_at"), False), Order(Field("", "run_id"), False)]
    return WorkspaceHandle(path)._run_ids(Query((), order, fixed=joined(conditions, every=True)))
