import gc
import threading

import pyarrow as pa
import pytest
from espalier_bridge.arrow import build, export
from structs import as_pyarrow, as_table


def test_ten_thousand_columns_are_one_piece_of_memory() -> None:
    table = as_pyarrow({f"c{i}": [i] for i in range(10_000)})
    assert table.column("c9999").to_pylist() == [9999]
    assert export.pending() == 1  # the schema is read and gone


def test_a_child_that_was_moved_out_outlives_its_table() -> None:
    batch = pa.record_batch(as_table({"a": [1.5], "b": ["x"]}))
    child = batch.column(1)
    del batch
    gc.collect()
    assert child.to_pylist() == ["x"]


def test_releases_from_other_threads_are_counted() -> None:
    held = [pa.table(as_table({"x": [float(i)]})) for i in range(200)]

    def drop() -> None:
        while held:
            try:
                held.pop()
            except IndexError:
                return

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert export.pending() == 0


def test_a_capsule_nobody_wanted_is_given_back() -> None:
    capsule = export.capsule(export.export_schema(build.doubles([1.0])), b"arrow_schema")
    assert export.pending() == 1
    del capsule
    assert export.pending() == 0


def test_a_capsule_of_something_else_is_refused() -> None:
    capsule = export.capsule(export.export_schema(build.doubles([1.0])), b"arrow_schema")
    with pytest.raises(ValueError, match="PyCapsule"):
        export.capsule_address(capsule, b"arrow_array")


def test_names_are_utf8_whatever_they_are() -> None:
    assert as_pyarrow({"é\U0001f600": [1], "": [2], "\ud800": [3]}).schema.names == ["é\U0001f600", "", "?"]
