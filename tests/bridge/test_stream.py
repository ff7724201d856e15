import pyarrow as pa
import pytest
from espalier_bridge.arrow import stream
from structs import as_table


def test_our_stream_gives_one_batch_and_then_nothing() -> None:
    reader = pa.RecordBatchReader.from_stream(as_table({"x": [1, 2]}))
    assert reader.read_next_batch().to_pydict() == {"x": [1, 2]}
    with pytest.raises(StopIteration):
        reader.read_next_batch()


def test_a_stream_that_nobody_read_is_given_back() -> None:
    capsule = as_table({"x": [1]}).__arrow_c_stream__()
    assert len(stream._open) == 1
    del capsule
    assert len(stream._open) == 0


def test_batches_of_a_stream_are_all_read() -> None:
    table = pa.table({"x": pa.chunked_array([[1], [2, 3], []])})
    _, batches = stream.read(table.__arrow_c_stream__())
    assert [batch.fields[0] for batch in batches] in ([1, 2], [1, 2, 0])


def test_a_stream_is_read_once() -> None:
    capsule = pa.table({"x": [1]}).__arrow_c_stream__()
    stream.read(capsule)
    with pytest.raises(ValueError, match="released or handed over before"):
        stream.read(capsule)
