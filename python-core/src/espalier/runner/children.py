"""A run whose job has ended well and whose children have not: it waits for them, without a slot."""

import os
import signal
from typing import Tuple

from espalier.base import states
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.lifecycle.children import WAIT, open_children
from espalier.lifecycle.status import Outcome, move, status_of
from espalier.queue.control import look_after
from espalier.queue.step import step
from espalier.runner.patience import STOPPERS, WAKERS

# A child's end is seen after the first pause at the earliest, after the last one at the latest, seconds.
_PAUSES = (0.02, 0.5)
# How many pauses pass between two looks at the queue.
_STEP_EVERY = 4


def wait_for_children(run: RunPaths, status: Status, spec: JobSpec, outcome: Outcome) -> Tuple[Status, Outcome]:
    """Wait until no child is executed any more or waits to be, if the run chose so and its job ended well.

    Returns:
        The run's status, and how it ended: a cancel may have come.
    """
    pending = open_children(run)
    if not pending or outcome.exit_code != 0 or outcome.stopped_by is not None or spec.children != WAIT:
        return status, outcome
    status = move(run, status, states.FINALIZING, **outcome.fields())
    step()  # the slot is free now
    pause, turn = _PAUSES[0], 0
    while pending:
        woken = signal.sigtimedwait(WAKERS, pause)
        if os.path.exists(run.cancel) or (woken is not None and woken.si_signo in STOPPERS):
            return status, outcome._replace(stopped_by="canceled")
        while pending and _has_ended(pending[0]):
            pending.pop(0)
        pending = pending or open_children(run)
        pause, turn = min(pause * 1.5, _PAUSES[1]), turn + 1
        if pending and turn % _STEP_EVERY == 0:
            _move_on(pending[0])
    return status, outcome


def _has_ended(child: RunPaths) -> bool:
    status = status_of(child)
    return status is None or states.is_final(status.state)


def _move_on(child: RunPaths) -> None:
    """In case no other process does: who died is seen, who lost its ticket gets one."""
    step()
    spec = read_as(JobSpec, child.spec)
    look_after(os.path.basename(child.root), child, spec.host, spec.user)
