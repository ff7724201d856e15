"""What happens when a run ends, once, by any process that writes the end: its runner, guardian, a cancel, or the queue.

`ACTS` is what is done, in this order, and `REPEAT` what is done in its place where the run is to be tried again:

    bring_home         what the job left is moved to the run's folder; what can't be becomes a warning, and stays
    judge_outputs      a run that completed without an output that it declared has failed
   sum_up             the last values of its metrics, and how long its logs are
    end_children       children recorded by hand end with it; others are asked to be canceled, where it takes them along
    remove_variables   `env.json`, which may hold secrets, goes before anybody sees the end
    write              the final state, durable: from here on the run has ended
    clean              what it does not keep is removed: scratch folder, `.job/`, an empty log of the runner

Each act takes one `End`: the run's folder, its definition and its status, as they were read once, and what the acts
before it have found. Each may be done again: a process that is killed between two is followed by another, which begins
again before `write`, or calls `clean_again` after it. Standard library only.
"""

import contextlib
import os
import time
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from espalier.adapters.inside import append_text
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.status import Status, plain_error
from espalier.base.paths import RunPaths
from espalier.base.records import now_iso, seconds_of
from espalier.base.retry import Retry
from espalier.lifecycle.ask import ask_to_cancel, wake_runner
from espalier.lifecycle.children import WAIT, children_of, failed_children, parent_of
from espalier.lifecycle.collect import clean, collect, merge_folder, remove_working_copy
from espalier.lifecycle.digests import is_replaced, known_digests
from espalier.lifecycle.extent import extent_of
from espalier.lifecycle.status import NOT_COLLECTED, Known, Outcome, collected, correct, move, status_of
from espalier.lifecycle.summed import sum_metrics

# Of an attempt that was not the last, this much is kept in the run's status.
_KEPT = ("attempt", "started_at", "ended_at", "duration_seconds", "exit_code", "signal", "error", "kept")
# As by default for the next attempt.
_FRESH = (
    "started_at", "prepared_at", "ended_at", "duration_seconds", "exit_code", "signal", "pid", "pid_start", "boot_id",
    "runners", "scratch",
)  # fmt: skip
# The errors of runs that are recorded by hand.
_CODES = {states.FAILED: "job_failed", states.CANCELED: "canceled"}
_WITH_PARENT = {
    states.FAILED: "Its parent failed before it was completed.",
    states.CANCELED: "Canceled with its parent.",
}


class End:
    """One end that is being written."""

    def __init__(self, known: Known, state: str, error: Optional[Mapping[str, Any]], fields: Dict[str, Any]) -> None:
        self.known, self.run, self.status = known, known.run, known.status
        self.state, self.error, self.fields = state, error, fields
        self.warnings = list(self.status.warnings)
        self.is_collected = False

    def written(self, state: str, **changes: Any) -> None:
        """Write a state, durable."""
        changes = {**self.fields, **changes, "warnings": tuple(self.warnings)}
        self.status = move(self.run, self.status, state, **changes)


def bring_home(end: End) -> None:
    """Move what the job left to the run. The run ends in any case: what fails becomes a warning."""
    try:
        end.fields["kept"] = collect(end.known, end.warnings) or end.status.kept
        end.is_collected = True
    except Exception as problem:
        place = (end.status.scratch or {}).get("path")
        end.warnings.append(f"{NOT_COLLECTED} {problem}. They are in {place} until they can.")


def judge_outputs(end: End) -> None:
    """Whether it has the outputs without which it has failed."""
    wanted = end.known.spec.outputs if end.known.spec else ()
    if end.state != states.COMPLETED or not wanted:
        return
    if not end.is_collected:  # (a full disk: they may come home later)
        end.warnings.append("Whether it made the outputs that it declared wasn't checked.")
        return
    from espalier.lifecycle.inputs import missing_output

    missing = missing_output(end.run, wanted)
    if missing is not None:
        end.state = states.FAILED
        end.error = {**plain_error(missing.code, missing.message), "hint": missing.hint}


def sum_up(end: End) -> None:
    """The values of the metrics in short, and how long the logs are."""
    try:
        summary = sum_metrics(end.run)
        if summary is not None:
            end.fields.update(metrics=summary.last, metric_ranges=summary.ranges)
    except Exception as problem:
        end.warnings.append(f"Can't sum up the metrics: {problem}.")
    with contextlib.suppress(Exception):
        end.fields["logs"] = extent_of(end.run)


def end_children(end: End) -> None:
    """What the end means for the children. Those recorded by hand end as their parent does. The others are canceled
    with it; a parent that chose `wait` also takes them along when it failed."""
    if not os.path.isdir(end.run.children):
        return
    waits = end.known.spec is None or end.known.spec.children == WAIT
    takes_along = end.state == states.CANCELED or (end.state == states.FAILED and waits)
    for child in children_of(end.run):
        status = status_of(child)
        if status is None or states.is_final(status.state):
            continue
        with contextlib.suppress(OSError, EspalierError):  # deleted, or another's: the others must not stay
            if status.is_recorded:
                end_with_parent(child, status, end.state)
            elif takes_along:
                ask_to_cancel(child, parent=os.path.basename(end.run.root))
                wake_runner(child)
    end.warnings += failed_children(end.run)


def remove_variables(end: End) -> None:
    """Remove what may hold secrets."""
    with contextlib.suppress(OSError):
        os.unlink(end.run.env)


def write(end: End) -> None:
    """Write the final state."""
    end.written(end.state, ended_at=now_iso(time.time()), error=end.error)


def remove_leftovers(end: End) -> None:
    """Remove what isn't kept, once it is home. The next look at the run's lease tries again."""
    with contextlib.suppress(OSError):
        if end.is_collected:
            clean(end.known.with_status(end.status))


def end_children_of_attempt(end: End) -> None:
    """What the end of an attempt means for the children that it made: it failed."""
    warnings = list(end.warnings)
    end_children(end)
    end.warnings = warnings  # (of failed children the run's own end tells)


def bring_home_attempt(end: End) -> None:
    """Move what the attempt left to separate files. Raises OSError: nothing can be written now."""
    end.fields["kept"] = collect(end.known, end.warnings, end.run.attempt_files(end.status.attempt))
    remove_working_copy(end.known)


def set_events_aside(end: End) -> None:
    """The next attempt's metrics start from nothing."""
    if os.path.isdir(end.run.events) and not os.path.islink(end.run.events):
        merge_folder(end.run, end.run.events, end.run.attempt_events(end.status.attempt), end.warnings)


def tell_in_log(end: End) -> None:
    """A line between the output of one attempt and that of the next."""
    said = str((end.error or {}).get("message")).splitlines()[0]
    line = f"--- attempt {end.status.attempt} of {_policy(end.known).attempts}: {said}; it is tried again ---\n"
    append_text(end.run.root, end.run.log, line)


def queue_again(end: End) -> None:
    """Write that the run is queued for its next attempt."""
    was = end.status
    ended = was._replace(**end.fields, error=end.error, ended_at=now_iso(time.time()))
    attempts = (*was.attempts, {name: getattr(ended, name) for name in _KEPT})
    end.fields = {name: Status._field_defaults[name] for name in _FRESH}
    pause = _policy(end.known).pause(was.attempt)
    end.written(states.QUEUED, attempt=was.attempt + 1, attempts=attempts, retry_seconds=pause)


# (not above the class: a name in quotes inside brackets is compiled, which takes a millisecond)
Act = Callable[[End], None]
ACTS: Tuple[Act, ...] = (bring_home, judge_outputs, sum_up, end_children, remove_variables, write, remove_leftovers)
REPEAT: Tuple[Act, ...] = (
    end_children_of_attempt, bring_home_attempt, set_events_aside, tell_in_log, queue_again,
)  # fmt: skip


def finish(known: Known, state: str, error: Optional[Mapping[str, Any]], **fields: Any) -> Status:
    """End a run."""
    return _done(ACTS, End(known, state, error, fields))


def end_attempt(known: Known, state: str, error: Optional[Mapping[str, Any]], **fields: Any) -> Status:
    """End a run, or, where its definition says so and it was not asked to be canceled, queue it for another attempt.

    Who calls this gives a run that comes back as Queued its ticket.
    """
    run, status = known.run, known.status
    # (without its variables, which go first when a run ends, it can't be executed again)
    is_over = error is None or os.path.exists(run.cancel) or not os.path.exists(run.env)
    if error is None or is_over or not _policy(known).applies(status.attempt, str(error["code"])):
        return finish(known, state, error, **fields)
    return _done(REPEAT, End(known, states.FAILED, error, fields))


def _done(acts: Tuple[Act, ...], end: End) -> Status:
    for act in acts:
        act(end)
    return end.status


def _policy(known: Known) -> Retry:
    return (known.spec and known.spec.retry) or Retry()  # (damaged: it can't be executed again)


def end_job(known: Known, outcome: Outcome) -> Status:
    """End an attempt whose job was started and has ended. See `end_attempt`."""
    state, error = states.COMPLETED, None
    if outcome.stopped_by is not None or outcome.exit_code != 0 or outcome.cause is not None:
        from espalier.lifecycle.verdict import verdict

        state, error = verdict(known, outcome)
    known = _warned(known, *outcome.warnings)
    if known.spec and known.spec.inputs:
        from espalier.lifecycle.inputs import changed_inputs

        known = _warned(known, *changed_inputs(known))
    return end_attempt(known, state, error, **outcome.fields())


def end_lost_attempt(known: Known, cause: Optional[Tuple[str, str]] = None) -> Status:
    """End an attempt whose runner died while the job ran. See `end_attempt` and `lost_error`."""
    from espalier.lifecycle.verdict import lost_error

    error = lost_error(known, cause)
    if is_replaced(known.run, known_digests(known.status.digests)):
        # (and if it is to be tried again, its next runner refuses it)
        known = _warned(known, f"{known.run.spec} isn't what it was when the run was submitted.")
    return end_attempt(known, states.FAILED, error)


def _warned(known: Known, *warnings: str) -> Known:
    status = known.status
    return known.with_status(status._replace(warnings=(*status.warnings, *warnings))) if warnings else known


def clean_again(known: Known) -> None:
    """Do what is left of the end of a run that has its final state. Raises OSError: it cannot be done now."""
    before = list(known.status.warnings)
    warnings = collected(before)
    was_collected = warnings == before
    kept = collect(known, warnings)
    if not was_collected:
        correct(known.run, known.status, warnings=tuple(warnings), **({} if kept is None else {"kept": kept}))
    clean(known)


def end_recorded(
    run: RunPaths, status: Status, state: str, message: Optional[str], duration: Optional[float] = None
) -> None:
    """End a run that is recorded by hand: by a session, or by a job as its child.

    Args:
        status: What `keep_outputs` gave.
        message: Why, for one that failed or was canceled.
        duration: Seconds it took; by default what the wall clock says, which alone is common to all processes.
    """
    error = plain_error(_CODES[state], message or "Marked as failed.") if state in _CODES else None
    if duration is None:
        duration = max(time.time() - (seconds_of(status.started_at) or 0.0), 0.0)
    finish(Known(run, status), state, error, duration_seconds=round(duration, 6))


def end_with_parent(child: RunPaths, status: Status, state: str) -> None:
    """End a child that is recorded by hand as its parent ends."""
    from espalier.lifecycle.recorded import keep_outputs

    end_recorded(child, keep_outputs(child, status), state, _WITH_PARENT.get(state))


def end_if_parent_ended(child: RunPaths, status: Status) -> bool:
    """End a child that lives as long as its parent, and was left by it: who ended the parent was killed, or the child
    came too late.

    Returns:
        Whether there was something to end.
    """
    parent = child.workspace.run(parent_of(child) or "")
    above = status_of(parent)
    if above is not None and not states.is_final(above.state):
        return False
    if above is None and os.path.isdir(parent.root):  # it cannot be read: nothing is known
        return False
    if not states.is_final(status.state):
        end_with_parent(child, status, above.state if above is not None else states.FAILED)
    return True


def retire_copy(run: RunPaths, status: Status) -> None:
    """End a run in a copy, or one whose definition was replaced and that no queue knows. Nothing is done to processes,
    nor to its working copy: they are the original's."""
    error = plain_error("copied", (
        f"This folder was copied, or restored from a backup, while the run was {status.state}. "
        "It isn't executed, because the original may have been. Submit it again if the original wasn't."
    ))  # fmt: skip
    if is_replaced(run, known_digests(status.digests)):
        message = f"{run.spec} isn't what it was when the run was submitted, so it isn't executed. Submit it again."
        code = "runner_lost" if status.started_at else "prepare_failed"
        error = plain_error(code, message, classes=["espalier_error_record_changed"])
    finish(Known(run, status._replace(scratch=None)), states.FAILED, error)
