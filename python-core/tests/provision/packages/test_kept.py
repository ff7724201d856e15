"""The cache of installed R packages: filled by us, by content, and looked at again."""

import os
from pathlib import Path
from typing import Any, List

import pytest
from espalier.base.paths import CachePaths
from espalier.provision.packages.kept import digest_of_tree, keeping

KEY = "a" * 64


@pytest.fixture
def cache(tmp_path: Path) -> CachePaths:
    made = CachePaths(str(tmp_path / "cache"))
    os.makedirs(made.builds)
    return made


def build(cache: CachePaths, key: str = KEY) -> List[str]:
    told: List[str] = []
    with keeping(cache, [KEY], told.append) as folder:
        if not os.path.isdir(os.path.join(cache.r_packages, KEY)):
            os.makedirs(os.path.join(folder, key, "pkg", "R"))
            Path(folder, key, "pkg", "R", "code").write_text("genuine")
            os.symlink("R/code", os.path.join(folder, key, "pkg", "link"))
    return told


def test_what_was_installed_is_kept_once(cache: CachePaths) -> None:
    assert build(cache) == []
    assert build(cache) == []
    assert Path(cache.r_packages, KEY, "pkg", "R", "code").read_text() == "genuine"
    assert set(os.listdir(os.path.dirname(cache.r_packages))) == {"r", "r-digests"}


def _changed(folder: Path) -> None:
    (folder / "R" / "code").chmod(0o644)
    (folder / "R" / "code").write_text("changed")


def _added(folder: Path) -> None:
    (folder / "R" / "more").write_text("x")


def _removed(folder: Path) -> None:
    (folder / "R" / "code").unlink()


def _linked(folder: Path) -> None:
    (folder / "R" / "code").unlink()
    os.symlink("/etc/passwd", folder / "R" / "code")


def _made_executable(folder: Path) -> None:
    (folder / "R" / "code").chmod(0o755)


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "R" / "fifo")


def _relinked(folder: Path) -> None:
    (folder / "link").unlink()
    os.symlink("elsewhere", folder / "link")


@pytest.mark.parametrize("change", [_changed, _added, _removed, _linked, _made_executable, _fifo, _relinked])
def test_what_was_changed_is_installed_again(cache: CachePaths, change: Any) -> None:
    build(cache)
    genuine = digest_of_tree(os.path.join(cache.r_packages, KEY))
    change(Path(cache.r_packages, KEY, "pkg"))
    (told,) = build(cache)
    assert "pkg in the cache isn't what was installed there" in told
    assert digest_of_tree(os.path.join(cache.r_packages, KEY)) == genuine


def test_only_what_was_asked_for_is_kept(cache: CachePaths) -> None:
    build(cache, "b" * 64)
    assert os.listdir(cache.r_packages) == []


def test_what_has_no_record_is_not_used(cache: CachePaths) -> None:
    build(cache)
    os.unlink(cache.r_digest(KEY))
    assert len(build(cache)) == 1
    assert build(cache) == []
