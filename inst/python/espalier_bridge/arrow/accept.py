"""Whatever Python has that is a table or an array, made ready for R."""

import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from espalier_bridge.arrow import build, export, layout, stream
from espalier_bridge.arrow.table import Table, _node


class Parcel(NamedTuple):
    """Structs for R to take over.

    Attributes:
        schema: Of the table.
        batches: Its rows.
        shape: `frame`, or `vector` for the only column of it.
        dim: Of a matrix or array, column after column; None for others.
    """

    schema: layout.Moved
    batches: List[layout.Moved]
    shape: str = "frame"
    dim: Optional[Sequence[int]] = None


def is_data(value: Any) -> bool:
    """Whether `parcel()` takes it as one table or array."""
    return isinstance(value, Table) or hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__") or (
        _is_frame(value) or _is_numpy(value) or _is_pandas(value)
    )


def parcel(value: Any) -> Parcel:
    """Make a table or an array ready.

    Args:
        value: What `Table` is, or offers `__arrow_c_stream__` or `__arrow_c_array__` (pyarrow, polars, pandas, DuckDB
            and others), a NumPy array, a pandas frame or series without pyarrow, the core's `Frame`, a dict of
            columns, a list of values.

    Raises:
        TypeError: it is none of these, or holds what R has no column for.
        ValueError: columns of different lengths.
    """
    if isinstance(value, Table):
        schema, array = value.structs()
        return Parcel(schema, [array], "vector" if value.is_vector else "frame")
    if _is_frame(value):
        return _ready(_from_frame(value))
    if _is_numpy(value):
        return _from_numpy(value)
    if _is_pandas(value) and "pyarrow" not in sys.modules:
        return _from_pandas(value)
    if hasattr(value, "__arrow_c_stream__"):
        return _checked(*stream.read(value.__arrow_c_stream__()))
    if hasattr(value, "__arrow_c_array__"):
        schema, array = value.__arrow_c_array__()
        return _checked(
            layout.moved_schema(export.capsule_address(schema, b"arrow_schema")),
            [layout.moved_array(export.capsule_address(array, b"arrow_array"))],
        )
    if isinstance(value, dict):
        return _ready(build.table([(str(name), _column(column, name)) for name, column in value.items()]))
    if isinstance(value, (list, tuple)):
        return _vector(build.from_values(value))
    raise TypeError(f"a {type(value).__module__}.{type(value).__name__} cannot go to R as a table")


def _ready(node: export.Node) -> Parcel:
    return Parcel(export.export_schema(node), [export.export_array(node)])


def _vector(node: export.Node, dim: Optional[Sequence[int]] = None) -> Parcel:
    root = build.table([("", node)])
    return Parcel(export.export_schema(root), [export.export_array(root)], "vector", dim)


def _checked(schema: layout.Moved, batches: List[layout.Moved]) -> Parcel:
    """A stream of single columns (a series, a chunked array) is a vector: each batch gets a table around it."""
    if layout.text_at(schema.fields[0]) == "+s":
        return Parcel(schema, batches)
    nodes = [_node(schema.address, batch.address, (schema, batch)) for batch in batches]
    if not nodes:
        return _vector(export.Node("n", 0, []))
    roots = [build.table([("", node)]) for node in nodes]
    return Parcel(export.export_schema(roots[0]), [export.export_array(root) for root in roots], "vector")


def _column(value: Any, name: Any) -> export.Node:
    """One value of a dict of columns."""
    if isinstance(value, (list, tuple)):
        return build.from_values(value, f"column {name!r}")
    if _is_numpy(value):
        if value.ndim != 1:
            raise TypeError(f"column {name!r} is an array of {value.ndim} dimensions")
        return _numpy_column(value, f"column {name!r}")
    if is_data(value):
        ready = parcel(value)
        if ready.shape != "vector" or len(ready.batches) != 1:
            raise TypeError(f"column {name!r} is a {type(value).__name__} of several columns or chunks")
        keep = (ready.schema, ready.batches[0])
        return _node(ready.schema.address, ready.batches[0].address, keep).children[0]
    raise TypeError(f"column {name!r} is a {type(value).__name__}; a list or an array was expected")


# ---- the core's frames ----------------------------------------------------------------------------------


def _is_frame(value: Any) -> bool:
    core = sys.modules.get("espalier.types")
    return core is not None and isinstance(value, core.Frame)


_KINDS: Dict[str, Callable[[Sequence[Any]], export.Node]] = {
    "double": build.doubles, "integer": build.integers, "logical": build.logicals, "string": build.strings,
    "time": build.seconds,
}


def _from_frame(frame: Any) -> export.Node:
    columns = [(name, _KINDS[frame.kinds[name]](values)) for name, values in frame.columns.items()]
    return build.table(columns)


# ---- NumPy and pandas -----------------------------------------------------------------------------------


def _is_numpy(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _is_pandas(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series))


_FORMATS = {"i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L", "f4": "f", "f8": "g"}


def _from_numpy(value: Any) -> Parcel:
    if value.ndim == 0:
        return _vector(build.from_values([value.item()]))
    flat = value.ravel(order="F")
    return _vector(_numpy_column(flat, "the array"), None if value.ndim == 1 else list(value.shape))


def _numpy_column(values: Any, what: str) -> export.Node:
    import numpy

    missing = numpy.ma.getmaskarray(values).tobytes() if numpy.ma.is_masked(values) else None
    present = bytes(not flag for flag in missing) if missing is not None else None
    data = numpy.ascontiguousarray(numpy.ma.getdata(values))
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    kind = data.dtype.kind
    if kind == "b":
        return build.column("b", len(data), [build.pack(data.tobytes())], present)
    if kind in "Mm":
        return _numpy_times(data, what)
    if data.dtype.str[1:] in _FORMATS:
        node = build.column(_FORMATS[data.dtype.str[1:]], len(data), [b""], present)
        node.buffers, node.keep = [node.buffers[0], data.ctypes.data], [node.keep, data]
        return node
    if kind in "OUScV" or kind == "f":
        return build.from_values(data.tolist(), what)
    raise TypeError(f"{what} is of NumPy's type {data.dtype}, which R has no column for")


_DAY = "D"


def _numpy_times(data: Any, what: str) -> export.Node:
    """datetime64 and timedelta64; NaT is missing."""
    import numpy

    unit = numpy.datetime_data(data.dtype)[0]
    present = (~numpy.isnat(data)).astype("u1").tobytes()
    if data.dtype.kind == "M" and unit == _DAY:
        days = numpy.where(numpy.isnat(data), 0, data.view("i8")).astype("i4")
        return build.column("tdD", len(data), [days.tobytes()], present)
    units = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
    if unit not in units:
        raise TypeError(f"{what} is of NumPy's type {data.dtype}; convert it to [s], [ms], [us] or [ns]")
    format_ = f"ts{units[unit]}:" if data.dtype.kind == "M" else f"tD{units[unit]}"
    return build.column(format_, len(data), [data.view("i8").tobytes()], present)


def _from_pandas(value: Any) -> Parcel:
    """Without pyarrow: NumPy's arrays column by column, categories as factors."""
    import pandas

    if isinstance(value, pandas.Series):
        return _vector(_pandas_column(value))
    columns: List[Tuple[str, export.Node]] = [
        (str(name), _pandas_column(value.iloc[:, at])) for at, name in enumerate(value.columns)
    ]
    return _ready(build.table(columns, len(value)))


def _pandas_column(series: Any) -> export.Node:
    import pandas

    what = f"column {series.name!r}"
    if isinstance(series.dtype, pandas.CategoricalDtype):
        codes = series.cat.codes.to_numpy().astype("i4")
        present = (codes >= 0).astype("u1").tobytes()
        node = build.column("i", len(series), [codes.clip(0).astype("i4").tobytes()], present)
        node.dictionary = build.from_values([str(one) for one in series.cat.categories])
        node.flags |= layout.ORDERED if series.cat.ordered else 0
        return node
    zone = getattr(series.dtype, "tz", None)
    if zone is not None:
        node = _numpy_column(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), what)
        node.format += str(zone)
        return node
    if pandas.api.types.is_extension_array_dtype(series.dtype):
        values = series.astype(object).where(series.notna(), None).tolist()
        return build.from_values(values, what)
    if series.dtype == object:
        return build.from_values(series.where(series.notna(), None).tolist(), what)
    return _numpy_column(series.to_numpy(), what)
