"""Structs that the bridge makes, as pyarrow reads them and as our own reader does."""

from typing import Any

import pyarrow as pa
from espalier_bridge.arrow import accept
from espalier_bridge.arrow.table import Table


def as_pyarrow(value: Any) -> pa.Table:
    """What R would get, read by pyarrow, which checks it fully."""
    parcel = accept.parcel(value)
    schema = pa.Schema._import_from_c(parcel.schema.address)
    batches = [pa.RecordBatch._import_from_c(batch.address, schema) for batch in parcel.batches]
    table = pa.Table.from_batches(batches, schema)
    table.validate(full=True)
    return table


def column(value: Any) -> pa.ChunkedArray:
    """The only column."""
    (only,) = as_pyarrow(value).columns
    return only


def as_table(value: Any) -> Table:
    """What Python would see of it, had it come from R."""
    parcel = accept.parcel(value)
    (batch,) = parcel.batches
    return Table.take(parcel.schema.address, batch.address)
