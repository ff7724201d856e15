"""When a run that failed is tried again, and after how long."""

from typing import Any, Dict, Mapping, Sequence, Tuple, Union

from espalier.base.errors import EspalierError
from espalier.base.model.record import Record
from espalier.base.resources import checked_count

# What a run may be tried again after: the codes of its error. A run that a user canceled never is.
CAUSES = ("job_failed", "job_killed", "runner_lost", "timed_out", "start_failed", "prepare_failed",
          "prepare_timed_out", "job_out_of_memory", "engine_lost")  # fmt: skip


class Retry(Record):
    """How often a run is executed at most, after which causes, and the seconds before each further attempt."""

    attempts: int = 1
    on: Tuple[str, ...] = CAUSES
    wait_seconds: float = 0.0
    factor: float = 2.0
    max_wait_seconds: float = 3600.0

    def applies(self, attempt: int, cause: str) -> bool:
        """Whether a run whose attempt (1 is the first) ended by `cause` is tried again."""
        return attempt < self.attempts and cause in self.on

    def pause(self, attempt: int) -> float:
        """Seconds to wait after that attempt."""
        try:
            return min(self.wait_seconds * self.factor ** (attempt - 1), self.max_wait_seconds)
        except OverflowError:
            return self.max_wait_seconds

    def record(self) -> Dict[str, Any]:
        """As `spec.json` holds it."""
        return {**self._asdict(), "on": list(self.on)}


def checked_retry(value: Union[int, float, Mapping[str, Any], None]) -> Retry:
    """A policy from how often to execute, or from its fields by name.

    Raises:
        EspalierError: `bad_argument`.
    """
    if value is None:
        return Retry()
    fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {"attempts": value}
    unknown = sorted(set(fields) - set(Retry._fields))
    if unknown:
        raise _bad(f"has no field {', '.join(unknown)}", f"It has {', '.join(Retry._fields)}.")
    default = Retry()
    return Retry(
        checked_count(fields.get("attempts", 1), "retry: attempts", least=1),
        _causes(fields.get("on") or CAUSES),
        _number(fields, "wait_seconds", default.wait_seconds, 0),
        _number(fields, "factor", default.factor, 1),
        _number(fields, "max_wait_seconds", default.max_wait_seconds, 0),
    )


def _causes(on: Union[str, Sequence[str]]) -> Tuple[str, ...]:
    if not isinstance(on, (str, list, tuple)):
        raise _bad(f"on must be a list of causes, not {on!r}", f"Causes are {', '.join(CAUSES)}.")
    causes = (on,) if isinstance(on, str) else tuple(on)
    wrong = [cause for cause in causes if cause not in CAUSES]
    if wrong:
        raise _bad(f"on {wrong[0]!r} is not possible", f"Causes are {', '.join(CAUSES)}.")
    return causes


def _number(fields: Mapping[str, Any], name: str, default: float, least: float) -> float:
    value = fields.get(name, default)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < float("inf"):
        return float(value)
    raise _bad(f"{name} must be a finite number of at least {least:g}, not {value!r}")


def _bad(what: str, hint: str = "") -> EspalierError:
    return EspalierError("bad_argument", f"retry: {what}.", hint)
