"""One run as one row: what lists of runs show."""

import os
from typing import Any, Dict, Tuple

from espalier import states
from espalier.errors import EspalierError
from espalier.lifecycle.status import read_status
from espalier.lifecycle.summary import last_metrics
from espalier.paths import RunPaths
from espalier.records import read_record
from espalier.tracking.metrics import read_params

_FROM_SPEC = ("experiment", "type", "created_at", "target", "host", "user", "parent", "params", "reuse_key")
_FROM_STATUS = ("started_at", "ended_at", "duration_seconds", "exit_code")


def summarise(folder: str) -> Tuple[Dict[str, Any], bool]:
    """A run's row, and whether the run is finished. A damaged run gives a row that says so."""
    run = RunPaths(folder)
    row: Dict[str, Any] = {"run_id": os.path.basename(folder), "display_name": None, "tags": {}, "properties": {}}
    row.update({key: None for key in _FROM_SPEC + _FROM_STATUS}, params={}, metrics={}, error=None)
    try:
        spec, status, meta = read_record(run.spec), read_status(run), read_record(run.meta)
    except FileNotFoundError as error:
        return {**row, "status": states.DAMAGED, "error": f"{error.filename} is missing."}, False
    except EspalierError as error:
        word = states.UNREADABLE if error.code == "newer_format" else states.DAMAGED
        return {**row, "status": word, "error": error.message}, False
    row.update({key: spec.get(key) for key in _FROM_SPEC}, **{key: status.get(key) for key in _FROM_STATUS})
    row.update({key: meta.get(key) for key in ("display_name", "tags", "properties")})
    finished = states.is_final(status["state"])
    canceling = not finished and os.path.exists(run.cancel)
    row["status"] = states.CANCEL_REQUESTED if canceling else status["state"]
    row["error"] = (status.get("error") or {}).get("message")
    row["metrics"] = status.get("metrics") if "metrics" in status else last_metrics(run) or {}
    _add_params(run, row)
    return row, finished


def _add_params(run: RunPaths, row: Dict[str, Any]) -> None:
    try:
        row["params"] = {**(row["params"] or {}), **read_params(run)}
    except EspalierError as error:
        row["error"] = row["error"] or error.message
