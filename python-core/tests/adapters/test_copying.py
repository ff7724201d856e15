"""Copies of files with holes."""

import os
from pathlib import Path
from typing import Any, List

import pytest
from espalier.adapters import copying
from espalier.adapters.copying import copy_content

MIB = 1 << 20
# Pieces of data, each with where it begins, and the size of the file.
FILES = [([], 0), ([], 3 * MIB), ([(0, b"x")], 1), ([(5 * MIB, b"end")], 5 * MIB + 3), ([(0, b"a" * 3 * MIB)], 3 * MIB),
         ([(MIB, b"b" * 10), (9 * MIB, b"c" * 2 * MIB)], 20 * MIB)]  # fmt: skip


def copied(tmp_path: Path, pieces: Any, size: int) -> List[int]:
    """Copy such a file and compare; what was reported."""
    with open(tmp_path / "source", "wb") as file:
        for at, data in pieces:
            file.seek(at)
            file.write(data)
        file.truncate(size)
    told: List[int] = []
    with open(tmp_path / "source", "rb") as source, open(tmp_path / "copy", "wb") as to:
        copy_content(source.fileno(), to.fileno(), told.append)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "source").read_bytes()
    return told


@pytest.mark.parametrize("pieces,size", FILES)
def test_content_and_holes(tmp_path: Path, pieces: Any, size: int) -> None:
    assert sum(copied(tmp_path, pieces, size)) == size
    blocks = [os.stat(tmp_path / name).st_blocks for name in ("source", "copy")]
    assert blocks[1] <= blocks[0] + 16


@pytest.mark.parametrize("pieces,size", FILES)
def test_file_systems_that_know_neither_holes_nor_shared_blocks(
    tmp_path: Path, pieces: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_next_data", lambda source, at: (at, None))
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    assert sum(copied(tmp_path, pieces, size)) == size


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 100)
    with open(tmp_path / "source", "rb") as source, open("/dev/full", "wb") as full, pytest.raises(OSError):
        copy_content(source.fileno(), full.fileno())
