"""Making a run's environment ready: `python -I -S provision/__main__.py RUN_DIR`, a child of the run's runner.

The full core: it finds or builds what the definition says, prints what it does (the runner gives it the run's build
log as its output), and leaves what it found in `.job/environment.json`. Ended by TERM, it leaves nothing behind.
"""

import dataclasses
import os
import signal
import sys
import time
import traceback
from typing import Any, Dict

if __name__ == "__main__":  # (see runner/__main__.py)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier.adapters.homes import program_cache
from espalier.adapters.inside import replace_inside
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobEnv, JobSpec, Programs
from espalier.base.os_errors import os_error
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import dump_record
from espalier.environment.definition import Environment
from espalier.environment.stored_locks import read_lock
from espalier.provision.local.activation import Session
from espalier.vault.store import secret_reader


def main(run_dir: str) -> int:
    """Make the environment of one run ready; returns what to exit with."""
    signal.signal(signal.SIGTERM, _end)
    run, began = RunPaths(run_dir), time.monotonic()
    try:
        env = read_as(JobEnv, run.env)
        sys.path += [folder for folder in env.modules or () if folder not in sys.path]
        found = make_ready(run, read_as(JobSpec, run.spec), env)
    except KeyboardInterrupt:
        return 128 + signal.SIGTERM
    except EspalierError as error:
        sys.stdout.write(f"{error}\n")
        _leave(run, {"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        return 1
    except Exception as error:
        traceback.print_exc()
        message = f"Can't prepare the environment: {error!r:.500}."
        known = os_error(error) or EspalierError("internal", message, f"See {run.runner_log}.")
        _leave(run, {"error": {"code": known.code, "message": known.message, "hint": known.hint}})
        return 1
    _leave(run, {**found, "seconds": round(time.monotonic() - began, 3)})
    return 0


def _end(*_: Any) -> None:
    """Leave the current work as Ctrl-C does: what is half built is cleared away on it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _leave(run: RunPaths, record: Dict[str, Any]) -> None:
    data = dump_record({"format": FORMAT, **record})
    if "error" not in record:
        replace_inside(run.root, run.environment_record, data)
    replace_inside(run.root, run.prepared, data)


def make_ready(run: RunPaths, spec: JobSpec, env: JobEnv) -> Dict[str, Any]:
    """Find or build what a run needs. Output goes to the run's build log.

    Args:
        env: The run's `env.json`.

    Returns:
        The record of what is ready (protocol.md, `.job/environment.json`).

    Raises:
        EspalierError: what could not be had.
    """
    how, environment = spec.how, Environment.from_mapping(spec.definition)
    made = _image(run, environment) if how == "image" else _private(run, environment, env.session or Programs())
    return {"how": how, **made}


def _image(run: RunPaths, environment: Environment) -> Dict[str, Any]:
    from espalier.provision.docker.chain import ensure

    image = ensure(run.workspace, _cache(), environment, secret_reader(run.workspace), log=run.build_log)
    return {"image": image.id, "tag": image.tag, "key": image.key, "found": image.found}


def _private(run: RunPaths, environment: Environment, session: Programs) -> Dict[str, Any]:
    from espalier.provision.local.ensure import ensure

    lock, secrets = read_lock(run.workspace, environment), secret_reader(run.workspace)
    made = ensure(_cache(), environment, lock, Session(**session._asdict()), run.build_log, secrets)
    record = dataclasses.asdict(made)
    return {**record, "found": "cache" if made.found else "built"}


def _cache() -> CachePaths:
    return CachePaths(program_cache())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
