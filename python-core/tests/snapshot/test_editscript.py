import random

from espalier.snapshot.editscript import MOST_EDITS, changes
from hypothesis import given, settings
from hypothesis import strategies as st

SCANS = False

LINES = st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=30)


def applied(before, after, found):
    result, at = [], 0
    for i1, i2, j1, j2 in found:
        result += before[at:i1] + after[j1:j2]
        at = i2
    return result + before[at:]


@given(LINES, LINES)
@settings(max_examples=300, deadline=None)
def test_changes_lead_from_one_to_the_other(before, after):
    found = changes(before, after)
    assert applied(before, after, found) == after
    # stretches are whole: something equal lies between two of them
    assert all(one[1] < two[0] and one[3] < two[2] for one, two in zip(found, found[1:]))
    assert (found == []) == (before == after)


def test_no_more_than_needed():
    assert changes(list("abcabba"), list("cbabac"))  # (Myers' own example has five edits)
    edits = sum(i2 - i1 + j2 - j1 for i1, i2, j1, j2 in changes(list("abcabba"), list("cbabac")))
    assert edits == 5
    assert changes(["x", "a", "y"], ["x", "b", "y"]) == [(1, 2, 1, 2)]
    assert changes([], ["x"]) == [(0, 0, 0, 1)]


def test_time_is_bounded():
    random.seed(1)
    before = [str(number) for number in range(60_000)]
    shuffled = random.sample(before, len(before))
    for after in (shuffled, before[::-1], before[::2], [x if i % 3 else "y" for i, x in enumerate(before)]):
        assert applied(before, after, changes(before, after)) == after
    assert len(changes(before, before[::2])) == 1 < MOST_EDITS
