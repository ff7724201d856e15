"""What Python sees of R's data: a table over R's own memory, read-only, kept alive as long as anything refers to it."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from espalier_bridge.arrow import export, layout
from espalier_bridge.arrow.values import Values


class Table:
    """A data frame of R.

    It offers `__arrow_c_array__` and `__arrow_c_stream__`: `pyarrow.table(t)`, `polars.DataFrame(t)` and others take it
    without a copy. Handed back to R unchanged it is the same data frame again, attributes and all.
    """

    def __init__(self, schema: layout.Moved, array: layout.Moved) -> None:
        self._schema, self._array = schema, array
        self._read: Optional[export.Node] = None

    @classmethod
    def take(cls, schema: int, array: int) -> "Table":
        """Take over the structs at two addresses."""
        return cls(layout.moved_schema(schema), layout.moved_array(array))

    @property
    def _node(self) -> export.Node:
        """What the structs say, read when it is asked for: much of what crosses is only handed on."""
        if self._read is None:
            # (it keeps what the table owns, not the table: no cycle, so R's memory is given back at once)
            self._read = _node(self._schema.address, self._array.address, (self._schema, self._array))
        return self._read

    @property
    def is_vector(self) -> bool:
        """Whether R sent a vector: then the table has one column, without a name."""
        return layout.read_metadata(self._schema.fields[2]).get("espalier.r", "").endswith(" vector")

    @property
    def has_lists_in_r(self) -> bool:
        """Whether a list column stayed in R: here are its row numbers, R knows the rest while this table is alive."""
        return _holds_cells(self._schema.fields)

    @property
    def names(self) -> List[str]:
        """Column names, in order; they may repeat."""
        return [layout.text_at(child[1]) for child in layout.schemas_below(self._schema.fields)]

    @property
    def num_rows(self) -> int:
        """Rows."""
        return int(self._array.fields[0])

    def __len__(self) -> int:
        return self.num_rows

    @property
    def columns(self) -> List[Values]:
        """The columns, in order."""
        return [Values(child) for child in self._node.children]

    def column(self, name: str) -> Values:
        """One column.

        Raises:
            KeyError: no column has that name, or more than one has.
        """
        found = [child for child in self._node.children if child.name == name]
        if len(found) != 1:
            raise KeyError(f"{len(found)} columns are named {name!r}")
        return Values(found[0])

    def to_pydict(self) -> Dict[str, List[Any]]:
        """Column name to values, None for missing ones.

        Raises:
            ValueError: names repeat, a dict would lose columns.
        """
        if len(set(self.names)) < len(self.names):
            raise ValueError("column names repeat; use .columns")
        return {child.name: Values(child).to_list() for child in self._node.children}

    def __arrow_c_schema__(self) -> Any:
        return export.capsule(export.export_schema(self._node), b"arrow_schema")

    def __arrow_c_array__(self, requested_schema: Any = None) -> Tuple[Any, Any]:
        """The table as a pair of capsules. A requested schema is ignored, as the protocol allows."""
        return self.__arrow_c_schema__(), export.capsule(export.export_array(self._node), b"arrow_array")

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The table as a stream of one batch."""
        from espalier_bridge.arrow.stream import one_batch

        return one_batch(self._node)

    def structs(self) -> Tuple[layout.Moved, layout.Moved]:
        """Schema and array for R, which reads them and gives them back as a whole."""
        return export.lent(self._schema), export.lent(self._array)

    def __repr__(self) -> str:
        return f"<Table from R: {self.num_rows} rows, {self._schema.fields[4]} columns>"


def _holds_cells(schema: Sequence[int]) -> bool:
    for child in layout.schemas_below(schema):
        # (row numbers have no dictionary)
        if child[2] and not child[6] and layout.read_metadata(child[2]).get("espalier.r", "").endswith(" cells"):
            return True
        if child[4] and _holds_cells(child):
            return True
    return False


def _node(schema: int, array: int, keep: Any) -> export.Node:
    """A node over structs that somebody else owns; `keep` holds them."""
    return _node_of(layout.numbers(schema, layout.SCHEMA_FIELDS), layout.numbers(array, layout.ARRAY_FIELDS), keep)


def _node_of(types: List[int], data: List[int], keep: Any) -> export.Node:
    dictionary: Optional[export.Node] = _node(types[6], data[7], keep) if types[6] and data[7] else None
    return export.Node(
        format=layout.text_at(types[0]), name=layout.text_at(types[1]), metadata=_metadata(types[2]), flags=types[3],
        length=data[0], nulls=data[1], offset=data[2], buffers=layout.numbers(data[5], data[3]),
        children=_children(types, data, keep) if types[4] else [], dictionary=dictionary, keep=keep,
    )


def typed_node(schema: int) -> export.Node:
    """A node of a schema's type without rows."""
    types = layout.numbers(schema, layout.SCHEMA_FIELDS)
    return export.Node(
        format=layout.text_at(types[0]), name=layout.text_at(types[1]), metadata=_metadata(types[2]), flags=types[3],
        length=0, buffers=[], children=[typed_node(child) for child in layout.numbers(types[5], types[4])],
        dictionary=typed_node(types[6]) if types[6] else None,
    )


def _children(types: List[int], data: List[int], keep: Any) -> List[export.Node]:
    arrays = layout.rows(layout.numbers(data[6], data[4]), layout.ARRAY_FIELDS)
    return [_node_of(schema, array, keep) for schema, array in zip(layout.schemas_below(types), arrays)]


def _metadata(address: int) -> bytes:
    return layout.write_metadata(layout.read_metadata(address)) if address else b""
