import datetime as d
from typing import Any

import pyarrow as pa
import pytest
from espalier_bridge.arrow import build
from structs import as_table, column

ROME = d.timezone(d.timedelta(hours=2))


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([True, None, False] * 5, pa.bool_()),
        ([1, None, -(2**31) + 1], pa.int32()),
        ([1, -(2**31)], pa.int64()),
        ([2**63 - 1, None], pa.int64()),
        ([1.5, None, float("inf")], pa.float64()),
        (["a", None, "", "\U0001f600"], pa.string()),
        ([b"a\0", None, b""], pa.large_binary()),
        ([d.date(1, 1, 1), None, d.date(9999, 12, 31)], pa.date32()),
        ([d.timedelta(-1, 5), None], pa.duration("us")),
        ([d.datetime(2020, 1, 1), None], pa.timestamp("us")),
        ([[1, 2], None, []], pa.large_list(pa.int32())),
        ([None, None], pa.null()),
        ([], pa.null()),
    ],
)
def test_values_make_the_column_of_their_kind(values: Any, type_: Any) -> None:
    made = column({"x": values})
    assert made.type == type_
    assert made.to_pylist() == values


def test_whole_numbers_and_fractions_are_doubles() -> None:
    assert column({"x": [1, 2.5]}).type == pa.float64()


def test_times_with_zones_are_instants() -> None:
    made = column({"x": [d.datetime(2020, 1, 1, 2, tzinfo=ROME)]})
    assert made.type == pa.timestamp("us", "UTC")  # R knows no offsets
    assert made.to_pylist() == [d.datetime(2020, 1, 1, tzinfo=d.timezone.utc)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([2**64], "column 'x' has a whole number beyond 64 bits"),
        (["a\0"], "column 'x' has text with a zero byte"),
        (["\ud800"], "column 'x' has text that is no UTF-8"),
        ([d.datetime(2020, 1, 1), d.datetime(2020, 1, 1, tzinfo=ROME)], "times with and without a time zone"),
        ([1, "a"], "column 'x' has values of type int, str"),
        ([True, 1], "column 'x' has values of type bool, int"),
        ([{1}], "column 'x' has values of type set"),
        ([[1, "a"]], "an element of column 'x' has values of type int, str"),
    ],
)
def test_what_fits_no_column_is_refused_by_name(values: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        column({"x": values})


def test_names_of_files_lose_only_what_r_cannot_hold() -> None:
    node = build.strings(["a\0b", "\ud800", "é"])
    assert as_table({"x": ["é"]}).to_pydict() == {"x": ["é"]}
    from espalier_bridge.arrow.values import Values

    assert Values(node).to_list() == ["a\ufffdb", "?", "é"]


def test_repeated_text_is_a_dictionary_that_r_reads_as_text() -> None:
    from espalier_bridge.arrow.values import Values

    values = ["a", None, "é", "", "a\0"] * 300
    node = build.strings(values)
    assert node.dictionary is not None and node.metadata.endswith(b" 0 character")
    assert Values(node).to_list() == ["a", None, "é", "", "a\ufffd"] * 300
    assert build.strings(values[:999]).dictionary is None
    assert build.strings([str(number) for number in range(2000)]).dictionary is None


def test_complex_numbers_are_pairs_and_say_so() -> None:
    node = build.complexes([1 + 2j, None])
    assert node.metadata.endswith(b" 0 complex")
    assert column({"x": [1 + 2j, None]}).to_pylist() == [[1.0, 2.0], [None, None]]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 64])
def test_bits_are_packed_lowest_first(length: int) -> None:
    flags = bytes(i % 3 == 0 for i in range(length))
    packed = build.pack(flags)
    assert len(packed) == (length + 7) // 8
    assert [packed[i >> 3] >> (i & 7) & 1 for i in range(length)] == list(flags)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="'a' has 1, 'b' has 2"):
        column({"a": [1], "b": [1, 2]})
