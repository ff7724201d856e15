"""Tables and other data between R and Python, by the addresses of their Arrow structs: R's carrier.

It is what `espalier.api.wire` calls a `Carrier`.
"""

from typing import Any, Dict, List


class ArrowCarrier:
    """Attributes:
    outgoing: Tables on their way to R, and those from R that have list columns: these are row numbers here, and new
        tables may have them too. R has taken over what it wanted of the last call's when the next call comes.
    """

    def __init__(self) -> None:
        self.outgoing: List[Any] = []

    def argument(self, value: Any) -> Any:
        """Data from R: tables and vectors as `Table`, lists as list or dict."""
        from espalier_bridge.arrow.table import Table

        if value is None:
            return None
        if "table" in value:
            table = Table.take(*map(int, value["table"]))
            if table.has_lists_in_r:
                self.outgoing.append(table)
            return table
        items = [self.argument(item) for item in value["list"]]
        return dict(zip(value["names"], items)) if "names" in value else items

    def frame(self, value: Any) -> Dict[str, Any]:
        """A table or array as the addresses of its Arrow structs, for R to take over.

        Raises:
            EspalierError: `unsupported_data`.
        """
        from espalier_bridge.arrow import accept

        try:
            parcel = accept.parcel(value)
        except (TypeError, ValueError, NotImplementedError) as error:  # (the last is pyarrow's, for what Arrow has not)
            from espalier.base.errors import EspalierError

            raise EspalierError(
                "unsupported_data", f"A result cannot go to R: {error}.", "Convert it in Python first."
            ) from error
        self.outgoing.append(parcel)
        structs = [parcel.schema, *parcel.batches]
        return {"table": [str(struct.address) for struct in structs], "shape": parcel.shape, "dim": parcel.dim}

    def data(self, value: Any) -> Any:
        """Any data for R: the inverse of `argument()`. A list of plain values of one kind is a vector."""
        from espalier_bridge.arrow import accept, arrays, build

        if value is None:
            return None
        if isinstance(value, dict):
            return {"names": [str(key) for key in value], "list": [self.data(item) for item in value.values()]}
        if not isinstance(value, (list, tuple)):
            return self.frame(value if accept.is_data(value) else [value])
        value = arrays.plain_items(value)
        nested = any(isinstance(item, (list, tuple, dict)) or accept.is_data(item) for item in value)
        if not value or nested or not build.have_one_kind(value):
            return {"list": [self.data(item) for item in value]}
        return self.frame(value)


carrier = ArrowCarrier()
