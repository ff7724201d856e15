from pathlib import Path
from typing import Any

import pytest
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decode
from espalier.base.retry import CAUSES, Retry, checked_retry


def test_no_retry_unless_asked() -> None:
    assert checked_retry(None) == Retry() and not Retry().applies(1, "job_failed")


def test_a_number_is_how_often() -> None:
    policy = checked_retry(3)
    assert policy == Retry(3) and checked_retry(3.0) == policy
    assert policy.applies(1, "job_failed") and policy.applies(2, "runner_lost") and not policy.applies(3, "job_failed")
    assert not policy.applies(1, "canceled")


def test_fields() -> None:
    policy = checked_retry({"attempts": 5, "on": "job_killed", "wait_seconds": 10, "factor": 3, "max_wait_seconds": 60})
    assert policy.on == ("job_killed",) and not policy.applies(1, "job_failed")
    assert [policy.pause(attempt) for attempt in (1, 2, 3)] == [10, 30, 60]
    assert Retry(10_000, wait_seconds=1).pause(9_999) == 3600, "no overflow"


def test_a_record_and_back() -> None:
    policy = checked_retry({"attempts": 2, "on": ["timed_out"], "wait_seconds": 1.5})
    assert decode(Retry, policy.record()) == policy


@pytest.mark.parametrize(
    "value,match",
    [
        (0, "attempts"), (1.5, "attempts"), ({"attempts": 2, "times": 3}, "retry.times isn't a known field"), ({"attempts": 2, "on": "rain"}, "'rain'"),
        ({"wait_seconds": -1}, "wait_seconds"), ({"factor": 0.5}, "factor"), ({"max_wait_seconds": float("inf")}, "max_wait_seconds"),
        ({"on": ["job_failed", "canceled"]}, "'canceled'"), ({"on": 5}, "retry.on must be a list"), ({"on": [[]]}, "retry.on must be text"),
    ],
)  # fmt: skip
def test_what_is_no_policy(value: Any, match: str) -> None:
    with pytest.raises(EspalierError, match=match) as caught:
        checked_retry(value)
    assert caught.value.code == "bad_argument"


def test_causes_are_documented_codes() -> None:
    protocol = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
    assert all(f"`{cause}`" in protocol for cause in CAUSES)
