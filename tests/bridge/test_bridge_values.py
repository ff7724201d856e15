"""Data among the arguments and results of a call."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from espalier.base.errors import EspalierError
from espalier_bridge.arrow import accept
from espalier_bridge.arrow.table import Table
from espalier_bridge.values import carrier
from structs import as_table


@pytest.fixture(autouse=True)
def nothing_under_way(nothing_is_left: Any) -> Any:
    yield
    carrier.outgoing.clear()


def received(result: Any) -> Any:
    """As R gets it."""
    if result is None or "list" not in result:
        return None if result is None else Table.take(*map(int, result["table"])).columns[0].to_list()
    items = [received(item) for item in result["list"]]
    return dict(zip(result["names"], items)) if "names" in result else items


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (5, [5]), ([1, None], [1, None]), ((1.5, 2), [1.5, 2.0]), ([], []), ([None], [None]),
        ([1, "a"], [[1], ["a"]]), ([[1], [2, 3]], [[1], [2, 3]]), ({"a": [1], "b": {}}, {"a": [1], "b": {}}),
        ([np.float64(1), np.float64(2)], [1.0, 2.0]), (np.int64(3), [3]), ({1: "x"}, {"1": ["x"]}),
        ([pa.array([1]), None], [[1], None]),
    ],
)
def test_nested_values_are_lists_of_vectors(value: Any, expected: Any) -> None:
    assert received(carrier.data(value)) == expected


def test_data_of_r_arrives_as_tables_in_lists_and_dicts() -> None:
    def sent(value: Any) -> Any:
        parcel = accept.parcel(value)
        carrier.outgoing.append(parcel)
        return {"table": [str(parcel.schema.address), str(parcel.batches[0].address)]}

    got = carrier.argument({"names": ["a", "b"], "list": [sent([1, 2]), {"list": [None, sent(["x"])]}]})
    assert got["a"].columns[0].to_list() == [1, 2]
    assert got["b"][0] is None and got["b"][1].columns[0].to_list() == ["x"]


@pytest.mark.parametrize("value", [object(), [{1, 2}], 2**70, "a\0", np.array([1], "M8[m]")])
def test_what_cannot_go_is_unsupported_data(value: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        carrier.data(value)
    assert caught.value.code == "unsupported_data"


def test_a_table_with_lists_of_r_is_kept_until_the_next_call() -> None:
    field = pa.field("l", pa.int64(), metadata={"espalier.r": "0" * 32 + " 5 cells"})
    for schema, kept in ((pa.schema([field]), 1), (pa.schema([("l", pa.int64())]), 0)):
        carrier.outgoing.clear()
        parcel = accept.parcel(as_table(pa.RecordBatch.from_pylist([{"l": 0}], schema)))
        carrier.argument({"table": [str(parcel.schema.address), str(parcel.batches[0].address)]})
        assert len(carrier.outgoing) == kept
