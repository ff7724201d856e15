import re
from typing import List, Tuple

from espalier.vault.search import Search
from hypothesis import given, settings
from hypothesis import strategies as st


def expected(patterns: List[bytes], text: bytes) -> List[Tuple[int, int]]:
    found = {(m.start(), m.start() + len(p)) for p in patterns for m in re.finditer(b"(?=" + re.escape(p) + b")", text, re.DOTALL)}
    return sorted(found)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=4, max_size=50), min_size=1, max_size=12), st.lists(st.integers(0, 11), max_size=5), st.binary(max_size=40), st.booleans())
def test_as_by_a_regular_expression(patterns: List[bytes], which: List[int], between: bytes, much: bool) -> None:
    text = between.join(patterns[number % len(patterns)] for number in which)
    text = (b"some filler, " * 500 if much else b"") + between + text + between
    assert sorted(Search(patterns).spans(text)) == expected(patterns, text)


def test_wherever_it_lies() -> None:
    """Every place relative to the words that are looked at, to the very ends."""
    patterns = [bytes([65 + number]) * 3 + bytes(range(97, 117)) for number in range(6)]
    alphabet = b"".join(patterns)[::-1] * 100
    for length in range(5000, 5040):
        for pattern in (patterns[0], patterns[5]):
            for text in (alphabet[:length] + pattern, pattern + alphabet[:length], alphabet[:length] + pattern + alphabet[:77]):
                assert sorted(Search(patterns).spans(text)) == expected(patterns, text)


def test_what_overlaps_itself() -> None:
    assert sorted(Search([b"abab"]).spans(b"abababab")) == [(0, 4), (2, 6), (4, 8)]
    assert sorted(Search([b"aaaa"]).spans(b"a" * 6)) == [(0, 4), (1, 5), (2, 6)]
