"""What commands show people beside what programs get, and what they say about results with nothing in them."""

import contextlib
import os
from typing import Any, Dict, List, Mapping

from espalier.base.names import looks_secret
from espalier.base.paths import WorkspacePaths, is_record
from espalier.base.types import Frame
from espalier.cli.request import Request
from espalier.cli.text import one_line, tell

# Of a run's details what a person reads elsewhere, or as JSON.
_ASIDE = ("runId", "runDefinition", "environment", "provenance", "logFiles")
_REPEATED = ("log_tail", "log_before", "traceback")
_NOTHING = {"verify": "Nothing is damaged.", "get_usage": "The run has no measurements of resources."}


def whole(request: Request, result: Any) -> Any:
    """A result as programs get it: an id is `run_id` everywhere."""
    if request.member == "get_details" and request.class_name == "Run":
        return {"run_id": result["runId"], **result}
    return without_secrets(result) if request.class_name == "Jobs" else result


def without_secrets(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """A job of a file, without the values of variables whose names look like those of secrets."""
    config = job.get("config") or {}
    variables = config.get("environment_variables") or {}
    if not any(map(looks_secret, variables)):
        return job
    shown = {name: "***" if looks_secret(name) else value for name, value in variables.items()}
    return {**job, "config": {**config, "environment_variables": shown}}


def for_people(request: Request, result: Any) -> Any:
    """A result as a table shows it."""
    if request.class_name != "Run":
        return result
    if request.member == "get_metrics":
        if request.arguments.get("recursive"):
            return [{"run_id": run, **row} for run, metrics in result.items() for row in metric_rows(metrics)]
        return metric_rows(result)
    if request.member == "get_details":
        tell(f"`espalier runs logs {result['run_id']}` shows the log; -o json has all details.", "i")
        shown = {name: value for name, value in result.items() if name not in _ASIDE}
        error = shown.get("error")
        if isinstance(error, dict):  # (the log and the calls repeat its message)
            shown["error"] = {name: value for name, value in error.items() if name not in _REPEATED}
        return shown
    return result


def metric_rows(metrics: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """A row a metric: its name, its last value, and how many there are."""
    return [{"name": name, "last": last_value(value), "values": _count(value)} for name, value in metrics.items()]


def last_value(value: Any) -> Any:
    """The last value of a metric; of a table its last row, of a chart its type."""
    if isinstance(value, (list, tuple)):
        return last_value(value[-1]) if value else None
    if _is_chart(value):
        return value["schema_type"]
    if isinstance(value, dict):
        return ", ".join(f"{name} {short(last_value(column))}" for name, column in value.items())
    return value


def short(value: Any) -> str:
    """A value in a few characters."""
    return f"{value:.6g}" if isinstance(value, float) else one_line(str(value))[:40]


def _is_chart(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("schema_type"), str)


def _count(value: Any) -> int:
    if isinstance(value, dict) and not _is_chart(value):
        return max(map(_count, value.values()), default=0)
    return len(value) if isinstance(value, (list, tuple)) else 1


def remarks(request: Request, result: Any, noun: str, command: str) -> None:
    """Tell on stderr what a result alone doesn't.

    Args:
        noun: Of the command, as `command`.
    """
    identity = request.identity or {}
    if request.member == "cancel":
        tell(f"Asked {identity['id']} to stop." if result else f"{identity['id']} had ended.")
    elif not isinstance(result, (Frame, list, dict)) or len(result):
        return
    elif request.class_name == "Experiment" and not _is_experiment(identity):
        import difflib

        near = difflib.get_close_matches(identity["name"], _experiments(identity), 1, 0.6)
        tell(f'Can\'t find the experiment "{identity["name"]}".' + (f' Did you mean "{near[0]}"?' if near else ""), "!")
    else:
        word = noun if command == "list" else command
        default = f"There are no {word.replace('-', ' ')}." if word.endswith("s") else "There is nothing to show."
        tell(_NOTHING.get(request.member, default), "i")


def _is_experiment(identity: Mapping[str, str]) -> bool:
    return os.path.isfile(WorkspacePaths(identity["workspace"]).experiment(identity["name"]))


def _experiments(identity: Mapping[str, str]) -> List[str]:
    with contextlib.suppress(OSError):
        names = os.listdir(WorkspacePaths(identity["workspace"]).experiments)
        return [os.path.splitext(name)[0] for name in names if is_record(name)]
    return []
