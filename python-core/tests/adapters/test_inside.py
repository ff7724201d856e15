"""Errors of what lies inside a run's folder."""

import errno
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.adapters.inside import (
    create_inside,
    folder_inside,
    make_inside,
    names_in,
    open_log,
    put_aside,
    replace_inside,
)
from espalier.base.records import read_plain


def missing_folder(root: str) -> None:
    with folder_inside(root, ("outputs", "deeper"), make=False):
        pass


# What is done, and the path that its error is to name: the first that doesn't let it be done.
CALLS: Dict[str, Any] = {
    "folder": (missing_folder, "outputs/deeper"),
    "made": (lambda root: make_inside(root, f"{root}/outputs/{'x' * 300}/a"), f"outputs/{'x' * 300}"),
    "names": (lambda root: names_in(f"{root}/events"), "events"),
    "log": (lambda root: open_log(root, f"{root}/outputs/{'x' * 300}"), f"outputs/{'x' * 300}"),
    "created": (lambda root: create_inside(root, f"{root}/outputs/there"), "outputs/there"),
    "replaced": (lambda root: replace_inside(root, f"{root}/outputs/{'x' * 300}", b""), f"outputs/{'x' * 300}"),
    "set aside": (lambda root: put_aside(root, f"{root}/outputs/{'x' * 300}"), f"outputs/{'x' * 300}"),
    "read": (lambda root: read_plain(f"{root}/outputs/none"), "outputs/none"),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_error_names_the_path_whole(tmp_path: Path, call: str) -> None:
    """It named the last part of it, which was then taken for a file of the working directory."""
    root = tmp_path / "run"
    (root / "outputs").mkdir(parents=True)
    (root / "outputs" / "there").touch()
    does, place = CALLS[call]
    with pytest.raises(OSError) as caught:
        does(str(root))
    assert caught.value.filename == os.path.join(root, place)
    assert caught.value.filename2 is None and "None" not in str(caught.value)


def test_it_keeps_its_kind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        names_in(str(tmp_path / "events"))
    assert caught.value.errno == errno.ENOENT
