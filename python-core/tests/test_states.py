import pytest
from espalier.base import states
from espalier.base.states import (
    CANCEL_REQUESTED,
    CANCELED,
    COMPLETED,
    FAILED,
    FINAL,
    FINALIZING,
    NOT_STARTED,
    PREPARING,
    QUEUED,
    RUNNING,
    STARTING,
    UNFINISHED,
    may_follow,
)

PATH = [NOT_STARTED, QUEUED, PREPARING, STARTING, RUNNING, FINALIZING, COMPLETED]


def test_the_way_of_a_run() -> None:
    assert all(may_follow(new, old) for old, new in zip(PATH, PATH[1:]))


@pytest.mark.parametrize("old", sorted(UNFINISHED))
def test_any_unfinished_state_may_fail_or_be_canceled(old: str) -> None:
    assert may_follow(FAILED, old) and may_follow(CANCELED, old)


@pytest.mark.parametrize("old", sorted(FINAL))
@pytest.mark.parametrize("new", sorted(FINAL | UNFINISHED))
def test_final_is_final(old: str, new: str) -> None:
    assert not may_follow(new, old)


def test_backwards_only_to_the_queue() -> None:
    back = {(old, new) for i, old in enumerate(PATH) for new in PATH[: i + 1] if may_follow(new, old)}
    assert back == {(old, QUEUED) for old in (QUEUED, PREPARING, STARTING, RUNNING, FINALIZING)}
    assert not may_follow(QUEUED, CANCEL_REQUESTED)


def test_nothing_completes_that_never_ran() -> None:
    assert [old for old in PATH[:-1] if may_follow(COMPLETED, old)] == [RUNNING, FINALIZING]


def test_words_of_readers_are_no_states() -> None:
    assert not {states.DAMAGED, states.UNREADABLE} & (FINAL | UNFINISHED)
