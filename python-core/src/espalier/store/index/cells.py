"""Where the index has the values of tags, parameters, metrics and properties, as SQL. NA and NaN are nothing.

A metric's last value is a cell as that of a parameter: `kind`, `number`, `text`. Its other values are beside it, NULL
where they are as the last one (rows.py).
"""

from typing import NamedTuple

from espalier.store.index.fields import TEXTS, Field
from espalier.store.index.rows import STATISTICS


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
