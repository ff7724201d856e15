"""Everything known of a run as one mapping, for people and programs."""

import os
from itertools import takewhile
from typing import Any, Dict, List, Optional

from espalier.adapters.files import open_regular
from espalier.base.canonical import canonical_json
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode
from espalier.base.model.job import JobEnvironment, JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.paths import LOG_FOLDERS, RunPaths
from espalier.base.records import read_record
from espalier.lifecycle.extent import lost_logs
from espalier.lifecycle.log_text import LOG_BYTES, left_out_note, lines_of
from espalier.tracking import artifacts, metrics
from espalier.tracking.sessions import read_sessions


def run_details(
    run: RunPaths, state: str, spec: JobSpec, status: Dict[str, Any], meta: Dict[str, Any]
) -> Dict[str, Any]:
    """Definition, state, times, error and log files, under azuremlsdk's names where it has one.

    Args:
        state: The state to show, which may be one that is only asked for.
        status: Its state as recorded.
        meta: Its display name, tags and properties.
    """
    logs = tuple(folder + "/" for folder in LOG_FOLDERS)
    names = [name for name in artifacts.file_names(run) if name.startswith(logs)]
    return {
        "runId": os.path.basename(run.root),
        "experiment": spec.experiment,
        "displayName": meta.get("display_name"),
        "target": spec.target,
        "status": state,
        "startTimeUtc": status.get("started_at"),
        "endTimeUtc": status.get("ended_at"),
        "durationSeconds": status.get("duration_seconds"),
        "usage": status.get("usage"),
        "exitCode": status.get("exit_code"),
        "signal": status.get("signal"),
        "error": status.get("error"),
        "attempt": status.get("attempt", 1),
        "attempts": status.get("attempts") or [],
        "warnings": (status.get("warnings") or []) + metrics.read_warnings(run) + lost_logs(run, status),
        "kept": status.get("kept"),
        "tags": meta["tags"],
        "properties": meta["properties"],
        "archivedAt": meta.get("archived_at"),
        "imported": meta.get("imported"),
        "inputDatasets": encode(spec.inputs),
        "outputDatasets": encode(spec.outputs),
        "runDefinition": {
            **encode(spec),
            "command": shown_command(spec),
            "arguments": shown_command(spec, spec.arguments),
        },
        "logFiles": {name: artifacts.artifact_path(run, name) for name in names},
        "submittedBy": spec.user,
        "environment": environment_facts(run, spec),
        "provenance": {**_diff(run), "sessions": read_sessions(run)},
    }


def environment_facts(run: RunPaths, spec: JobSpec) -> Dict[str, Any]:
    """What a run's environment is, and what was made ready for it."""
    asked = spec.environment or JobEnvironment()
    try:
        prepared = read_record(run.environment_record)
    except (OSError, EspalierError):  # nothing was made, or nothing yet
        prepared = {}
    return {
        "how": asked.how,
        "name": asked.name,
        "version": asked.version,
        "definition": None if asked.definition is None else canonical_json(asked.definition).decode("utf-8"),
        **{name: prepared.get(name) for name in ("key", "image", "tag", "folder", "found", "seconds")},
    }


def _diff(run: RunPaths) -> Dict[str, Any]:
    """Where what was not committed can be read, and the remarks at its head."""
    try:
        with open_regular(run.diff) as file:
            head = file.read(16384).decode("utf-8", "replace").split("\n")
    except OSError:
        return {"diff": None, "diffNotes": []}
    notes = [line[2:] for line in takewhile(lambda line: line.startswith("# "), head)]
    return {"diff": run.diff, "diffNotes": [note for note in notes if not note.startswith("  ")]}


# Of each log its end, and of all together, bytes; get_log() gives more.
_LOG_BYTES = 1024 * 1024
_ALL_BYTES = 16 * 1024 * 1024


def with_logs(run: RunPaths, details: Dict[str, Any]) -> Dict[str, Any]:
    """Details with the text of each log in place of its path; of a long log its end, with a note."""
    left, texts = _ALL_BYTES, {}
    for name in details["logFiles"]:
        texts[name] = _text_of(run, name, min(_LOG_BYTES, left))
        left = max(left - len(texts[name]), 0)
    return {**details, "logFiles": texts}


def _text_of(run: RunPaths, name: str, limit_bytes: int) -> str:
    try:
        with os.fdopen(artifacts.open_artifact(run, name), "rb") as file:
            begin = max(os.fstat(file.fileno()).st_size - limit_bytes, 0)
            file.seek(begin)
            text = file.read(limit_bytes).decode("utf-8", "replace")
    except EspalierError as error:  # a link the job put among its logs
        return error.message
    return f"{left_out_note(begin, artifacts.artifact_path(run, name))}\n{text}" if begin else text


def read_log(run: RunPaths, name: str, n: Optional[int] = None, limit_bytes: int = LOG_BYTES) -> List[str]:
    """The last lines of one of a run's logs.

    Args:
        name: Its name among the run's files.
        n: How many lines; None for all, as far as `limit_bytes` go.

    Raises:
        EspalierError: `artifact_missing`, `artifact_unsafe`, `bad_name`.
    """
    with os.fdopen(artifacts.open_artifact(run, name), "rb") as file:
        return lines_of(file, artifacts.artifact_path(run, name), n, limit_bytes)
