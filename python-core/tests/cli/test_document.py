"""docs/command-line.md: each command is executed, and prints what the page shows.

With ESPALIER_WRITE_DOCS=yes what they print is written into the page.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from .conftest import surroundings  # type: ignore[attr-defined]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "command-line.md"
BLOCK = re.compile(r"(?:<!-- (file|needs): (\S+) -->\n)?```(\w+)\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def masked(text: str, folder: Path, ids: Dict[str, str]) -> str:
    """What differs from one time to the next, by stand-ins."""

    def stand_in(found: "re.Match[str]") -> str:
        return ids.setdefault(found[0], f"{found[1]}_1764000000_{len(ids) + 1:08x}")

    text = re.sub(r"\b(forest|hello)_\d{10}_[0-9a-f]{8}\b", stand_in, text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-03-01T12:00:00.000000Z", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-03-01 12:00", text)
    text = text.replace(str(folder), "~/forest")
    # (which ids are near depends on their random digits)
    text = re.sub(r"(The nearest: ).*", r"\1forest_1764000000_00000004, forest_1764000000_00000002.", text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def shown(printed: str, page: str) -> bool:
    """Whether two texts are equal, but for widths of columns and what a time or a size may be."""

    def words(text: str) -> List[str]:
        return [re.sub(r"^\d+\.\d{3,}$|^\d{6,}$", "#", word) for word in text.split()]

    return words(printed) == words(page)


def test_each_command_prints_what_the_page_shows(home: Path, tmp_path: Path) -> None:
    if not PAGE.exists():
        pytest.skip("docs/ is not beside this copy of the core")
    folder = home / "forest"
    (folder / "bin").mkdir(parents=True)
    (folder / ".here").touch()
    launcher = folder / "bin" / "espalier"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m espalier.cli "$@"\n')
    launcher.chmod(0o755)
    env = surroundings(PATH=f"{launcher.parent}:{os.environ['PATH']}", COLUMNS="100")
    ids: Dict[str, str] = {}
    page = PAGE.read_text("utf-8")
    pieces, at, executed = [], 0, 0
    for block in BLOCK.finditer(page):
        kind, name, language, text, expected = block.groups()
        pieces.append(page[at : block.start()])
        at = block.end()
        if kind == "file":
            (folder / name).write_text(text)
        if language != "sh" or (kind == "needs" and shutil.which(name) is None):
            pieces.append(block[0])
            continue
        done = subprocess.run(
            ["bash", "-c", text], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", timeout=120,
        )  # fmt: skip
        executed += 1
        printed = masked(done.stdout, folder, ids)
        head = f"<!-- {kind}: {name} -->\n" if kind else ""
        pieces.append(f"{head}```sh\n{text}```\n" + (f"\n```text\n{printed}```\n" if printed else ""))
        if os.environ.get("ESPALIER_WRITE_DOCS") != "yes":
            assert shown(printed, expected or ""), f"{text}\n{printed}\n--- the page has\n{expected}"
    if os.environ.get("ESPALIER_WRITE_DOCS") == "yes":
        PAGE.write_text("".join([*pieces, page[at:]]), "utf-8")
    assert executed >= 15


def test_the_page_has_all_exit_codes() -> None:
    if not PAGE.exists():
        pytest.skip("docs/ is not beside this copy of the core")
    from espalier.cli import problems

    codes = {value for name, value in vars(problems).items() if name.isupper() and type(value) is int}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)} == codes
