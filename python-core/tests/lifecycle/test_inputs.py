import json
import os
import shutil
from pathlib import Path
from typing import List

import pytest
from espalier.base.model.codec import encode
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths, WorkspacePaths
from espalier.jobs.inputs import resolve_inputs
from espalier.lifecycle.inputs import changed_inputs
from espalier.lifecycle.status import Known
from espalier.runner.inputs import copy_inputs
from espalier.store import input_digests as stored


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("a")
    return folder


@pytest.fixture
def run(tmp_path: Path, data: Path) -> RunPaths:
    """A run that has a copy of a folder."""
    paths = RunPaths(str(tmp_path / "run"))
    records = resolve_inputs(WorkspacePaths("/ws"), {"d": str(data)})
    os.makedirs(paths.root)
    Path(paths.spec).write_text(json.dumps({"format": 1, "inputs": encode(records)}))
    copy_inputs(paths, records)
    for folder in (paths.inputs, os.path.join(paths.inputs, "d"), paths.input_copy("d", str(data))):
        os.chmod(folder, 0o700)  # as a job may do
    return paths


def found(run: RunPaths) -> List[str]:
    """Which of the two things is said of the input `d`, once each."""
    words = {"in its private copy": "copy", "between submit and the end": "original"}
    return [short for text in changed_inputs(Known(run, Status("Running"))) for long, short in words.items() if long in text]


def test_nothing_changed(run: RunPaths) -> None:
    assert changed_inputs(Known(run, Status("Running"))) == []


@pytest.mark.parametrize("how", ["contents", "size", "more", "gone", "fifo", "link", "link above"])
def test_the_job_changed_its_copy(run: RunPaths, data: Path, how: str, tmp_path: Path) -> None:
    copy = Path(run.input_copy("d", str(data)))
    if how in ("contents", "size"):
        (copy / "a").chmod(0o600)
        (copy / "a").write_text("b" if how == "contents" else "aa")
    elif how == "more":
        (copy / "b").write_text("")
    elif how in ("gone", "fifo"):
        (copy / "a").unlink()
        if how == "fifo":
            os.mkfifo(copy / "a")
    else:  # to the very same content, elsewhere
        place = copy if how == "link" else Path(run.inputs)
        shutil.copytree(place, tmp_path / "elsewhere")
        shutil.rmtree(place)
        place.symlink_to(tmp_path / "elsewhere")
    assert found(run) == ["copy"] and (data / "a").read_text() == "a"


def test_the_original_changed(run: RunPaths, data: Path) -> None:
    (data / "a").write_text("longer")
    assert found(run) == ["original"]
    assert "the job had a copy of what was submitted" in changed_inputs(Known(run, Status("Running")))[0]
    shutil.rmtree(data)
    assert found(run) == ["original"]


def test_an_input_without_copy(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "INPUT_COPY_LIMIT_BYTES", 0)
    run = RunPaths(str(tmp_path / "run"))
    os.makedirs(run.root)
    Path(run.spec).write_text(json.dumps({"format": 1, "inputs": encode(resolve_inputs(WorkspacePaths("/ws"), {"d": str(data)}))}))
    assert changed_inputs(Known(run, Status("Running"))) == []
    (data / "b").write_text("")
    assert found(run) == ["original"] and "had a copy" not in changed_inputs(Known(run, Status("Running")))[0]


def test_a_damaged_spec_stops_nothing(run: RunPaths) -> None:
    Path(run.spec).write_text("{")
    assert changed_inputs(Known(run, Status("Running"))) == []
