"""Locks on disk: found by what is asked for, whole, and not believed when something in them was changed."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest
from bare import bare
from espalier import Environment, EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.environment.definition import CranPackage, DockerSide, PythonSide, RSide, Secret
from espalier.environment.lock import Lock, RSource, lock_digest_of, lock_record
from espalier.environment.stored_locks import lock_path, read_lock, write_lock

LOCK = Lock(
    r=(
        RSource("lattice", "0.22-6", "cran", "https://x.org/lattice_0.22-6.tar.gz", "sha256:" + "a" * 64),
        RSource("mine", "1.0", "github", "https://x.org/repos/u/r/tarball/1#subdirectory=pkg/r", None, ("lattice",), Secret("github"), "4.4"),
    ),
    python=("numpy==1.26.4 --hash=sha256:" + "b" * 64,),
    conda=("https://conda.example.org/noarch/a-1!2.0-0.conda#sha256=" + "c" * 64,),
    python_version="3.11",
    r_version="4.3",
)
ENVIRONMENT = Environment("e", r=RSide(cran=[CranPackage("lattice")]), python=PythonSide(pip=["numpy"]))


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    return bare(tmp_path / "ws")


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


def _r(**fields: Any) -> Dict[str, Any]:
    """A change of the first R package."""
    known = lock_record(LOCK)["r"]
    return {"r": [{**known[0], **fields}, *known[1:]]}


@pytest.mark.parametrize(
    "change",
    [
        _r(name="../../x"), _r(name="a b"), _r(name="x\nPackage: y"), _r(version="1.0/../../x"), _r(version=""),
        _r(url="ftp://x.org/a.tar.gz"), _r(url="https://u:p@x.org/a.tar.gz"), _r(url="https://x.org/$(id).tar.gz"),
        _r(url="https://x.org/a.tar.gz#x y"), _r(url="-o/etc/x"), _r(digest="sha256:../x"), _r(digest="none"),
        _r(needs=["mine"]), _r(needs=["absent"]), _r(unless_r_has="x"), _r(auth_token={"secret": "a b"}),
        _r(auth_token={"secret": []}), _r(auth_token="text"), _r(name="mine"), {"r": ["lattice"]}, {"r": 1},
        {"python": ["-r /etc/passwd"]}, {"python": ["--index-url https://x.org"]}, {"python": ["--pre"]},
        {"python": ["numpy==1.26.4\n--index-url https://x.org"]}, {"python": ["./local"]}, {"python": ["/etc/x"]},
        {"python": ["numpy @ https://u:p@x.org/a.whl"]}, {"python": ["numpy --hash=sha256:" + "b" * 63]},
        {"python": [""]}, {"python_version": "3.11; x"}, {"r_version": "4"}, {"r_version": "4.3 x"},
        {"conda": ["https://x.org/noarch/a-1-0.conda"]}, {"conda": ["https://x.org/noarch/a-1-0.conda#sha256=x"]},
        {"conda": ["https://x.org/$a/a-1-0.conda#sha256=" + "c" * 64]},
        {"conda": ["https://u:p@x.org/noarch/a-1-0.conda#sha256=" + "c" * 64]}, {"conda": [1]}, {"conda": "x"},
    ],
)  # fmt: skip
def test_what_no_lock_says_is_not_believed(paths: WorkspacePaths, change: Dict[str, Any]) -> None:
    write_lock(paths, ENVIRONMENT, LOCK)
    file = Path(lock_path(paths, ENVIRONMENT))
    record = json.loads(file.read_text())
    record["lock"].update(change)
    # (whoever changed it has made a new digest too)
    file.write_text(json.dumps({**record, "digest": lock_digest_of(record["lock"])}))
    with pytest.raises(EspalierError) as caught:
        read_lock(paths, ENVIRONMENT)
    assert caught.value.code == "environment_damaged"
    assert "\n" not in caught.value.message


def test_a_package_may_have_any_number_of_files(paths: WorkspacePaths) -> None:
    line = "aiohttp==3.9.5" + "".join(f" --hash=sha256:{number:064x}" for number in range(300))
    write_lock(paths, ENVIRONMENT, Lock(python=(line, "torch==2.1.0+cpu", "x @ git+https://x.org/u/r@" + "a" * 40)))
    found = read_lock(paths, ENVIRONMENT)
    assert found is not None and found.python[0] == line
