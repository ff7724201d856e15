import datetime as d
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from espalier_bridge.arrow.values import Values
from structs import as_table


def values(array: Any) -> Values:
    return as_table(pa.record_batch({"x": array})).column("x")


@pytest.mark.parametrize(
    "array",
    [
        pa.array([True, None, False] * 7), pa.array([1, None], pa.int8()), pa.array([1, None], pa.uint8()),
        pa.array([1, None], pa.int16()), pa.array([1, None], pa.uint32()), pa.array([2**63 - 1, None]),
        pa.array([2**63], pa.uint64()), pa.array([1.5, None], pa.float32()), pa.array([1.5, None]),
        pa.array(["a", None, "", "\U0001f600"]), pa.array(["a", None], pa.large_string()), pa.array([[1], None, []]),
        pa.array([["a"], None], pa.large_list(pa.string())), pa.array([d.date(2020, 1, 1), None]),
        pa.array([{"a": 1, "b": [None]}]), pa.nulls(2), pa.array(["u", None, "v", "u"]).dictionary_encode(),
        pa.array([], pa.int32()), pa.array([], pa.string()), pa.array([]).cast(pa.string()).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_lists_are_what_pyarrow_reads(array: Any) -> None:
    assert values(array).to_list() == array.to_pylist()
    assert values(array.slice(1)).to_list() == array.slice(1).to_pylist()


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_times_are_instants_in_utc(unit: str) -> None:
    array = pa.array([d.datetime(2020, 1, 1, 12), None], pa.timestamp(unit, "Asia/Tokyo"))
    assert values(array).to_list() == [d.datetime(2020, 1, 1, 12, tzinfo=d.timezone.utc), None]


def test_times_finer_than_pythons_are_refused_not_cut() -> None:
    array = values(pa.array([1], pa.timestamp("ns", "UTC")))
    with pytest.raises(ValueError, match="column 'x' has times finer than microseconds"):
        array.to_list()
    assert array.to_numpy()[0] == np.datetime64(1, "ns")


def test_memory_is_the_producers_own_and_read_only() -> None:
    array = pa.array([1.5, 2.5, 3.5])
    view = values(array.slice(1)).memory()
    assert list(view) == [2.5, 3.5] and view.readonly
    seen = values(array).to_numpy()
    assert seen.ctypes.data == array.buffers()[1].address
    assert not seen.flags.writeable


def test_memory_of_text_is_refused() -> None:
    with pytest.raises(TypeError, match="column 'x' is not a column of numbers but of Arrow type 'u'"):
        values(pa.array(["a"])).memory()


def test_numpy_masks_whole_numbers_and_not_doubles() -> None:
    masked = values(pa.array([1, None], pa.int32())).to_numpy()
    assert isinstance(masked, np.ma.MaskedArray) and masked.mask.tolist() == [False, True]
    assert not isinstance(values(pa.array([1.5, None])).to_numpy(), np.ma.MaskedArray)


def test_missing_is_none_where_nothing_is() -> None:
    assert values(pa.array([1, 2])).missing() is None
    assert values(pa.array([1, None])).missing() == [False, True]


def test_a_column_says_its_type_and_order() -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["a"]), ordered=True)
    assert values(array).type == "u" and values(array).ordered
    assert repr(values(pa.array([1.5]))) == "<1 values of Arrow type 'g'>"
