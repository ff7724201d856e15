"""One run as one row: what lists of runs show."""

import os
from typing import Any, Dict, List, Mapping, Optional

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import EVENTS, RunPaths, is_run_id
from espalier.base.records import read_record
from espalier.base.values import is_cell
from espalier.lifecycle.extent import lost_logs
from espalier.lifecycle.status import status_record
from espalier.lifecycle.summed import last_recorded, recorded, sum_metrics
from espalier.tracking.events import Damage
from espalier.tracking.metrics import read_params

_FROM_SPEC = {
    **{name: str for name in ("experiment", "type", "created_at", "target", "host", "user", "parent")},
    **{name: str for name in ("entry_script", "reuse_key")},
    "params": dict,
}
_FROM_STATUS = {"started_at": str, "ended_at": str, "duration_seconds": (int, float), "exit_code": int}
# Parameters are declared at the beginning. A list reads only so much of each log, because other runs wait.
_LOG_BYTES = 32 << 20
# What a list tells of what the job used.
USED = ("cpu_seconds", "max_memory_bytes")
_FROM_META = {"display_name": str, "tags": dict, "properties": dict, "archived_at": str}
_NOTHING = {name: None for name in ("run_id", *_FROM_SPEC, *_FROM_STATUS, *_FROM_META, "commit", "needs", "error")}


def summarise(folder: str) -> Dict[str, Any]:
    """A run's row. A damaged run gives a row that says so."""
    run = RunPaths(folder)
    row = _empty_row(os.path.basename(folder))
    try:
        spec = read_record(run.spec)
        _take(row, spec, _FROM_SPEC)
        row.update(commit=_commit(spec), needs=_needs(spec))
        status = status_record(run)
        _take(row, status, _FROM_STATUS)
        _take(row, read_record(run.meta), _FROM_META)
    except FileNotFoundError as error:
        return {**row, "status": states.DAMAGED, "error": f"{error.filename} is missing."}
    except EspalierError as error:
        return {**row, "status": _word(error), "error": error.message}
    except (OSError, ValueError, RecursionError) as error:  # another user's, or a number too long
        return {**row, "status": states.DAMAGED, "error": str(error)}
    try:
        return _with_state(run, row, status)
    except Exception as error:  # one run must never hide the others
        return {**row, "status": states.DAMAGED, "error": f"Can't read its records: {error!r:.200}."}


def check_records(run_id: str, spec: Dict[str, Any], status: Dict[str, Any], meta: Dict[str, Any]) -> None:
    """Raises EspalierError `damaged` for records with which a run would be listed as damaged."""
    row = _empty_row(run_id)
    for record, fields in ((spec, _FROM_SPEC), (status, _FROM_STATUS), (meta, _FROM_META)):
        _take(row, record, fields)


def _commit(spec: Dict[str, Any]) -> Optional[str]:
    """The commit its folder was at when it was submitted."""
    git = spec.get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
    return commit if isinstance(commit, str) else None


def _needs(spec: Dict[str, Any]) -> List[str]:
    """The runs that it depends on, or reads outputs of."""
    inputs, awaited = spec.get("inputs"), spec.get("depends_on")
    found = list(awaited) if isinstance(awaited, list) else []
    found += [item.get("run") for item in inputs if isinstance(item, dict)] if isinstance(inputs, list) else []
    return [run_id for run_id in found if isinstance(run_id, str) and is_run_id(run_id)]


def _word(error: EspalierError) -> str:
    return states.UNREADABLE if error.code == "newer_format" else states.DAMAGED


def _with_state(run: RunPaths, row: Dict[str, Any], status: Dict[str, Any]) -> Dict[str, Any]:
    finished = states.is_final(status["state"])
    canceling = not finished and os.path.exists(run.cancel)
    row["status"] = states.CANCEL_REQUESTED if canceling else status["state"]
    row["error"] = (status.get("error") or {}).get("message")
    used = status["usage"] if isinstance(status.get("usage"), dict) else {}
    row.update((name, used[name]) for name in USED if type(used.get(name)) in (int, float))
    summary = recorded(status) or sum_metrics(run) or last_recorded(status)
    row["metrics"] = {name: cell for name, cell in summary.last.items() if is_cell(cell)}
    row["metric_ranges"] = summary.ranges
    declared: Dict[str, Any] = {}
    problem: Optional[EspalierError] = None
    try:
        damage = Damage()
        declared = read_params(run, damage, _LOG_BYTES)
        problem = next((EspalierError("damaged", text) for text in damage.texts()), None)
    except EspalierError as error:
        problem = error
    if problem is not None:  # its event logs: one that runs still has to be looked after, by its state
        row.update(_with_damage(row, problem) if finished else {"error": row["error"] or problem.message})
    lost = lost_logs(run, status, EVENTS) if finished and row["status"] == status["state"] else []
    if lost:
        row.update(_with_damage(row, EspalierError("damaged", lost[0])))
    params = {**row["params"], **declared}
    row["params"] = {name: value for name, value in params.items() if all(map(is_cell, _cells(value)))}
    return row


def _with_damage(row: Dict[str, Any], error: EspalierError) -> Dict[str, Any]:
    """What a row says of an ended run whose event logs are damaged: what was found, and how the run ended."""
    ended = f"{row['status']}: {row['error']}" if row["error"] else f"{row['status']}."
    return {"status": _word(error), "error": f"{error.message} The run itself ended as {ended}"}


def _empty_row(run_id: str) -> Dict[str, Any]:
    # the id tells the experiment of a run whose definition cannot be read
    known = {"run_id": run_id, "experiment": run_id.rsplit("_", 2)[0]}
    return {**_NOTHING, **known, "tags": {}, "properties": {}, "params": {}, "metrics": {}, "needs": []}


def _take(row: Dict[str, Any], record: Dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Copy fields into a row. One of another type than documented is damage: tables could not be made of it."""
    for name, kind in fields.items():
        value = record.get(name)
        if value is None:
            continue
        texts = not isinstance(value, dict) or name == "params" or all(isinstance(v, str) for v in value.values())
        if not (isinstance(value, kind) and texts):
            raise EspalierError("damaged", f"Can't read {row['run_id']}: its field {name} is {value!r:.100}.")
        row[name] = value


def _cells(value: Any) -> List[Any]:
    """The single values of a parameter: itself, or those of a vector (`script_params`: a list; `param` events: one
    kind and a list)."""
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        return [{"kind": value.get("kind"), "value": item} for item in value["value"]]
    return value if isinstance(value, list) else [value]
