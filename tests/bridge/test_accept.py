import datetime as d
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from espalier.base.types import Frame
from espalier_bridge.arrow import accept
from structs import as_pyarrow, column

TYPES = [
    pa.array([1, None], pa.int64()), pa.array([1, None], pa.uint64()), pa.array(["a", None], pa.large_string()),
    pa.array(["a" * 20, None], pa.string_view()), pa.array([b"a", None], pa.binary(1)),
    pa.array([1, None], pa.timestamp("s")), pa.array([1, None], pa.timestamp("ns", "Europe/Berlin")),
    pa.array([1, None], pa.duration("ms")), pa.array([1, None], pa.time32("ms")), pa.array([1, None], pa.time64("ns")),
    pa.array([[1.5, 2.5], None], pa.list_(pa.float64(), 2)), pa.array([{"a": 1}, None]), pa.nulls(2),
    pa.array(["a", None]).dictionary_encode(),
]


@pytest.mark.parametrize("array", TYPES, ids=lambda array: str(array.type))
def test_what_pyarrow_has_arrives_as_it_is(array: Any) -> None:
    table = pa.table({"x": array, "y": array})
    assert as_pyarrow(table).equals(table)
    assert as_pyarrow(table.slice(1)).equals(table.slice(1))
    if not pa.types.is_struct(array.type):  # (that would be a table itself)
        assert column(array).to_pylist() == array.to_pylist()


def test_chunks_stay_chunks_and_bring_their_own_dictionaries() -> None:
    chunks = [pa.array(["u", "v"]).dictionary_encode(), pa.array(["w", None]).dictionary_encode()]
    parcel = accept.parcel(pa.table({"x": pa.chunked_array(chunks)}))
    assert (len(parcel.batches), parcel.shape) == (2, "frame")
    assert column(pa.chunked_array(chunks)).to_pylist() == ["u", "v", "w", None]


def test_an_array_is_a_vector_with_its_type_even_when_empty() -> None:
    assert accept.parcel(pa.array([1])).shape == "vector"
    assert column(pa.chunked_array([], pa.int32())).type == pa.int32()
    assert column(pa.chunked_array([], pa.list_(pa.string()))).type == pa.list_(pa.string())


def test_a_record_batch_and_a_reader_are_tables() -> None:
    batch = pa.record_batch({"a": [1]})
    assert as_pyarrow(batch).to_pydict() == {"a": [1]}
    assert as_pyarrow(pa.RecordBatchReader.from_batches(batch.schema, [batch, batch])).num_rows == 2


def test_a_reader_that_fails_says_why() -> None:
    def batches() -> Any:
        yield pa.record_batch({"a": [1]})
        raise ValueError("the disk is gone")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())
    with pytest.raises(ValueError, match=r"(?s)could not be read:.*the disk is gone"):
        accept.parcel(reader)


def test_polars_frames_and_series() -> None:
    frame = pl.DataFrame({
        "i": [1, None], "s": ["x", None], "l": [["a"], None], "st": [{"p": 1}, {"p": 2}], "d": [d.date(2020, 1, 1), None],
        "c": pl.Series(["b", "a"], dtype=pl.Categorical),
    })
    assert as_pyarrow(frame).to_pylist() == frame.to_dicts()
    assert accept.parcel(pl.Series([1])).shape == "vector"
    assert column(pl.Series(["x", None])).to_pylist() == ["x", None]


def test_python_objects_in_polars_are_refused_not_sent_as_addresses() -> None:
    objects = pl.Series("o", [object()], dtype=pl.Object)
    for value in (objects, objects.to_frame()):
        with pytest.raises(TypeError, match="column 'o' holds Python objects"):
            accept.parcel(value)


def test_the_cores_frame_has_the_kinds_it_says() -> None:
    columns = {"n": [1, None], "i": [1, None], "b": [True, None], "s": ["a\0", None], "t": [0.5, None]}
    kinds = {"n": "double", "i": "integer", "b": "logical", "s": "string", "t": "time"}
    table = as_pyarrow(Frame(columns, kinds))
    assert table.schema.types == [pa.float64(), pa.int32(), pa.bool_(), pa.string(), pa.float64()]
    assert table.schema.field("t").metadata[b"espalier.r"].endswith(b" 0 POSIXct::UTC")
    assert table["s"].to_pylist() == ["a\ufffd", None]


def test_columns_of_a_dict_may_be_of_all_kinds() -> None:
    table = as_pyarrow({"a": [1, 2], "b": pa.array(["x", None]), "c": pl.Series([1.5, 2])})
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", None], "c": [1.5, 2.0]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "builtins.object cannot go to R"), ({"a": 1}, "column 'a' is a int"),
        ({"a": pa.table({"b": [1], "c": [1]})}, "column 'a' is a Table of several columns"),
        (pl.LazyFrame({"a": [1]}), "LazyFrame cannot go to R"), ({1, 2}, "builtins.set cannot go to R"),
    ],
)
def test_anything_else_is_refused(value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        accept.parcel(value)
