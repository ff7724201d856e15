"""Where a job's log goes on after the engine was away."""

import pytest
from espalier.executors.docker.unseen import Unseen, Written


def unseen(written: bytes, kept: bytes, size: int) -> bytes:
    """What is new in what the engine keeps, which comes in pieces of a size."""
    counted = Written()
    for i in range(0, len(written), size):
        counted.add(written[i : i + size])
    rest = Unseen(counted)
    return b"".join(rest.of(kept[i : i + size]) for i in range(0, len(kept), size))


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize("at", range(13))
def test_every_byte_once(size: int, at: int) -> None:
    whole = b"one\ntwo\nthree\n"
    assert unseen(whole[:at], whole, size) == whole[at:]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_engine_was_killed_within_a_line(size: int) -> None:
    """What it held of the line it did not keep; that has been written nevertheless."""
    assert unseen(b"one\n10% 20% ", b"one\n30% 40%\ntwo\n", size) == b"30% 40%\ntwo\n"
    assert unseen(b"one\n10% 20% ", b"one\n10% 20% 30%\n", size) == b"30%\n"
    assert unseen(b"one\n10% 20% ", b"one\n", size) == b""


def test_a_line_without_end() -> None:
    whole = b"x" * 100_000
    assert unseen(whole[:70_000], whole, 4096) == whole[70_000:]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize("at", range(19))
def test_the_engine_keeps_a_character_for_each_byte_that_is_no_text(size: int, at: int) -> None:
    """Which is three bytes."""
    whole = b"caf\xe9 \xff\nb\xe9\xe9se\nend"
    kept = whole.replace(b"\xe9", b"\xef\xbf\xbd").replace(b"\xff", b"\xef\xbf\xbd")
    rest = whole[at:].replace(b"\xe9", b"\xef\xbf\xbd").replace(b"\xff", b"\xef\xbf\xbd")
    assert unseen(whole[:at], kept, size) == rest


def test_a_long_line_with_bytes_that_are_no_text() -> None:
    whole = b"x\xe9" * 50_000
    assert unseen(whole[:70_000], whole.replace(b"\xe9", b"\xef\xbf\xbd"), 4096) == b"x\xef\xbf\xbd" * 15_000
