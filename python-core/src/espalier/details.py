"""Everything known of a run as one mapping, for people and programs."""

import os
from itertools import takewhile
from typing import Any, Dict

from espalier.adapters.files import open_regular
from espalier.canonical import canonical_json
from espalier.errors import EspalierError
from espalier.paths import ARTIFACT_FOLDERS, OUTPUTS, RunPaths
from espalier.records import read_record
from espalier.tracking import artifacts, metrics
from espalier.tracking.sessions import read_sessions


def run_details(
    run: RunPaths, state: str, spec: Dict[str, Any], status: Dict[str, Any], meta: Dict[str, Any]
) -> Dict[str, Any]:
    """Definition, state, times, error and log files, under azuremlsdk's names where it has one.

    Args:
        state: The state to show, which may be one that is only asked for.
        spec: The run's definition.
        status: Its state as recorded.
        meta: Its display name, tags and properties.
    """
    logs = tuple(folder + "/" for folder in ARTIFACT_FOLDERS if folder != OUTPUTS)
    names = [name for name in artifacts.file_names(run) if name.startswith(logs)]
    return {
        "runId": os.path.basename(run.root),
        "experiment": spec["experiment"],
        "displayName": meta["display_name"],
        "target": spec["target"],
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
        "warnings": status.get("warnings", []) + metrics.read_warnings(run),
        "tags": meta["tags"],
        "properties": meta["properties"],
        "inputDatasets": spec["inputs"],
        "outputDatasets": spec["outputs"],
        "runDefinition": spec,
        "logFiles": {name: os.path.join(run.root, name) for name in names},
        "submittedBy": spec["user"],
        "environment": environment_facts(run, spec),
        "provenance": {**_diff(run), "sessions": read_sessions(run)},
    }


def environment_facts(run: RunPaths, spec: Dict[str, Any]) -> Dict[str, Any]:
    """What a run's environment is, and what was made ready for it."""
    asked = spec.get("environment") or {}
    try:
        made = read_record(run.environment_record)
    except (OSError, EspalierError):  # nothing was made, or nothing yet
        made = {}
    definition = asked.get("definition")
    return {
        "how": asked.get("how", "session"),
        "name": asked.get("name"),
        "version": asked.get("version"),
        "definition": None if definition is None else canonical_json(definition).decode("utf-8"),
        **{name: made.get(name) for name in ("key", "image", "tag", "folder", "found", "seconds")},
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


def with_logs(run: RunPaths, details: Dict[str, Any]) -> Dict[str, Any]:
    """Details with the text of each log in place of its path."""
    return {**details, "logFiles": {name: _text_of(run, name) for name in details["logFiles"]}}


def _text_of(run: RunPaths, name: str) -> str:
    try:
        with os.fdopen(artifacts.open_artifact(run, name), "rb") as file:
            return file.read().decode("utf-8", "replace")
    except EspalierError as error:  # a link the job put among its logs
        return error.message
