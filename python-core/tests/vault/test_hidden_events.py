"""Secrets in what R's prelude recorded."""

import json
import os
from pathlib import Path

import pytest
from espalier.base.paths import RunPaths
from espalier.runner import secrets
from espalier.runner.secrets import hide_in_events


def test_a_long_line_is_hidden_without_being_read_as_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_LONGEST", 200)
    run = RunPaths(str(tmp_path))
    os.mkdir(run.events)
    long, short = ([{"type": "warning", "message": "canary-77", "z": [[]] * count}] for count in (100, 1))
    log = Path(run.events, "rprelude-1-00000000.jsonl")
    log.write_text("".join(json.dumps(event) + "\n" for event in (*long, *short)))
    parsed = []
    read = json.loads
    monkeypatch.setattr(secrets.json, "loads", lambda line: parsed.append(len(line)) or read(line))
    hide_in_events(run, ["canary-77"])
    assert "canary" not in log.read_text() and log.read_text().count("***") == 2
    assert max(parsed) <= 200
