"""Waiting for runs of tests, and what they printed."""

import os
import time
from pathlib import Path
from typing import Any, Callable, Dict

from espalier import Run
from espalier.base.paths import RunPaths
from espalier.queue.home import queue_paths


def wait(run: Run) -> Dict[str, Any]:
    """The details of a run that has ended, once its container is removed too."""
    run.wait_for_completion(raise_on_error=False, show_output=False)
    while os.path.exists(queue_paths().lease(run.id)):
        time.sleep(0.005)
    details: Dict[str, Any] = run.get_details()
    return details


def log_of(run: Run) -> str:
    path = Path(RunPaths(run.run_dir).log)
    return path.read_text("utf-8", "replace") if path.exists() else ""


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What a condition gives, once that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")
