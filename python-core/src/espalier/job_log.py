"""Recording into a run from Python: the log methods of `Run`. Standard library, Python 3.8 or later."""

import os
import shutil
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from espalier.errors import EspalierError
from espalier.names import check_label
from espalier.paths import IMAGES
from espalier.tracking.writer import EventWriter
from espalier.values import NA, kind_of, native, to_json


class JobLog:
    """The log methods.

    Args:
        run_dir: The run's folder, or None to record nothing and say so once.
    """

    def __init__(self, run_dir: Optional[str]) -> None:
        self._run_dir = run_dir
        self._writer: Optional[EventWriter] = EventWriter(run_dir) if run_dir is not None else None
        self._known_names: Set[str] = set()
        self._told = False

    def log(self, name: str, value: Any, description: str = "", step: Optional[float] = None) -> None:
        """Log a number, text or logical value; a name logged again makes a series.

        Args:
            name: The metric's name.
            value: Its value.
            description: Accepted for compatibility.
            step: Where in the training it was taken.

        Raises:
            EspalierError: `bad_argument`, `bad_name`.
        """
        if name not in self._known_names:
            self._known_names.add(check_label("metric", name))
        if type(value) is not float:
            value = single_value(name, value)
        writer = self._writer
        if writer is None:
            return self._tell()
        try:
            writer.metric(name, kind_of(value), value, step)
        except OSError as error:
            self._not_written(error)

    def log_list(self, name: str, value: Sequence[Any], description: str = "") -> None:
        """Log a list of values at once.

        Args:
            name: The metric's name.
            value: Its values.
            description: Text for people.
        """
        kind, values = _column(name, value)
        self._event("list", name, {"kind": kind, "values": values}, description)

    def log_row(self, name: str, description: str = "", **kwargs: Any) -> None:
        """Append a row of named values to a table.

        Args:
            name: The table's name.
            description: Text for people.
            **kwargs: Column name to value.
        """
        row = {key: single_value(key, value) for key, value in kwargs.items()}
        fields = {"kinds": {k: kind_of(v) for k, v in row.items()}, "row": {k: to_json(v) for k, v in row.items()}}
        self._event("row", name, fields, description)

    def log_table(self, name: str, value: Mapping[str, Sequence[Any]], description: str = "") -> None:
        """Log a table.

        Args:
            name: The table's name.
            value: Column name to values, all of one length.
            description: Text for people.
        """
        columns = {str(key): _column(str(key), column) for key, column in value.items()}
        if len({len(values) for _, values in columns.values()}) > 1:
            raise EspalierError(
                "bad_argument", f"The columns of {name!r} differ in length.", "Pad the short ones with None."
            )
        fields = {"kinds": {k: c[0] for k, c in columns.items()}, "columns": {k: c[1] for k, c in columns.items()}}
        self._event("table", name, fields, description)

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        """Keep an image with the run.

        Args:
            name: The image's name.
            path: An image file. Either this or `plot`.
            plot: A figure that has `savefig`, as matplotlib's.
            description: Text for people.
        """
        if (path is None) == (plot is None):
            raise EspalierError("bad_argument", f"log_image({name!r}) needs either path or plot.")
        check_label("metric", name)
        if self._run_dir is None:
            return self._tell()
        ending = os.path.splitext(path)[1] if path else ".png"
        relative = _free_name(self._run_dir, name, ending)
        target = os.path.join(self._run_dir, *relative.split("/"))
        if path is not None:
            shutil.copyfile(path, target)
        else:
            plot.savefig(target)
        self._event("image", name, {"path": relative}, description)

    def flush(self, timeout_seconds: float = 300) -> None:
        """Does nothing: every log call has been written when it returns.

        Args:
            timeout_seconds: Accepted for compatibility.
        """

    def _event(self, kind: str, name: str, fields: Dict[str, Any], description: str) -> None:
        check_label("metric", name)
        if self._writer is None:
            return self._tell()
        extra = {"description": description} if description else {}
        try:
            self._writer.event(kind, {"name": name, **fields, **extra})
        except OSError as error:
            self._not_written(error)

    def _tell(self) -> None:
        self._say_once("this script is no job, so nothing is recorded. Submit it as a run.")

    def _not_written(self, error: OSError) -> None:
        """A full disk must not end a training that took hours; the metrics logged before are whole."""
        self._say_once(f"metrics cannot be recorded ({error.strerror}); the script goes on without.")

    def _say_once(self, text: str) -> None:
        if not self._told:
            self._told = True
            print("espalier:", text, file=sys.stderr)


def single_value(name: str, value: Any) -> Any:
    """One value as it can be logged: NumPy's scalars and the like as plain ones.

    Raises:
        EspalierError: `bad_argument`.
    """
    value = native(value)
    try:
        kind_of(value)
    except TypeError:
        raise EspalierError(
            "bad_argument",
            f"The value of {name!r} is a {type(value).__name__}.",
            "Log one number, string or logical; log_list() and log_table() take several.",
        ) from None
    if type(value) is int and value.bit_length() > 1023:
        raise EspalierError(
            "bad_argument", f"The integer logged as {name!r} is beyond 2^1023.", "Log it as text, with str()."
        )
    return value


def _column(name: str, values: Sequence[Any]) -> Tuple[str, List[Any]]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise EspalierError("bad_argument", f"{name!r} needs a list of values, not a {type(values).__name__}.")
    plain = [single_value(name, value) for value in values]
    kinds = {kind_of(value) for value in plain if value is not None and value is not NA}
    if len(kinds) > 1:
        if kinds <= {"integer", "double", "logical"}:
            plain = [value if value is None or value is NA else float(value) for value in plain]
            kinds = {"double"}
        else:
            plain = [value if value is None or value is NA else str(value) for value in plain]
            kinds = {"string"}
    return (kinds.pop() if kinds else "logical"), [to_json(value) for value in plain]


def _free_name(run_dir: str, name: str, ending: str) -> str:
    safe = "".join(char if (char.isalnum() and char.isascii()) or char in "_-" else "_" for char in name)[:100]
    os.makedirs(os.path.join(run_dir, IMAGES), exist_ok=True)
    number = 1
    while True:
        relative = f"{IMAGES}/{safe}{'' if number == 1 else f'-{number}'}{ending}"
        if not os.path.exists(os.path.join(run_dir, relative)):
            return relative
        number += 1
