from typing import Any

import pytest
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decode
from espalier.base.resources import Capacity, Resources, bytes_of, checked_count, size_text
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "text,size",
    [("4 GB", 4 * 1024**3), ("4gib", 4 * 1024**3), ("1.5m", 1024 * 1536), ("500 kB", 512_000), ("7", 7), ("2 B", 2), (3.0, 3), (0, 0)],
)
def test_sizes(text: Any, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "4 XB", "4 GB of it", "1e9", -1, float("inf"), float("nan"), True, None, []])
def test_what_is_no_size(text: Any) -> None:
    with pytest.raises(EspalierError, match="memory must be a size") as caught:
        bytes_of(text)
    assert caught.value.code == "bad_argument"


@pytest.mark.parametrize("value", [-1, 0.5, "1", None, True, float("nan"), float("inf")])
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(EspalierError, match="cpus must be a whole number of at least 0"):
        checked_count(value, "cpus")


def test_a_record_and_back() -> None:
    need = Resources(2, 1, 1024)
    assert decode(Resources, need.record()) == need and decode(Resources, {}) == Resources(1, 0, 0)


def test_room() -> None:
    there = Capacity(2, ("0", "1"), 1000)
    assert there.fits(Resources(2, 2, 1000)) and there.fits(Resources(0, 0, 0))
    for need in (Resources(3), Resources(1, 3), Resources(1, 0, 1001)):
        assert not there.fits(need)
    assert there.without(Resources(1, 1, 10), ("0",)) == Capacity(1, ("1",), 990)
    overdrawn = Capacity(-1, (), -5)
    assert overdrawn.fits(Resources(0)) and not overdrawn.fits(Resources(1)), "a limit that was lowered"


@given(st.integers(0, 8), st.integers(0, 4), st.integers(0, 100), st.integers(0, 8), st.integers(0, 4), st.integers(0, 100))
def test_what_is_kept_for_one_is_there_when_others_have_taken_the_rest(a: int, b: int, c: int, d: int, e: int, f: int) -> None:
    there, need = Capacity(a, tuple(map(str, range(b))), c), Resources(d, e, f)
    rest = there.reserved(need)
    assert all(left >= 0 for left in (rest.cpus, rest.memory))
    taken = there.without(Resources(rest.cpus, len(rest.gpus), rest.memory), rest.gpus)
    kept = (min(d, a), min(e, b), min(f, c))
    assert (taken.cpus, len(taken.gpus), taken.memory) == kept


@pytest.mark.parametrize("size,text", [(5, "5 B"), (2048, "2 kB"), (1536 * 1024, "1.5 MB"), (3 * 1024**4, "3 TB"), (5 * 1024**5, "5120 TB")])
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
