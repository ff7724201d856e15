"""Locks on disk: found by what is asked for, whole, and not believed when something in them was changed."""

import json
from pathlib import Path

import pytest
from espalier import Environment, EspalierError
from espalier.environment.definition import CranPackage, DockerSide, PythonSide, RSide, Secret
from espalier.environment.lock import Lock, RSource
from espalier.environment.lockfile import lock_path, read_lock, write_lock
from espalier.paths import WorkspacePaths

LOCK = Lock(
    r=(
        RSource("lattice", "0.22-6", "cran", "https://x.org/lattice_0.22-6.tar.gz", "sha256:" + "a" * 64),
        RSource("mine", "1.0", "github", "https://x.org/m.tar.gz", None, ("lattice",), Secret("github"), "4.4"),
    ),
    python=("numpy==1.26.4 --hash=sha256:" + "b" * 64,),
    conda=("https://conda.example.org/a.conda#sha256=" + "c" * 64,),
    python_version="3.11",
    r_version="4.3",
)
ENVIRONMENT = Environment("e", r=RSide(cran=[CranPackage("lattice")]), python=PythonSide(pip=["numpy"]))


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    return WorkspacePaths(str(tmp_path / "ws"))


def test_what_was_written_is_read(paths: WorkspacePaths) -> None:
    assert read_lock(paths, ENVIRONMENT) is None
    digest = write_lock(paths, ENVIRONMENT, LOCK)
    assert digest.startswith("sha256:")
    assert read_lock(paths, ENVIRONMENT) == LOCK
    assert write_lock(paths, ENVIRONMENT, LOCK) == digest


def test_a_lock_belongs_to_what_is_asked_for(paths: WorkspacePaths) -> None:
    write_lock(paths, ENVIRONMENT, LOCK)
    same = Environment("other", description="x", r=ENVIRONMENT.r, python=ENVIRONMENT.python, docker=DockerSide(apt=["curl"]))
    assert read_lock(paths, same) == LOCK
    assert read_lock(paths, Environment("e", python=ENVIRONMENT.python)) is None
    assert read_lock(paths, Environment("e", r=ENVIRONMENT.r, python=PythonSide(pip=["numpy<2"]))) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("numpy==1.26.4", "numpy==1.26.5"),
        lambda text: text[:-30],
        lambda text: "{}",
        lambda text: text.replace('"lock":', '"lokc":'),
    ],
)
def test_a_changed_lock_is_noticed(paths: WorkspacePaths, change: "object") -> None:
    write_lock(paths, ENVIRONMENT, LOCK)
    file = Path(lock_path(paths, ENVIRONMENT))
    file.write_text(change(file.read_text()))  # type: ignore[operator]
    with pytest.raises(EspalierError) as caught:
        read_lock(paths, ENVIRONMENT)
    assert caught.value.code == "environment_damaged"
    assert caught.value.fields["path"] == str(file)
    write_lock(paths, ENVIRONMENT, LOCK)
    assert read_lock(paths, ENVIRONMENT) == LOCK


def test_a_newer_lock_is_left_alone(paths: WorkspacePaths) -> None:
    write_lock(paths, ENVIRONMENT, LOCK)
    file = Path(lock_path(paths, ENVIRONMENT))
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2}))
    with pytest.raises(EspalierError) as caught:
        read_lock(paths, ENVIRONMENT)
    assert caught.value.code == "newer_format"
