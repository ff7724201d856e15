"""The published table of faults names tests that exist, and every actor and fault that it has to answer for."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "faults.md").read_text()
SUBJECTS = (
    "submitter", "runner", "guardian", "keeper", "job", "container", "engine", "The machine stops", "disk full",
    "read-only disk", "clock", "deleted", "corrupted", "copied", "restored",
)  # fmt: skip


def test_every_row_names_a_test_that_exists() -> None:
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith(("| process |", "| sequence |", "| fault |"))]
    assert len(rows) > 30
    for row in rows:
        last = row.rstrip(" |").rpartition("|")[2].strip()
        if last == "none":
            assert "yet" in row or "there are none" in row, row
            continue
        found = re.fullmatch(r"`([\w/.-]+)::(\w+)`", last)
        assert found, f"no test is named: {row}"
        source = (ROOT / found[1]).read_text()
        assert f"\ndef {found[2]}(" in source, f"{found[0]} does not exist"


def test_every_fault_is_answered_for() -> None:
    missing = [subject for subject in SUBJECTS if subject not in TABLE]
    assert not missing
