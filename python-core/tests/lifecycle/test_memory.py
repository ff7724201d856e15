from typing import Any, Dict, Optional

import pytest
from espalier.adapters.oom import Shortage
from espalier.lifecycle.status import Outcome
from espalier.lifecycle.verdict import lost_to_memory, with_memory

KILLED: Dict[str, Any] = {"code": "job_killed", "message": "The job ended with signal 9, SIGKILL.", "log_tail": []}
GROUP, MACHINE = Shortage(1, 700_000_000, group=True), Shortage(2, 8_000_000_000, group=False)


def outcome(code: Optional[int], signal: Optional[int], shortage: Optional[Shortage], peak: int = 6_500_000_000) -> Outcome:
    return Outcome(code, signal, None, 1.0, {"max_memory_bytes": peak}, [], shortage)


@pytest.mark.parametrize(("code", "signal"), [(None, 9), (137, None)])
def test_killed(code: Optional[int], signal: Optional[int], monkeypatch: pytest.MonkeyPatch) -> None:
    error = with_memory(KILLED, outcome(code, signal, GROUP, 690_000_000))
    assert error["code"] == "job_out_of_memory" and error["message"] == (
        "The job ran out of memory, and the kernel killed it (signal 9, SIGKILL). "
        "It used up to 690 MB; the control group that it ran in may use 700 MB."
    )
    assert with_memory(KILLED, outcome(code, signal, MACHINE))["message"].endswith(" has 8.0 GB.")


@pytest.mark.parametrize(
    "found",
    [
        outcome(None, 9, None),
        outcome(None, 9, MACHINE, 100_000_000),  # another's, as small as this job is
        outcome(None, 15, MACHINE),
        outcome(1, None, MACHINE),
    ],
)
def test_nothing_is_said_without_evidence(found: Outcome) -> None:
    assert with_memory(KILLED, found) is KILLED


def test_a_child_of_the_job() -> None:
    error = with_memory({**KILLED, "code": "job_failed", "message": "It failed."}, outcome(1, None, GROUP, 0))
    assert error["code"] == "job_failed" and error["message"] == (
        "It failed.\nWhile it ran, the kernel killed 1 process for lack of memory. "
        "The control group that it ran in may use 700 MB."
    )


def test_the_runner() -> None:
    lost = {**KILLED, "code": "runner_lost", "message": "The process that ran this job was killed."}
    assert lost_to_memory(lost, None) is lost and lost_to_memory(lost, MACHINE) is lost
    assert lost_to_memory(lost, GROUP)["code"] == "job_out_of_memory"
