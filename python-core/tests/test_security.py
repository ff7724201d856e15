"""docs/security.md: each row of the trust model names tests, and they are there."""

import re
from pathlib import Path
from typing import List, Tuple

import pytest

TOP = Path(__file__).parents[2]
SECURITY = (TOP / "docs" / "security.md").read_text("utf-8") if (TOP / "docs").is_dir() else ""


def rows() -> List[Tuple[str, str]]:
    """What each row is about, and its last column."""
    found = []
    for line in SECURITY.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] != "what":
            found.append((cells[0], cells[-1]))
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_each_row_names_tests_that_are_there(row: Tuple[str, str]) -> None:
    named = re.findall(r"`([\w/.-]+\.(?:py|R))(?:::(\w+))?`", row[1])
    assert named, row
    for path, name in named:
        assert f"def {name}(" in (TOP / path).read_text("utf-8") if name else (TOP / path).is_file(), (path, name)


def test_there_are_rows() -> None:
    assert len(rows()) > 50
