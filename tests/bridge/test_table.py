import gc

import pyarrow as pa
import pytest
from espalier_bridge.arrow import export
from espalier_bridge.arrow.table import Table
from structs import as_pyarrow, as_table

SOURCE = pa.table({"a": pa.array([1, None], pa.int32()), "s": ["x", None], "n": pa.array([{"p": 1.5}, {"p": None}])})


def test_a_table_says_what_it_holds() -> None:
    table = as_table(SOURCE)
    assert (table.names, table.num_rows, len(table)) == (["a", "s", "n"], 2, 2)
    assert table.to_pydict() == SOURCE.to_pydict()
    assert table.column("s").to_list() == ["x", None]
    assert not table.is_vector and not table.has_lists_in_r
    assert repr(table) == "<Table from R: 2 rows, 3 columns>"


def test_it_hands_itself_to_others_as_often_as_they_want() -> None:
    table = as_table(SOURCE)
    for _ in range(2):
        assert pa.table(table).equals(SOURCE)
        assert pa.record_batch(table).num_rows == 2
        assert as_pyarrow(table).equals(SOURCE)


def test_its_memory_lives_as_long_as_somebody_has_a_part_of_it() -> None:
    before = export.pending()
    column = pa.table(as_table({"x": [1.5, 2.5]})).column("x")
    view = as_table({"x": [7.0]}).column("x").memory()
    gc.collect()
    assert column.to_pylist() == [1.5, 2.5]
    assert view[0] == 7.0
    assert export.pending() > before
    del column, view
    gc.collect()
    assert export.pending() == before


def test_what_r_is_lent_outlives_the_table_and_is_given_back_once() -> None:
    before = export.pending()
    table = as_table(pa.table({"a": [1, 2]}))
    schema, array = table.structs()
    del table
    again = Table(schema, array)
    assert (again.names, again.columns[0].to_list()) == (["a"], [1, 2])
    del schema, array
    gc.collect()
    assert export.pending() > before
    del again
    gc.collect()
    assert export.pending() == before


def test_names_that_repeat_are_found_by_place_only() -> None:
    table = as_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    assert [column.to_list() for column in table.columns] == [[1], [2]]
    with pytest.raises(KeyError, match="2 columns are named 'a'"):
        table.column("a")
    with pytest.raises(KeyError, match="0 columns are named 'b'"):
        table.column("b")
    with pytest.raises(ValueError, match="names repeat"):
        table.to_pydict()


def test_a_list_that_stayed_in_r_is_known_by_its_note() -> None:
    note = {"espalier.r": "0" * 32 + " 5 cells"}
    field = pa.field("l", pa.int64(), metadata=note)
    inner = pa.field("d", pa.struct([field]))
    for schema in (pa.schema([field]), pa.schema([inner])):
        batch = pa.RecordBatch.from_pylist([], schema)
        assert as_table(batch).has_lists_in_r


def test_rows_without_columns_are_counted() -> None:
    assert as_table(pa.array([{}, {}], pa.struct([]))).num_rows == 2
