import datetime as d
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from espalier_bridge.arrow import accept, arrays
from structs import as_pyarrow, column


@pytest.mark.parametrize("type_", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_every_width_and_byte_order(type_: str, order: str) -> None:
    array = np.array([0, 1, 1], order + type_)
    for one in (array, array[::2], array[::-1], array[:0]):
        assert column(one).to_pylist() == one.tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetimes_and_timedeltas(unit: str) -> None:
    assert column(np.array([5, "NaT"], f"M8[{unit}]")).cast(pa.int64()).to_pylist() == [5, None]
    assert column(np.array([5, "NaT"], f"m8[{unit}]")).type == pa.duration(unit)
    assert column(np.array([5, "NaT"], f">M8[{unit}]")).cast(pa.int64()).to_pylist() == [5, None]


def test_days_are_dates() -> None:
    assert column(np.array(["2020-01-01", "NaT"], "M8[D]")).to_pylist() == [d.date(2020, 1, 1), None]


@pytest.mark.parametrize("type_", ["M8[m]", "M8[M]", "m8[h]", "M8[10s]", "M8[2D]", "m8[D]"])
def test_other_units_are_refused(type_: str) -> None:
    with pytest.raises(TypeError, match=r"convert it to \[s\], \[ms\], \[us\] or \[ns\]"):
        accept.parcel(np.array([1], type_))


def test_dates_beyond_arrows_are_refused() -> None:
    with pytest.raises(ValueError, match="dates beyond 32 bits"):
        accept.parcel(np.array([2**40], "M8[D]"))


@pytest.mark.parametrize("values", [["a", "bc"], [b"a", b"bc"], [1 + 2j]])
def test_text_bytes_and_complex(values: Any) -> None:
    expected = [[v.real, v.imag] for v in values] if isinstance(values[0], complex) else values
    assert column(np.array(values)).to_pylist() == expected


def test_objects_of_one_type_with_none() -> None:
    assert column(np.array(["a", None], object)).to_pylist() == ["a", None]
    assert column(np.array([np.int64(1), None], object)).to_pylist() == [1, None]


@pytest.mark.parametrize("array", [np.zeros(1, [("a", "i4")]), np.array([1, "a"], object), np.longdouble([1.5])])
def test_other_types_are_refused(array: Any) -> None:
    with pytest.raises(TypeError, match="the array (is of NumPy's type|has values of type)"):
        accept.parcel(array)


@pytest.mark.parametrize(
    "data", [np.array([1, 2], "i4"), np.array([1.5, 2]), np.array([True, False]), np.array(["a", "b"]),
             np.array(["2020-01-01"] * 2, "M8[D]"), np.array([1, 2], "m8[s]")], ids=lambda data: str(data.dtype))
def test_masked_places_are_missing(data: Any) -> None:
    assert column(np.ma.array(data, mask=[False, True]))[1].as_py() is None
    assert column(np.ma.array(data, mask=[False, False])).null_count == 0


def test_more_dimensions_go_column_after_column() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    parcel = accept.parcel(array)
    assert (parcel.shape, parcel.dim) == ("vector", [2, 3, 4])
    assert column(array).to_pylist() == array.ravel(order="F").tolist()
    assert accept.parcel(np.zeros((0, 3))).dim == [0, 3]
    assert accept.parcel(np.arange(3)).dim is None


def test_single_values_are_vectors_of_one() -> None:
    assert column(np.float64(1.5)).to_pylist() == [1.5]
    assert column(np.datetime64(1, "ns")).cast(pa.int64()).to_pylist() == [1]
    assert column(np.array(5)).to_pylist() == [5]
    assert arrays.plain_items([np.float64(1.5), np.bool_(True), np.str_("a"), None]) == [1.5, True, "a", None]


def test_the_memory_of_an_array_lives_as_long_as_it_is_needed() -> None:
    parcel = accept.parcel(np.arange(1e5))
    schema = pa.Schema._import_from_c(parcel.schema.address)
    batch = pa.RecordBatch._import_from_c(parcel.batches[0].address, schema)
    assert batch.column(0).to_numpy().sum() == 1e5 * (1e5 - 1) / 2


# ---- pandas -------------------------------------------------------------------------------------------------


def frame() -> Any:
    index = pd.Index(["r", "s"], name="id")
    return pd.DataFrame({
        "i": pd.Series([1, 2]), "f": pd.Series([1.5, None]), "b": [True, False], "s": ["a", None],
        "o": pd.Series(["a", None], dtype=object), "I": pd.array([1, None], "Int64"),
        "B": pd.array([True, None], "boolean"), "F": pd.array([1.5, None], "Float64"),
        "c": pd.Categorical(["u", None], ["v", "u"], ordered=True), "t": pd.to_datetime(["2020-01-01", None]),
        "z": pd.to_datetime(["2020-01-01", None]).tz_localize("Europe/Berlin"), "d": pd.to_timedelta([1, None], "s"),
    }).set_index(index)


def test_pandas_with_and_without_pyarrow_are_the_same_to_r() -> None:
    with_pyarrow = as_pyarrow(frame()).to_pylist()
    without = pa.Table.from_batches([_without_pyarrow(arrays.from_pandas(frame()))]).to_pylist()
    assert without == with_pyarrow
    assert with_pyarrow[0]["id"] == "r"


def _without_pyarrow(node: Any) -> Any:
    from espalier_bridge.arrow import export

    types, data = export.export_schema(node), export.export_array(node)
    return pa.RecordBatch._import_from_c(data.address, pa.Schema._import_from_c(types.address))


def test_indexes_that_only_count_are_left_out() -> None:
    data = pd.DataFrame({"a": [1, 2]})
    assert [child.name for child in arrays.from_pandas(data).children] == ["a"]
    two = data.set_index(pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["u", None]))
    names = [child.name for child in arrays.from_pandas(two).children]
    assert names == ["a", "u", "__index_level_1__"] == as_pyarrow(two).schema.names


@pytest.mark.parametrize("values", [pd.period_range("2020", periods=1, freq="D"), [1, object()]])
def test_columns_that_fit_nowhere_are_refused_by_name(values: Any) -> None:
    with pytest.raises(TypeError, match="column 'p' has values of type"):
        arrays.from_pandas(pd.DataFrame({"p": values}))


def test_pandas_goes_where_pyarrow_is_not_installed() -> None:
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'pyarrow': raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import pandas as pd\n"
        "from espalier_bridge.arrow import accept\n"
        "from espalier_bridge.arrow.table import Table\n"
        "x = pd.DataFrame({'a': pd.array([1, None], 'Int64'), 's': ['u', None], 'c': pd.Categorical(['k', None])})\n"
        "parcel = accept.parcel(x)\n"
        "print(Table.take(parcel.schema.address, parcel.batches[0].address).to_pydict())\n"
        "print(accept.parcel(x['a']).shape, 'pyarrow' in sys.modules)\n"
    )
    places = [str(Path(accept.__file__).parents[2])]
    out = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(places)}, capture_output=True, text=True)
    assert out.stdout.splitlines() == ["{'a': [1, None], 's': ['u', None], 'c': ['k', None]}", "vector False"], out.stderr
