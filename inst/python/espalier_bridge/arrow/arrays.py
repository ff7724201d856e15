"""NumPy's arrays, and pandas' frames where there is no pyarrow, as columns. Neither is imported by us first."""

import sys
from typing import Any, List, Optional, Sequence, Tuple

from espalier_bridge.arrow import build, layout
from espalier_bridge.arrow.export import Node


def is_numpy(value: Any) -> bool:
    """Whether it is an array or a single value of NumPy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def is_pandas(value: Any) -> bool:
    """Whether it is a frame or a series of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series))


def is_series(value: Any) -> bool:
    """Whether it is a series of pandas."""
    return is_pandas(value) and value.ndim == 1


def plain_items(values: Sequence[Any]) -> Sequence[Any]:
    """A list with NumPy's single numbers as Python's own."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return values
    plain = (numpy.number, numpy.bool_, numpy.str_, numpy.bytes_)
    return [value.item() if isinstance(value, plain) else value for value in values]


# ---- NumPy ----------------------------------------------------------------------------------------------

_FORMATS = {
    "i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L", "f4": "f", "f8": "g",
}


def from_numpy(value: Any) -> Tuple[Node, Optional[List[int]]]:
    """An array column after column, and its shape if it has two dimensions or more.

    Raises:
        TypeError: R has no column for its type.
        ValueError: a value does not fit into R.
    """
    column = numpy_column(value.ravel(order="F"), "the array")
    return column, None if value.ndim < 2 else list(value.shape)


def numpy_column(values: Any, what: str) -> Node:
    """An array of one dimension; a mask says what is missing.

    Args:
        values: The array.
        what: Its name in errors.

    Raises:
        TypeError: R has no column for its type.
        ValueError: a value does not fit into R.
    """
    import numpy

    gone = numpy.ma.getmaskarray(values) if numpy.ma.is_masked(values) else None
    present = None if gone is None else (~gone).tobytes()
    data = numpy.ascontiguousarray(numpy.ma.getdata(values))
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    kind = data.dtype.kind
    if kind == "b":
        return build.column("b", len(data), [build.pack(data.tobytes())], present)
    if kind in "Mm":
        return _times(data if gone is None else numpy.where(gone, numpy.array("NaT", data.dtype), data), what)
    if data.dtype.str[1:] in _FORMATS:
        node = build.column(_FORMATS[data.dtype.str[1:]], len(data), [b""], present)
        node.buffers, node.keep = [node.buffers[0], data.ctypes.data], [node.keep, data]
        return node
    if kind in "OUTScf":
        items = plain_items(data.tolist())
        return build.from_values(items if present is None else _with_none(items, present), what)
    raise TypeError(f"{what} is of NumPy's type {data.dtype}, which R has no column for")


def _with_none(values: Sequence[Any], present: bytes) -> List[Any]:
    return [value if here else None for value, here in zip(values, present)]


def _times(data: Any, what: str) -> Node:
    """datetime64 and timedelta64; NaT is missing."""
    import numpy

    unit, count = numpy.datetime_data(data.dtype)
    present = (~numpy.isnat(data)).tobytes()
    if data.dtype.kind == "M" and (unit, count) == ("D", 1):
        wide = numpy.where(numpy.isnat(data), 0, data.view("i8"))
        days = wide.astype("i4")
        if (days != wide).any():
            raise ValueError(f"{what} has dates beyond 32 bits of days")
        return build.column("tdD", len(data), [days.tobytes()], present)
    units = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
    if unit not in units or count != 1:
        raise TypeError(f"{what} is of NumPy's type {data.dtype}; convert it to [s], [ms], [us] or [ns]")
    format_ = f"ts{units[unit]}:" if data.dtype.kind == "M" else f"tD{units[unit]}"
    return build.column(format_, len(data), [data.view("i8").tobytes()], present)


# ---- pandas, as pyarrow makes it a table -----------------------------------------------------------------


def from_pandas(frame: Any) -> Node:
    """A frame: NumPy's arrays column by column, categories as factors, an index that says something as columns.

    Raises:
        TypeError: R has no column for the type of one.
        ValueError: a value does not fit into R.
    """
    import pandas

    columns = [(str(name), pandas_column(frame.iloc[:, at])) for at, name in enumerate(frame.columns)]
    if not isinstance(frame.index, pandas.RangeIndex):
        for at, name in enumerate(frame.index.names):
            level = frame.index.get_level_values(at).to_series(name=name)
            columns.append((f"__index_level_{at}__" if name is None else str(name), pandas_column(level)))
    return build.table(columns, len(frame))


def pandas_column(series: Any) -> Node:
    """A series; NaN and NaT are missing.

    Raises:
        TypeError: R has no column for its type.
        ValueError: a value does not fit into R.
    """
    import numpy
    import pandas

    what = f"column {series.name!r}"
    if isinstance(series.dtype, pandas.CategoricalDtype):
        return _categories(series, what)
    zone = getattr(series.dtype, "tz", None)
    if zone is not None:
        node = numpy_column(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), what)
        node.format += build.zone_name(str(zone))
        return node
    if series.dtype == object or pandas.api.types.is_extension_array_dtype(series.dtype):
        values = series.astype(object).where(series.notna(), None).tolist()
        return build.from_values(plain_items(values), what)
    values = series.to_numpy()
    if values.dtype.kind == "f":
        values = numpy.ma.masked_array(values, numpy.isnan(values))
    return numpy_column(values, what)


def _categories(series: Any, what: str) -> Node:
    codes = series.cat.codes.to_numpy().astype("i4")
    node = build.column("i", len(series), [codes.clip(0).tobytes()], (codes >= 0).tobytes())
    node.dictionary = build.from_values(plain_items(series.cat.categories.tolist()), what)
    node.flags |= layout.ORDERED if series.cat.ordered else 0
    return node
