"""Recording into a run from Python: the log methods of `Run`. Standard library, Python 3.8 or later."""

import contextlib
import os
import shutil
import sys
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from espalier.adapters.files import publish_file
from espalier.adapters.inside import folder_inside
from espalier.adapters.posix import path_through
from espalier.base.errors import EspalierError
from espalier.base.names import check_label
from espalier.base.paths import IMAGES, temporary
from espalier.base.records import FILE_MODE
from espalier.base.values import NA, kind_of, to_json
from espalier.tracking.charts import chart_event, chart_of
from espalier.tracking.loggable import label_of, loggable, step_of
from espalier.tracking.writer import EventWriter

# Whole numbers up to this one are doubles too.
_EXACT = 2**53


class JobLog:
    """The log methods.

    Inside a run no value ends the script: what can't be recorded as it is becomes text or is left out, and a warning is
    printed, once for each kind of problem. Outside a run, where scripts are written, the same value is an error.

    Args:
        run_dir: The run's folder, or None to record nothing and say so once.
    """

    def __init__(self, run_dir: Optional[str]) -> None:
        self._run_dir = run_dir
        self._writer: Optional[EventWriter] = EventWriter(run_dir) if run_dir is not None else None
        self._known_names: Set[str] = set()
        self._said: Set[str] = set()

    def log(self, name: str, value: Any, description: str = "", step: Optional[float] = None) -> None:
        """Log a number, text or logical value; a name logged again makes a series.

        Args:
            name: The metric's name.
            value: Its value.
            description: Accepted for compatibility.
            step: Where in the training it was taken.

        Raises:
            EspalierError: `bad_argument`, `bad_name`; only outside a run.
        """
        if type(name) is not str or name not in self._known_names:
            name = self._label(name)
        if type(value) is not float:
            value = self._value(name, value)
        if step is not None and not (type(step) is int and -_EXACT <= step <= _EXACT):
            step = self._step(name, step)
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
        kind, values = self._column(name, value)
        self._event("list", name, {"kind": kind, "values": values}, description)

    def log_row(self, name: str, description: str = "", **kwargs: Any) -> None:
        """Append a row of named values to a table.

        Args:
            name: The table's name.
            description: Text for people.
            **kwargs: Column name to value.
        """
        row = {self._label(key): self._value(key, value) for key, value in kwargs.items()}
        fields = {"kinds": {k: kind_of(v) for k, v in row.items()}, "row": {k: to_json(v) for k, v in row.items()}}
        self._event("row", name, fields, description)

    def log_table(self, name: str, value: Mapping[str, Sequence[Any]], description: str = "") -> None:
        """Log a table.

        Args:
            name: The table's name.
            value: Column name to values, all of one length.
            description: Text for people.
        """
        columns = {self._label(key): self._column(key, column) for key, column in self._items(name, value)}
        height = max((len(values) for _, values in columns.values()), default=0)
        if any(len(values) < height for _, values in columns.values()):
            self._doubt("lengths", f"The columns of {name!r} differ in length, and the short ones end with NA.")
        fields = {
            "kinds": {key: kind for key, (kind, _) in columns.items()},
            "columns": {key: values + ["!NA"] * (height - len(values)) for key, (_, values) in columns.items()},
        }
        self._event("table", name, fields, description)

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        """Keep an image with the run.

        Args:
            name: The image's name.
            path: An image file. Either this or `plot`.
            plot: A figure that has `savefig`, as matplotlib's.
            description: Text for people.

        Raises:
            EspalierError: `bad_argument` when both or neither of `path` and `plot` are given.
        """
        if (path is None) == (plot is None):
            raise EspalierError("bad_argument", f"Can't log the image {name!r}: give either `path` or `plot`.")
        name = self._label(name)
        if self._run_dir is None:
            return self._tell()
        try:
            if self._writer is not None:
                self._writer.check()
            relative = _store_image(self._run_dir, name, path, plot)
        except OSError as error:
            return self._not_written(error)
        except EspalierError:
            raise
        except Exception as error:
            return self._doubt("image", f"The image {name!r} can't be recorded: {type(error).__name__}: {error}.")
        self._event("image", name, {"path": relative}, description)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """Log a confusion matrix, as counts: in Python these are computed first, for example by scikit-learn. (R's
        function also takes `predicted =` and counts itself.)

        Args:
            name: The metric's name.
            value: The payload: a dict of `schema_type`, `schema_version` and `data`, its JSON as text, or the path of
                a file of it. `data` has `class_labels` (C) and `matrix` (C x C counts, a row a true class).
            description: Text for people.

        Raises:
            EspalierError: `bad_argument` when it isn't a payload; only outside a run.
        """
        self._chart("confusion_matrix", name, value, description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """Log the counts behind ROC, precision-recall and lift curves.

        Args:
            name: The metric's name.
            value: The payload: a dict of `schema_type`, `schema_version` and `data`, its JSON as text, or the path of
                a file of it. `data` has `class_labels` (C), `probability_thresholds` (T), `percentile_thresholds` (P),
                `probability_tables` (C x T x 4) and `percentile_tables` (C x P x 4). The four
                are TP, FP, TN, FN.
            description: Text for people.

        Raises:
            EspalierError: `bad_argument` when it isn't a payload; only outside a run.
        """
        self._chart("accuracy_table", name, value, description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """Log predicted against true values, in bins of the true ones.

        Args:
            name: The metric's name.
            value: The payload: a dict of `schema_type`, `schema_version` and `data`, its JSON as text, or the path of
                a file of it. `data` has `bin_averages`, `bin_errors` and `bin_counts` (N) and `bin_edges` (N + 1).
            description: Text for people.

        Raises:
            EspalierError: `bad_argument` when it isn't a payload; only outside a run.
        """
        self._chart("predictions", name, value, description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """Log a histogram of residuals.

        Args:
            name: The metric's name.
            value: The payload: a dict of `schema_type`, `schema_version` and `data`, its JSON as text, or the path of
                a file of it. `data` has `bin_edges` (N + 1) and `bin_counts` (N).
            description: Text for people.

        Raises:
            EspalierError: `bad_argument` when it isn't a payload; only outside a run.
        """
        self._chart("residuals", name, value, description)

    def _close_logs(self) -> None:
        """Close the files that are logged to: the run has ended."""
        if self._writer is not None:
            self._writer.close()

    def flush(self, timeout_seconds: float = 300) -> None:
        """Does nothing: every log call has been written when it returns.

        Args:
            timeout_seconds: Accepted for compatibility.
        """

    def _chart(self, schema_type: str, name: str, value: Any, description: str) -> None:
        try:
            chart = chart_of(schema_type, value)
        except (ValueError, OSError) as error:
            return self._doubt("chart", f"The chart {name!a:.300} can't be recorded: {error}.")
        self._event("chart", name, chart_event(chart), description)

    def _event(self, kind: str, name: str, fields: Dict[str, Any], description: str) -> None:
        name = self._label(name)
        if self._writer is None:
            return self._tell()
        extra = {"description": loggable(str(description))[0]} if description else {}
        try:
            self._writer.event(kind, {"name": name, **fields, **extra})
        except OSError as error:
            self._not_written(error)

    # ---- what is not as it should be ----

    def _label(self, name: Any) -> str:
        if type(name) is str and name in self._known_names:
            return name
        label, problem = label_of(name)
        if problem is None:
            self._known_names.add(label)
        elif self._run_dir is None:
            check_label("metric", name)
        else:
            self._doubt("name", f"The name {label!a} is recorded in place of one that {problem}.")
        return label

    def _value(self, name: Any, value: Any) -> Any:
        plain, problem = loggable(value)
        if problem is not None:
            hint = "Log one number, string or logical; log_list() and log_table() take several."
            self._doubt(f"value {problem}", f"The value of {name!r} {problem}.", hint)
        return plain

    def _step(self, name: str, step: Any) -> Optional[float]:
        number, problem = step_of(step)
        if problem is not None:
            self._doubt("step", f"The step {loggable(step)[0]!r:.100} of {name!r} {problem}.")
        return number

    def _items(self, name: str, value: Any) -> Iterable[Tuple[Any, Any]]:
        try:
            return [(key, column) for key, column in value.items()]
        except Exception:
            self._doubt("table", f"The table {name!r} is a {type(value).__name__}, not columns by name.")
            return [("value", value)]

    def _column(self, name: str, values: Any) -> Tuple[str, List[Any]]:
        try:
            items = [values] if isinstance(values, (str, bytes)) else list(values)
        except Exception:
            items = [values]
        if len(items) == 1 and items[0] is values:
            self._doubt("list", f"{name!r} needs a list of values, not a {type(values).__name__}.")
        plain = [self._value(name, value) for value in items]
        kinds = {kind_of(value) for value in plain if value is not NA}
        if len(kinds) > 1:
            kinds = {"double"} if kinds <= {"integer", "double", "logical"} else {"string"}
            make: Any = float if kinds == {"double"} else str
            plain = [value if value is NA else make(value) for value in plain]
        return (kinds.pop() if kinds else "logical"), [to_json(value) for value in plain]

    def _doubt(self, kind: str, text: str, hint: str = "") -> None:
        """Warn of what was given, once a kind; an error where nothing is recorded anyway."""
        if self._run_dir is None:
            raise EspalierError("bad_argument", text, hint)
        self._say_once(kind, " ".join(filter(None, [text, hint])))

    def _tell(self) -> None:
        self._say_once("offline", "this script isn't a job, so nothing is recorded. Submit it as a run.")

    def _not_written(self, error: OSError) -> None:
        """A full disk must not end a training that took hours; the metrics logged before are whole."""
        self._say_once("disk", f"can't record metrics ({error.strerror}). The script goes on without.")

    def _say_once(self, kind: str, text: str) -> None:
        if kind in self._said:
            return
        self._said.add(kind)
        # (it may be closed, full, or in the middle of another line that a signal handler broke into)
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            print("espalier:", text, file=sys.stderr)


def _store_image(run_dir: str, name: str, path: Optional[str], plot: Any) -> str:
    """Put an image aside, whole, then under the first name that is free; returns its path inside the run folder."""
    ending = os.path.splitext(path)[1] if path else ".png"
    stem = "".join(char if (char.isalnum() and char.isascii()) or char in "_-" else "_" for char in name)[:100]
    with folder_inside(run_dir, IMAGES.split("/")) as open_folder:
        folder = path_through(open_folder)
        aside = temporary(folder) + ending
        try:
            os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
            if path is not None:
                shutil.copyfile(path, aside)
            else:
                plot.savefig(aside)
            return f"{IMAGES}/{publish_file(aside, folder, stem, ending)}"
        finally:
            if os.path.lexists(aside):
                os.unlink(aside)
