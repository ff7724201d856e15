import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from espalier import Experiment
from espalier.adapters.posix import boot_id, process_start
from espalier.lifecycle.ask import wake_runner


def test_only_the_process_that_was_recorded(experiment: Experiment) -> None:
    run = experiment.start_logging()
    other = subprocess.Popen(["sleep", "30"])
    status = Path(run.run_dir, "status.json")
    whole: Any = {**json.loads(status.read_text()), "pid": other.pid, "pid_start": process_start(other.pid)}
    del whole["collect_from"]
    recorded_by_a_session = {"collect_from": "/"}
    for change in (recorded_by_a_session, {"pid_start": 1}, {"boot_id": "another"}, {"pid": None}, {"state": "Completed"}, {"state": "?"}):
        status.write_text(json.dumps({**whole, **change}))
        wake_runner(run._paths)
    assert other.poll() is None and whole["boot_id"] == boot_id()
    status.write_text(json.dumps(whole))
    wake_runner(run._paths)
    assert other.wait(10) == -signal.SIGUSR1
    os.unlink(status)
    wake_runner(run._paths)
