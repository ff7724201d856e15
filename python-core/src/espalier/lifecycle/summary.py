"""The last value of each scalar metric, kept in the final state so that lists of runs need not read event logs."""

import contextlib
import json
import os
from typing import Any, Dict, Optional

from espalier.adapters.files import open_regular, with_body
from espalier.base.paths import RunPaths, is_event_log
from espalier.base.values import is_cell

# Above this size of all logs together reading them would delay the end of the run; readers do it when asked.
_LIMIT_BYTES = 8 * 1024 * 1024
# No loggers write longer ones for a scalar.
_BODY_BYTES = 65_536


def last_metrics(run: RunPaths) -> Optional[Dict[str, Dict[str, Any]]]:
    """Metric name -> `{"kind", "value"}` of its last event; None if the logs are too large."""
    try:
        entries = [entry for entry in os.scandir(run.events) if is_event_log(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if sum(entry.stat(follow_symlinks=False).st_size for entry in entries) > _LIMIT_BYTES:
        return None
    last: Dict[str, Any] = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        with contextlib.suppress(OSError), open_regular(entry.path) as file:
            for line in file:
                if b'"metric"' in line:
                    _take(line, last)
    cells = {name: _cell(run, event) for name, event in last.items()}
    return {name: cell for name, cell in cells.items() if is_cell(cell)}


def _cell(run: RunPaths, event: Dict[str, Any]) -> Dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):  # of a damaged payload the reader of the metrics tells
        event = with_body(run, event, _BODY_BYTES)
    return {"kind": event.get("kind"), "value": event.get("value")}


def _take(line: bytes, last: Dict[str, Any]) -> None:
    try:
        event = json.loads(line)
        if event["type"] != "metric":
            return
        known = last.get(event["name"])
        if known is None or event["time"] >= known["time"]:
            last[event["name"]] = event
    except (ValueError, KeyError, TypeError, RecursionError):
        pass  # a torn or damaged line: the reader of the metrics reports it
