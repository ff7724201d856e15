"""The states of a run and the one rule by which they change (protocol.md, status.json)."""

NOT_STARTED = "NotStarted"
QUEUED = "Queued"
PREPARING = "Preparing"
STARTING = "Starting"
RUNNING = "Running"
CANCEL_REQUESTED = "CancelRequested"
FINALIZING = "Finalizing"
COMPLETED = "Completed"
FAILED = "Failed"
CANCELED = "Canceled"

# Words readers use for a run whose records they cannot read; never written.
DAMAGED = "Damaged"
UNREADABLE = "Unreadable"

FINAL = frozenset({COMPLETED, FAILED, CANCELED})
_ORDER = {
    NOT_STARTED: 0,
    QUEUED: 1,
    PREPARING: 2,
    STARTING: 3,
    RUNNING: 4,
    CANCEL_REQUESTED: 5,
    FINALIZING: 6,
}
UNFINISHED = frozenset(_ORDER)


def is_final(state: str) -> bool:
    return state in FINAL


def may_follow(new: str, old: str) -> bool:
    """Whether a run in state `old` may be set to `new`; forward only, a final state stays."""
    if old in FINAL:
        return False
    if new in FINAL:
        return new != COMPLETED or _ORDER[old] >= _ORDER[RUNNING]
    if new == QUEUED:  # the runner died before the job was started, or another attempt is made
        return old != CANCEL_REQUESTED
    return _ORDER[new] > _ORDER[old]
