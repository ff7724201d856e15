"""When a run that failed is tried again, and after how long."""

from typing import Any, Dict, Mapping, Tuple, Union

from espalier.base.errors import EspalierError
from espalier.base.model.codec import checked, shown
from espalier.base.model.record import Record
from espalier.base.resources import checked_count, checked_number

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
    fields: Dict[str, Any] = dict(value) if isinstance(value, Mapping) else {"attempts": value}
    if isinstance(fields.get("on"), str):
        fields["on"] = [fields["on"]]
    found = checked(Retry, fields, "bad_argument", where="retry")
    checked_count(found.attempts, "retry.attempts", least=1)
    checked_number(found.wait_seconds, "retry.wait_seconds")
    checked_number(found.factor, "retry.factor", least=1)
    checked_number(found.max_wait_seconds, "retry.max_wait_seconds")
    wrong = next((cause for cause in found.on if cause not in CAUSES), None)
    if wrong is not None:
        message = f"Can't retry on {shown(wrong)}."
        raise EspalierError("bad_argument", message, f"The causes are {', '.join(CAUSES)}.", field="retry.on")
    return found if found.on else found._replace(on=CAUSES)
