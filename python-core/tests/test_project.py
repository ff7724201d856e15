from pathlib import Path
from typing import Any

import pytest
from espalier.base.project import folders_up, project_root


@pytest.mark.parametrize("mark", [".git", ".here", "DESCRIPTION", "renv.lock", "_targets.R", "pyproject.toml", "a.Rproj"])
def test_the_nearest_mark_counts(tmp_path: Path, mark: str) -> None:
    deep = tmp_path / "outer" / "inner" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "outer" / ".git").mkdir()
    assert project_root(str(deep)) == str(tmp_path / "outer")
    (tmp_path / "outer" / "inner" / mark).touch()
    assert project_root(str(deep)) == str(tmp_path / "outer" / "inner")


def test_home_counts_only_for_itself(tmp_path: Path, monkeypatch: Any) -> None:
    below = tmp_path / "me" / "work"
    below.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for folder in (tmp_path, tmp_path / "me"):
        (folder / ".here").touch()
    assert project_root(str(below)) is None
    assert project_root(str(tmp_path / "me")) == str(tmp_path / "me")
    assert list(folders_up(str(below))) == [str(below)]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "project" / "sub").mkdir(parents=True)
    (tmp_path / "project" / ".here").touch()
    (tmp_path / "link").symlink_to(tmp_path / "project" / "sub")
    assert project_root(str(tmp_path / "link")) == str(tmp_path / "project")


def test_without_home_and_marks(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", "/")
    assert project_root(str(tmp_path)) is None
