"""Handing a run's secrets to its runner: `python -I -S vault/agent.py RUN_DIR`, a child of the run's runner.

The full core, because it opens the keyvault. Its output, into a pipe that only the runner has, is the content of the
file that the job will read (`channel.py`), or a line of JSON with the error.
"""

import json
import os
import sys

if __name__ == "__main__":  # (see runner/__main__.py)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobEnv, JobSpec
from espalier.base.paths import RunPaths


def hand_out(run: RunPaths) -> bytes:
    """The answer for the runner."""
    try:
        env = read_as(JobEnv, run.env)
        sys.path += [folder for folder in env.modules or () if folder not in sys.path]
        from espalier.vault.channel import dump_secrets
        from espalier.vault.store import values_of

        return dump_secrets(values_of(run.workspace, read_as(JobSpec, run.spec).secrets))
    except EspalierError as error:
        failure = {"code": error.code, "message": error.message, "hint": error.hint}
    except Exception as error:  # (its text might hold a value)
        message = f"Can't open the keyvault: {type(error).__name__}."
        failure = {"code": "internal", "message": message, "hint": ""}
    return json.dumps({"error": failure}).encode()


def main(run_dir: str) -> None:
    """Print the answer for the runner. Other output goes to the runner's log."""
    out = os.dup(1)
    os.dup2(2, 1)
    with open(out, "wb") as file:
        file.write(hand_out(RunPaths(run_dir)))


if __name__ == "__main__":
    main(sys.argv[1])
