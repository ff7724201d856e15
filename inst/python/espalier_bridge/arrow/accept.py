"""Whatever Python has that is a table or an array, made ready for R."""

import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from espalier_bridge.arrow import arrays, build, export, layout, stream
from espalier_bridge.arrow.table import Table, _node, typed_node


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
        _is_frame(value) or arrays.is_numpy(value) or arrays.is_pandas(value)
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
    if arrays.is_numpy(value):
        return _vector(*arrays.from_numpy(value))
    _refuse_objects(value)
    if arrays.is_series(value) and "pyarrow" not in sys.modules:
        return _vector(arrays.pandas_column(value))
    if arrays.is_pandas(value) and "pyarrow" not in sys.modules:
        return _ready(arrays.from_pandas(value))
    if hasattr(value, "__arrow_c_array__"):
        schema, array = value.__arrow_c_array__()
        return _checked(
            layout.moved_schema(export.capsule_address(schema, b"arrow_schema")),
            [layout.moved_array(export.capsule_address(array, b"arrow_array"))],
        )
    if hasattr(value, "__arrow_c_stream__"):
        return _checked(*stream.read(value.__arrow_c_stream__()))
    if isinstance(value, dict):
        return _ready(build.table([(str(name), _column(column, name)) for name, column in value.items()]))
    if isinstance(value, (list, tuple)):
        return _vector(build.from_values(value))
    raise TypeError(f"a {type(value).__module__}.{type(value).__name__} cannot go to R as a table")


def _refuse_objects(value: Any) -> None:
    """polars hands out addresses for a column of Python objects.

    Raises:
        TypeError: the frame or series has such columns.
    """
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(value, (polars.DataFrame, polars.Series)):
        return
    columns = [value] if isinstance(value, polars.Series) else value.get_columns()
    bad = [repr(column.name) for column in columns if column.dtype == polars.Object]
    if bad:
        raise TypeError(f"column {', '.join(bad)} holds Python objects")


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
        return Parcel(export.export_schema(build.table([("", typed_node(schema.address))])), [], "vector")
    roots = [build.table([("", node)]) for node in nodes]
    return Parcel(export.export_schema(roots[0]), [export.export_array(root) for root in roots], "vector")


def _column(value: Any, name: Any) -> export.Node:
    """One value of a dict of columns."""
    if isinstance(value, (list, tuple)):
        return build.from_values(value, f"column {name!r}")
    if arrays.is_numpy(value):
        if value.ndim != 1:
            raise TypeError(f"column {name!r} is an array of {value.ndim} dimensions")
        return arrays.numpy_column(value, f"column {name!r}")
    if is_data(value):
        ready = parcel(value)
        if ready.shape != "vector" or len(ready.batches) != 1:
            raise TypeError(f"column {name!r} is a {type(value).__name__} of several columns or chunks")
        keep = (ready.schema, ready.batches[0])
        return _node(ready.schema.address, ready.batches[0].address, keep).children[0]
    raise TypeError(f"column {name!r} is a {type(value).__name__}; a list or an array was expected")


# ---- the core's frames ----------------------------------------------------------------------------------


def _is_frame(value: Any) -> bool:
    core = sys.modules.get("espalier.base.types")
    return core is not None and isinstance(value, core.Frame)


_KINDS: Dict[str, Callable[[Sequence[Any]], export.Node]] = {
    "double": build.doubles, "integer": build.integers, "logical": build.logicals, "string": build.strings,
    "time": build.seconds,
}


def _from_frame(frame: Any) -> export.Node:
    columns = [(name, _KINDS[frame.kinds[name]](values)) for name, values in frame.columns.items()]
    return build.table(columns)
