"""Ending a run whose runner is dead and whose job had a container: `python -I -S prepare/finish.py RUN_DIR [LEASE]`.

Started by whoever settles the run, detached, for an engine may take long to answer. It holds the run's lease as a
runner does, so that one is at it and the queue counts what the container takes. A run whose job was not started yet is
only rid of its container: whoever settles it next queues it again. So is one that has its end, whose runner died before
the container was removed. Standard library only.
"""

import contextlib
import os
import sys
import time
import traceback
from typing import Optional

if __name__ == "__main__":  # (see runner/__main__.py)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier.adapters import posix
from espalier.adapters.cgroup import leave_job
from espalier.base import states
from espalier.base.model.ticket import Claim
from espalier.base.paths import RunPaths
from espalier.base.records import seconds_of
from espalier.lifecycle.container_record import Box
from espalier.lifecycle.end import clean_again, end_job, end_lost_attempt
from espalier.lifecycle.status import Known, Outcome, read_status
from espalier.lifecycle.strays import end_strays
from espalier.prepare.look import look
from espalier.queue.step import release_and_step, step


def main(run_dir: str, lease: Optional[int]) -> None:
    """End the run by what became of its container, give its lease back and move the queue on."""
    posix.close_inherited(lease)
    leave_job()
    run = RunPaths(run_dir)
    try:
        _end(run)
    except Exception:
        traceback.print_exc()
    if lease is None:
        step()
    else:
        release_and_step(Claim(run_dir, lease), take=False)


def _end(run: RunPaths) -> None:
    fd = posix.open_lockable(run.spec)  # held to the end of this process, as a runner does
    if not posix.try_lock(fd):
        return
    if states.is_final(read_status(run).state):
        _end_container(run)
        return
    box = look(run)
    end_strays(run)
    status = read_status(run)
    if not status.started_at:
        with contextlib.suppress(OSError):  # (what could not be removed the next attempt finds by its name)
            os.unlink(run.container)
        os.close(fd)  # (else it would seem to be executed)
        return
    # (after a reboot it is the engine that ended it, whatever it says)
    by_itself = box.state == "ended" and (box.exit_code == 0 or status.boot_id == posix.boot_id())
    if by_itself:
        started = seconds_of(status.started_at) or time.time()
        end_job(Known(run, status), Outcome(box.exit_code, None, _stopped_by(run), max(_ended(box) - started, 0.0)))
    else:
        end_lost_attempt(Known(run, status))


def _end_container(run: RunPaths) -> None:
    """Of a run that has its end already. What cannot be removed now is not looked for again."""
    if not look(run).removed:
        with contextlib.suppress(OSError):
            os.unlink(run.container)
    clean_again(Known(run, read_status(run)))


def _ended(box: Box) -> float:
    return box.ended_at or time.time()


def _stopped_by(run: RunPaths) -> Optional[str]:
    return "canceled" if os.path.exists(run.cancel) else None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
