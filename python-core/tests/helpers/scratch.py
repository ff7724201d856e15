"""Scratch folders for tests."""

import json
import os
from pathlib import Path

from espalier import Run
from espalier.adapters.homes import scratch_folder
from espalier.base.paths import RunPaths
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle.scratch import make_scratch, note_beginning, record_of


def give_scratch(run: RunPaths, folder: str, directory: str = "") -> ScratchPaths:
    """Make a run's scratch folder, with an empty working copy, and note it in the run's status."""
    scratch = make_scratch(run, None if folder == scratch_folder() else folder, directory)
    os.makedirs(scratch.job)
    note_beginning(scratch)
    try:
        record = json.loads(Path(run.status).read_text())
    except OSError:
        record = {"format": 1, "state": "Running", "attempt": 1}
    Path(run.status).write_text(json.dumps({**record, "scratch": record_of(scratch)}))
    return scratch


def copy_of(run: Run) -> Path:
    """Where a run that is executed has its working copy."""
    return Path(scratch_folder(), run.id[-8:], "work")
