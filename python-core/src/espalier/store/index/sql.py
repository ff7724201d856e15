"""A tree of comparisons as SQL. Names and values of users are bound as parameters; they are never part of the text."""

import sqlite3
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from espalier.base import states
from espalier.store.index.fields import (
    GROUPS,
    KINDS,
    TEXTS,
    Field,
    Value,
    near_key,
    no_attribute,
    no_key,
    refusal,
    seconds_at,
)
from espalier.store.index.grammar import Compare, Group, Negation, Node, Order
from espalier.store.index.rows import STATISTICS, number_of

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_STATES = states.FINAL | states.UNFINISHED | {states.DAMAGED, states.UNREADABLE}
_CHILDREN = "(SELECT count(*) FROM runs AS below WHERE below.parent = r.run_id)"
# Kinds of values, and how they are written in a filter.
_KINDS = {"string": "texts", "integer": "numbers", "double": "numbers", "logical": "true or false"}
_WRITE = {"texts": "a text in quotes", "numbers": "a number without quotes", "true or false": "true or false"}


class Pattern:
    """`%` stands for any characters, `_` for one, `\\` makes what follows it a character like others.

    Args:
        fold: Whether upper and lower case are the same.
    """

    def __init__(self, text: str, fold: bool) -> None:
        self._fold = fold
        # pieces between `%`: for each its characters, None where any one may stand
        self._pieces: List[List[Optional[str]]] = [[]]
        letters = iter(text)
        for letter in letters:
            if letter == "%":
                self._pieces.append([])
            elif letter == "_":
                self._pieces[-1].append(None)
            else:
                letter = next(letters, "\\") if letter == "\\" else letter
                self._pieces[-1] += list(letter.casefold() if fold else letter)
        self._plain = ["" if None in piece else "".join(map(str, piece)) for piece in self._pieces]

    def matches(self, text: Optional[str]) -> bool:
        """Whether a text is as the pattern says; a missing one is not."""
        if text is None:
            return False
        text = text.casefold() if self._fold else text
        first, last = self._pieces[0], self._pieces[-1]
        if len(self._pieces) == 1:
            return len(text) == len(first) and self._stands(0, text, 0)
        end = len(text) - len(last)
        if end < len(first) or not self._stands(0, text, 0) or not self._stands(-1, text, end):
            return False
        at = len(first)
        # each piece as far left as it goes: what is right of it then has the most room
        for number in range(1, len(self._pieces) - 1):
            at = self._found(number, text, at, end)
            if at < 0:
                return False
            at += len(self._pieces[number])
        return True

    def _stands(self, number: int, text: str, at: int) -> bool:
        piece = self._pieces[number]
        if self._plain[number] or not piece:
            return text.startswith(self._plain[number], at)
        return all(wanted is None or text[at + i] == wanted for i, wanted in enumerate(piece))

    def _found(self, number: int, text: str, begin: int, end: int) -> int:
        piece = self._pieces[number]
        if self._plain[number] or not piece:
            return text.find(self._plain[number], begin, end)
        places = range(begin, end - len(piece) + 1)
        return next((at for at in places if self._stands(number, text, at)), -1)


class Sql(NamedTuple):
    """A piece of SQL and its parameters."""

    text: str
    values: Tuple[Any, ...] = ()


class Translator:
    """Makes SQL for one database. Its conditions are about `runs AS r`.

    A condition holds, or it doesn't: what is unknown, because a run lacks the value, doesn't hold, and nor does its
    opposite. So `NOT` is moved down to the comparisons.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._patterns: List[Pattern] = []
        database.create_function("matches", 2, lambda text, at: self._patterns[at].matches(text))

    def condition(self, node: Node, *, negated: bool = False) -> Sql:
        """The condition that a tree stands for. Raises EspalierError: `bad_filter`: values of another type than the
        field."""
        if isinstance(node, Negation):
            return self.condition(node.part, negated=not negated)
        if isinstance(node, Group):
            return joined([self.condition(part, negated=negated) for part in node.parts], every=node.every != negated)
        if node.field.group:
            return self._of_cell(node, negated)
        return self._of_attribute(node, negated)

    def _of_attribute(self, node: Compare, negated: bool) -> Sql:
        column = self._column(node.field)
        kind = KINDS[node.field.key]
        if node.operator == "null":
            return Sql(f"{column} IS {'NOT ' if negated else ''}NULL")
        values = [_attribute_value(node, kind, value) for value in _values(node)]
        if node.field.key == "status" and node.operator in ("=", "!=", "in"):
            for value in values:
                if value not in _STATES:
                    near = near_key(value, _STATES)
                    hint = f"Did you mean '{near}'?" if near else f"There are {', '.join(sorted(_STATES))}."
                    raise refusal("no run has this status", value, hint)
        return self._comparison(column, node.operator, values, negated)

    def _of_cell(self, node: Compare, negated: bool) -> Sql:
        group = node.field.group
        name = self.name_id(node.field)
        if node.operator == "null":
            inside = Sql(f"SELECT run FROM {group} WHERE name = ? AND {cells_of(node.field).known}", (name,))
            return Sql(f"r.n {'' if negated else 'NOT '}IN ({inside.text})", inside.values)
        values = _values(node)
        if any(isinstance(value, str) != isinstance(values[0], str) for value in values):
            raise refusal(f"the list for {node.field} has texts and numbers", str(values[0]))
        pieces = [
            Sql(f"({cells} AND {compared.text})", compared.values)
            for cells, column, literals in _matching(node, values)
            for compared in [self._comparison(column, node.operator, literals, negated)]
            if self._has_cell(node.field, name, cells)
        ]
        if not pieces:
            self._refuse_kind(node, name)
        compared = joined(pieces, every=False)
        return Sql(f"r.n IN (SELECT run FROM {group} WHERE name = ? AND {compared.text})", (name, *compared.values))

    def _has_cell(self, field: Field, name: Optional[int], cells: str) -> bool:
        query = f"SELECT 1 FROM {field.group} WHERE name = ? AND {cells} LIMIT 1"
        return self._database.execute(query, (name,)).fetchone() is not None

    def _refuse_kind(self, node: Compare, name: Optional[int]) -> None:
        """Raises EspalierError `bad_filter` if there are values: they are of another kind than what `node` has."""
        cells = cells_of(node.field)
        query = f"SELECT DISTINCT {cells.kind} FROM {node.field.group} WHERE name = ? AND {cells.known}"
        kinds = {_KINDS[kind] for (kind,) in self._database.execute(query, (name,))}
        if kinds:
            value = _values(node)[0]
            problem = f"the values of {node.field} are {' and '.join(sorted(kinds))}"
            raise refusal(problem, str(value), f"Compare it with {_WRITE[min(kinds)]}.")

    def _comparison(self, column: str, operator: str, values: Sequence[Any], negated: bool) -> Sql:
        if operator in ("like", "ilike"):
            self._patterns.append(Pattern(values[0], fold=operator == "ilike"))
            found = f"matches({column}, ?)"
            text = f"({column} IS NOT NULL AND NOT {found})" if negated else found
            return Sql(text, (len(self._patterns) - 1,))
        if operator == "in":
            marks = ", ".join("?" * len(values))
            return Sql(f"{column} {'NOT ' if negated else ''}IN ({marks})", tuple(values))
        return Sql(f"{column} {_OPPOSITE[operator] if negated else operator} ?", tuple(values))

    def name_id(self, field: Field) -> Optional[int]:
        """The number of a key; None if no run has any of its group. Raises EspalierError: `bad_filter`: no run has it,
        and some have others of its group."""
        names = self._names(field.group)
        if names and field.key not in names:
            raise no_key(field, names)
        return names.get(field.key)

    def _names(self, group: str) -> Dict[str, int]:
        # (runs may have had a name that none has any more)
        query = f"SELECT name, id FROM names WHERE grouped = ? AND EXISTS (SELECT 1 FROM {group} WHERE name = names.id)"
        return dict(self._database.execute(query, (group,)).fetchall())

    def _column(self, field: Field) -> str:
        """An attribute as SQL. Raises EspalierError: `bad_filter`: there isn't that attribute."""
        if field.key not in KINDS:
            raise no_attribute(field.key, [Field(group, name) for group in GROUPS for name in self._names(group)])
        return _CHILDREN if field.key == "children" else f'r."{field.key}"'

    def sort_key(self, order: Order, number: int) -> "Optional[Key]":
        """What to sort by: an expression, and the table it is from. None where no run has that key."""
        if not order.field.group:
            return Key(self._column(order.field), order.descending)
        name = self.name_id(order.field)
        if name is None:
            return None
        table = f"s{number}"
        value = cells_of(order.field, table).value
        join = f" LEFT JOIN {order.field.group} AS {table} ON {table}.run = r.n AND {table}.name = ?"
        return Key(value, order.descending, Sql(join, (name,)))


class Key(NamedTuple):
    """Something to sort by. What is missing comes last."""

    value: str
    descending: bool
    join: Sql = Sql("")

    @property
    def order(self) -> str:
        """Its piece of ORDER BY. (In a descending order SQLite has missing values last.)"""
        return f"{self.value} DESC" if self.descending else f"{self.value} IS NULL, {self.value}"

    def after(self, value: Any) -> Sql:
        """Whether a run comes after the place of a value."""
        if value is None:
            return Sql("0")
        return Sql(f"({self.value} {'<' if self.descending else '>'} ? OR {self.value} IS NULL)", (value,))


def after_place(keys: Sequence[Key], place: Sequence[Any]) -> Sql:
    """Whether a run comes after a place in the order of some keys."""
    found: List[Sql] = []
    for number, key in enumerate(keys):
        same = [Sql(f"{before.value} IS ?", (value,)) for before, value in zip(keys[:number], place)]
        found.append(joined([*same, key.after(place[number])], every=True))
    return joined(found, every=False)


def joined(parts: Sequence[Sql], *, every: bool) -> Sql:
    """Conditions of which all hold, or any."""
    if not parts:
        return Sql("1" if every else "0")
    text = (" AND " if every else " OR ").join(part.text for part in parts)
    return Sql(f"({text})" if len(parts) > 1 else text, tuple(value for part in parts for value in part.values))


def _values(node: Compare) -> List[Value]:
    return list(node.value) if isinstance(node.value, tuple) else [node.value]


def _matching(node: Compare, values: Sequence[Value]) -> List[Tuple[str, str, List[Any]]]:
    """Which cells can be compared with values: a condition, their column, and the values as these cells have them.

    A text is compared with texts, and what reads as a number, or as true or false, with those.
    """
    cells = cells_of(node.field)
    if not isinstance(values[0], str):
        return [(f"{cells.number} IS NOT NULL", cells.number, [_bound(value) for value in values])]
    found: List[Tuple[str, str, List[Any]]] = [(cells.is_text, cells.text, [_bound(value) for value in values])]
    if node.operator in ("like", "ilike") or node.field.group in TEXTS:
        return found
    for kinds, is_logical in (("('integer', 'double')", False), ("('logical')", True)):
        numbers = [number_of(str(value), logical=is_logical) for value in values]
        known = [number for number in numbers if number is not None]
        if known:
            found.append((f"{cells.kind} IN {kinds} AND {cells.number} IS NOT NULL", cells.number, known))
    return found


def _bound(value: Any) -> Any:
    """A value as SQLite takes it: neither whole numbers beyond 64 bits nor lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value if isinstance(value, bool) else float(value)


def _attribute_value(node: Compare, kind: str, value: Value) -> Any:
    is_text = isinstance(value, str)
    if node.operator in ("like", "ilike") and kind != "string":
        raise refusal(f"{node.field} isn't text, so it can't be compared with a pattern", str(value))
    if kind == "time" and is_text:
        return seconds_at(str(value))
    if is_text != (kind == "string") or isinstance(value, bool):
        wanted = {"string": "a text in quotes", "time": "a time"}.get(kind, "a number")
        raise refusal(f"{node.field} is compared with {wanted}", repr(value))
    return _bound(value)


class Cells(NamedTuple):
    """Pieces of SQL about a row of a group's table."""

    kind: str
    # NULL where it is no number, or no text.
    number: str
    text: str
    # Whether the value is text, as the indices have it.
    is_text: str

    @property
    def known(self) -> str:
        """Whether there is a value."""
        return f"({self.number} IS NOT NULL OR ({self.is_text} AND {self.text} IS NOT NULL))"

    @property
    def value(self) -> str:
        """The value, a number or a text; of a tag always its text."""
        return f"CASE {self.kind} WHEN 'string' THEN {self.text} ELSE {self.number} END"


def cells_of(field: Field, table: str = "") -> Cells:
    """Where a field's values are.

    Args:
        table: The name of its table in a query that has several.
    """
    at = f"{table}." if table else ""
    last = Cells(f"{at}kind", f"{at}number", f"{at}text", f"{at}number IS NULL AND {at}kind = 'string'")
    if field.group in TEXTS:
        return last._replace(is_text=f"{at}text IS NOT NULL")
    if not field.statistic:
        return last
    other = at + STATISTICS[field.statistic]
    number = f"coalesce({other}, {at}number)"
    if field.statistic != "first":
        return Cells(_kind(number, "0", last.kind), number, "NULL", "0")
    as_last = f"{other} IS NULL"
    is_text = f"(typeof({other}) = 'text' OR ({as_last} AND {last.is_text}))"
    number = f"CASE typeof({other}) WHEN 'null' THEN {at}number WHEN 'real' THEN {other} END"
    text = f"CASE typeof({other}) WHEN 'null' THEN {at}text WHEN 'text' THEN {other} END"
    return Cells(_kind(number, is_text, last.kind), number, text, is_text)


def _kind(number: str, is_text: str, last: str) -> str:
    """The kind of a value, which needn't be that of the last one."""
    whole = f"{last} = 'integer' AND {number} = round({number})"
    logical = f"{last} = 'logical' AND {number} IN (0, 1)"
    return f"CASE WHEN {is_text} THEN 'string' WHEN ({whole}) OR ({logical}) THEN {last} ELSE 'double' END"
