"""The children of a run by the index, for sessions; a job, which has none, reads folders (lifecycle/children.py)."""

from typing import List, Mapping, Optional

from espalier.base.types import Text
from espalier.store.index.fields import Field
from espalier.store.index.grammar import Order
from espalier.store.index.rows import clean
from espalier.store.index.run_index import Query, below, has_text
from espalier.store.index.sql import Sql, joined
from espalier.workspace.handle import WorkspaceHandle


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
