"""The index of one workspace: refreshed, then asked."""

import base64
import contextlib
import hashlib
import json
import os
import sqlite3
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

from espalier.adapters.homes import cache_folder
from espalier.base import states
from espalier.base.cache_paths import index_file
from espalier.base.paths import WorkspacePaths
from espalier.base.types import Frame
from espalier.store.index.columns import add_named, table_of
from espalier.store.index.fields import Field, refusal
from espalier.store.index.grammar import Compare, Group, Node, Order, fields_of, parse_filter, parse_order
from espalier.store.index.known import index_key
from espalier.store.index.refresh import Refresh, Summarise
from espalier.store.index.rows import OTHER_LAYOUT, clean, copied, opened
from espalier.store.index.sql import Key, Sql, Translator, after_place, joined

_NEWEST_FIRST = (Key("r.created_at", True), Key("r.run_id", True))
# What SQLite says of a query that is too large for it.
_TOO_LARGE = ("too many SQL variables", "Expression tree is too large", "parser stack overflow", "too many terms")
# What it says of a file that isn't an index of ours.
_NO_INDEX = ("not a database", "malformed", OTHER_LAYOUT, "no such table", "no such column", "constraint failed")
# More runs than there are anywhere: a number that SQLite doesn't have is no other error.
_ALL = 1_000_000_000
_Answer = TypeVar("_Answer")


class Query(NamedTuple):
    """Which runs are wanted, and in which order."""

    where: Sequence[Node] = ()
    order: Sequence[Order] = ()
    limit: Optional[int] = None
    page_token: Optional[str] = None
    # Only runs whose `changed` is larger.
    changed_since: Optional[int] = None
    # Only those of its own experiment, without children, ...: what isn't part of what a user wrote
    fixed: Sql = Sql("1")


def query_of(
    filter: Optional[str] = None,
    order_by: Optional[Sequence[str]] = None,
    max_results: Optional[int] = None,
    page_token: Optional[str] = None,
) -> Query:
    """A query as users write it. Raises EspalierError: `bad_filter`, `bad_argument`."""
    if max_results is not None and max_results < 0:
        raise refusal(f"{max_results} runs can't be listed", "", "Give 0 or more.")
    node = parse_filter(filter or "")
    return Query([node] if node is not None else [], parse_order(order_by or ()), max_results, page_token)


class Found(NamedTuple):
    """The runs that a query found."""

    runs: List[int]
    next_page: Optional[str]


class RunIndex:
    """The index of one workspace.

    Args:
        summarise: Run folder -> its row; must not raise for a damaged run.
    """

    def __init__(self, paths: WorkspacePaths, summarise: Summarise) -> None:
        self._runs = paths.runs
        self._summarise = summarise
        self._key = index_key(paths.root)
        self._file = index_file(cache_folder(), self._key)

    # ---- questions, for `ask` ----------------------------------------------------------------------------------

    def frame(self, database: sqlite3.Connection, query: Query) -> Frame:
        """Runs as a table, with the columns that the query names; its `page_token` is that of the next page."""
        found = self._found(database, query)
        frame = table_of(database, found.runs)
        compared = (field for node in query.where for field in fields_of(node))
        add_named(database, frame, found.runs, [*compared, *(order.field for order in query.order)])
        frame.page_token = found.next_page
        return frame

    def ids(self, database: sqlite3.Connection, query: Query) -> List[str]:
        """The ids of runs."""
        find = "SELECT run_id FROM runs WHERE n = ?"
        return [str(database.execute(find, (n,)).fetchone()[0]) for n in self._found(database, query).runs]

    # ---- asking ----------------------------------------------------------------------------------------------

    def look_again(self, run_id: str) -> None:
        """Read a run again that the index has: its files may have been changed in place."""
        if not os.path.exists(self._file):
            return
        with contextlib.suppress(sqlite3.Error), contextlib.closing(opened(self._file)) as database:
            self._refresh(database).refresh_run(run_id[-8:-6], run_id)

    def read_everything(self) -> None:
        """Read each run again."""
        self.ask(lambda _: None, everything=True)

    def ask(self, question: Callable[[sqlite3.Connection], _Answer], *, everything: bool = False) -> _Answer:
        """Refresh the index, and ask it.

        Args:
            everything: Read each run again, also those that can't have changed.
        """
        with contextlib.suppress(sqlite3.OperationalError):
            try:
                return self._asked(question, opened(self._file), everything)
            except sqlite3.DatabaseError as error:
                if not any(words in str(error) for words in _NO_INDEX):
                    raise
                # garbage where the index was, or one of another layout: make it again
                for end in ("", "-wal", "-shm", "-journal"):
                    with contextlib.suppress(OSError):
                        os.unlink(self._file + end)
                if not os.path.lexists(self._file):
                    return self._asked(question, opened(self._file), everything)
        # a cache that can't be read or written is no reason not to answer
        return self._asked(question, copied(self._file), everything)

    def _asked(
        self, question: Callable[[sqlite3.Connection], _Answer], database: sqlite3.Connection, everything: bool
    ) -> _Answer:
        try:
            self._refresh(database).refresh(everything=everything)
            database.execute("BEGIN")  # all of an answer is of one moment
            answer = question(database)
            if database.in_transaction:
                database.execute("COMMIT")  # what was made ready for the next time
            return answer
        finally:
            database.close()

    def _refresh(self, database: sqlite3.Connection) -> Refresh:
        return Refresh(database, self._runs, self._summarise)

    def _found(self, database: sqlite3.Connection, query: Query) -> Found:
        translator = Translator(database)
        where = [query.fixed, *map(translator.condition, query.where)]
        if query.changed_since is not None:
            where.append(Sql("r.changed > ?", (query.changed_since,)))
        sorted_by = [translator.sort_key(order, number) for number, order in enumerate(query.order)]
        keys = [*(key for key in sorted_by if key is not None), *_NEWEST_FIRST]
        if query.page_token is not None:
            where.append(after_place(keys, self._place(query, len(keys))))
        condition = joined(where, every=True)
        joins = [key.join for key in keys]
        values = (*(value for join in joins for value in join.values), *condition.values)
        limit = _ALL if query.limit is None else min(query.limit + 1, _ALL)
        text = (
            f"SELECT r.n, {', '.join(key.value for key in keys)} FROM runs AS r{''.join(join.text for join in joins)}"
            f" WHERE {condition.text} ORDER BY {', '.join(key.order for key in keys)} LIMIT {limit}"
        )
        try:
            rows = database.execute(text, values).fetchall()
        except sqlite3.OperationalError as error:
            if any(words in str(error) for words in _TOO_LARGE):
                raise refusal(f"the filter is too large ({error})", "") from error
            raise
        more = query.limit is not None and len(rows) > query.limit
        rows = rows[: query.limit]
        next_page = self._token(query, rows[-1][1:]) if more and rows else None
        return Found([row[0] for row in rows], next_page)

    # ---- pages -----------------------------------------------------------------------------------------------

    def _token(self, query: Query, place: Sequence[Any]) -> str:
        """Where a page ended, bound to the query and the workspace."""
        body = json.dumps([*place]).encode()
        return base64.urlsafe_b64encode(self._seal(query, body) + body).decode().rstrip("=")

    def _seal(self, query: Query, body: bytes) -> bytes:
        asked = repr((self._key, query.where, query.order, query.fixed)).encode("utf-8", "backslashreplace")
        return hashlib.blake2b(body, digest_size=16, key=hashlib.sha256(asked).digest()).digest()

    def _place(self, query: Query, length: int) -> List[Any]:
        token = query.page_token or ""
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            data = base64.b64decode(token[:100_000] + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            place = json.loads(data[16:])
            if data[:16] == self._seal(query, data[16:]) and isinstance(place, list) and len(place) == length:
                return place
        raise refusal("the page token isn't one of this query", token, "Begin again without a page token.")


def unfinished(database: sqlite3.Connection) -> List[Tuple[str, str, str]]:
    """Id, host and user of each run that hasn't ended."""
    marks = ", ".join("?" * len(states.UNFINISHED))
    query = f"SELECT run_id, host, user FROM runs WHERE NOT settled AND status IN ({marks})"
    return database.execute(query, sorted(states.UNFINISHED)).fetchall()


def completed(database: sqlite3.Connection, experiment: str, keys: Sequence[Optional[str]]) -> Dict[str, str]:
    """The newest completed run of each of some reuse keys."""
    query = "SELECT reuse_key, run_id FROM runs WHERE experiment = ? AND status = ? ORDER BY created_at, run_id"
    wanted = set(keys)
    rows = database.execute(query, (experiment, states.COMPLETED))
    return {key: run_id for key, run_id in rows if key is not None and key in wanted}


def experiments(database: sqlite3.Connection) -> List[Tuple[str, int, Optional[float]]]:
    """Name, number of runs, and the time of the last one, of each experiment."""
    query = "SELECT experiment, count(*), max(created_at) FROM runs GROUP BY experiment ORDER BY experiment"
    return database.execute(query).fetchall()


# Lists leave archived runs out.
NOT_ARCHIVED = Sql("r.archived_at IS NULL")


def archived_at(database: sqlite3.Connection) -> Dict[str, float]:
    """The archived runs, each with the time."""
    return dict(database.execute("SELECT run_id, archived_at FROM runs WHERE archived_at IS NOT NULL"))


def needed_by(database: sqlite3.Connection) -> List[Tuple[str, str, str]]:
    """Each run that another depends on or reads outputs of, with that one's id and status."""
    query = "SELECT needed, run_id, status FROM needs JOIN runs ON n = run ORDER BY created_at, run_id"
    return database.execute(query).fetchall()


def among(run_ids: Sequence[str]) -> Sql:
    """The condition that a run is one of some, which may be many."""
    return Sql("r.run_id IN (SELECT value FROM json_each(?))", (json.dumps(list(run_ids)),))


def below(run_id: str) -> Sql:
    """The condition that a run has another one as its parent, as its parent's parent, and so on."""
    return Sql(
        "r.n IN (WITH RECURSIVE below(n, run_id) AS (SELECT n, run_id FROM runs WHERE parent = ? UNION"
        " SELECT runs.n, runs.run_id FROM runs JOIN below ON runs.parent = below.run_id) SELECT n FROM below)",
        (run_id,),
    )


def best_of(metric: Field, *, largest: bool, number: int, fixed: Sql) -> Query:
    """The runs with the best numbers of a metric; of equal ones those that were made first."""
    is_number = Compare(metric, ">=", float("-inf"))  # (NA, NaN and text are never the best)
    first_made = [Order(Field("", "created_at"), False), Order(Field("", "run_id"), False)]
    return Query([is_number], [Order(metric, largest), *first_made], number, fixed=fixed)


def last_change(database: sqlite3.Connection) -> int:
    """The number of the last change; see `Query.changed_since`."""
    return int(database.execute("SELECT coalesce(max(changed), 0) FROM runs").fetchone()[0])


def has_text(group: str, key: str, text: str) -> Sql:
    """The condition that a run has a tag or property. (Unlike a filter it may name one that no run has.)"""
    name = "(SELECT id FROM names WHERE grouped = ? AND name = ?)"
    condition = f"r.n IN (SELECT run FROM {group} WHERE name = {name} AND text = ?)"
    return Sql(condition, (group, clean(key), clean(text)))


def with_all(group: str, wanted: Optional[Mapping[str, Any]]) -> Node:
    """The condition that a run has all of some tags or properties, which are text."""
    return Group(True, tuple(Compare(Field(group, key), "=", str(value)) for key, value in (wanted or {}).items()))
