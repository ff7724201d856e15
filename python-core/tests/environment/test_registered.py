"""Registered environments: equal definitions keep their version, changed ones get the next, and none is lost."""

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import List, Tuple

import pytest
from bare import bare
from espalier import Environment, EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.store_paths import VersionPaths
from espalier.environment.definition import CranPackage, DockerSide, PythonSide, RSide
from espalier.environment.key import r_key
from espalier.environment.registered import curated, curated_names, list_registered, list_versions, register, registered

from .test_definition import FULL

FIRST = Environment("tidy", r=RSide(cran=[CranPackage("abc")]))
SECOND = Environment("tidy", r=RSide(cran=[CranPackage("abc"), CranPackage("glmnet")]))


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    return bare(tmp_path / "ws")


def code(call: "object", *args: "object") -> str:
    with pytest.raises(EspalierError) as caught:
        call(*args)  # type: ignore[operator]
    assert "\n" not in caught.value.message
    return caught.value.code


def test_versions_count_up_where_something_changed(paths: WorkspacePaths) -> None:
    assert register(paths, FIRST) == replace(FIRST, version="1")
    assert register(paths, FIRST).version == "1"
    assert register(paths, SECOND).version == "2"
    assert register(paths, replace(SECOND, description="now with text")).version == "3"
    assert registered(paths, "tidy").description == "now with text"
    assert registered(paths, "tidy", "1") == replace(FIRST, version="1")
    assert registered(paths, "tidy", "latest").version == "3"


def test_going_back_is_a_change(paths: WorkspacePaths) -> None:
    for environment in (FIRST, SECOND):
        register(paths, environment)
    assert register(paths, FIRST).version == "3"
    assert registered(paths, "tidy").r == FIRST.r


def test_a_version_that_was_read_stays_what_it_is(paths: WorkspacePaths) -> None:
    first = register(paths, FIRST)
    register(paths, SECOND)
    assert register(paths, first).version == "1"
    assert register(paths, replace(first, shm_size="2g")).version == "3"


@pytest.mark.parametrize("said", ["7", "999999999"])
def test_versions_are_given_and_leave_out_none(paths: WorkspacePaths, said: str) -> None:
    assert register(paths, replace(FIRST, version=said)).version == "1"
    assert register(paths, replace(SECOND, version=said)).version == "2"
    assert register(paths, replace(FIRST, version="1")).version == "1"
    assert register(paths, replace(FIRST, version="2")).version == "3"


def test_everything_comes_back(paths: WorkspacePaths) -> None:
    assert register(paths, Environment.from_mapping({**FULL, "version": None})).version == "1"
    assert registered(paths, "tidy").record() == {**FULL, "version": "1"}


def test_what_is_not_there(paths: WorkspacePaths) -> None:
    assert code(registered, paths, "tidy") == "environment_missing"
    assert code(list_versions, paths, "tidy") == "environment_missing"
    register(paths, FIRST)
    for version in ("2", "0", "01", "x", "../1", "-1"):
        assert code(registered, paths, "tidy", version) == "environment_missing"
    for name in ("../tidy", "", "a\n", "/tidy"):
        assert code(registered, paths, name) == "bad_name"


def test_listed_by_name_with_the_newest_version(paths: WorkspacePaths) -> None:
    register(paths, FIRST)
    register(paths, SECOND)
    register(paths, Environment("both", r=RSide(), python=PythonSide(), description="two"))
    register(paths, Environment("image", docker=DockerSide(base_image="x")))
    rows = [row for row in list_registered(paths).rows() if not row["curated"]]
    assert [(row["name"], row["version"], row["versions"], row["kind"]) for row in rows] == [
        ("both", "1", 1, "R and Python"), ("image", "1", 1, "image"), ("tidy", "2", 2, "R"),
    ]  # fmt: skip
    assert rows[0]["description"] == "two" and rows[0]["registered_at"] > 1e9
    assert list_versions(paths, "tidy").columns["version"] == ["2", "1"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "definition": {"name": "x"}}'])
def test_damaged_ones_are_told_and_hide_nothing(paths: WorkspacePaths, content: str) -> None:
    register(paths, FIRST)
    register(paths, Environment("other"))
    file = Path(VersionPaths(f"{paths.environments}/tidy").version(1))
    file.write_text(content)
    rows = {row["name"]: row for row in list_registered(paths).rows()}
    assert rows["tidy"]["kind"] == "damaged" and str(file) in rows["tidy"]["description"]
    assert rows["other"]["kind"] == "none"
    assert code(registered, paths, "tidy") == "environment_damaged"
    assert list_versions(paths, "tidy").columns["kind"] == ["damaged"]
    # and it can be registered again
    assert register(paths, FIRST).version == "2"


def test_a_version_that_is_not_the_one_it_lies_at(paths: WorkspacePaths) -> None:
    register(paths, FIRST)
    shutil.copy(VersionPaths(f"{paths.environments}/tidy").version(1), VersionPaths(f"{paths.environments}/tidy").version(2))
    assert code(registered, paths, "tidy") == "environment_damaged"
    assert registered(paths, "tidy", "1").version == "1"


def test_files_that_are_no_versions(paths: WorkspacePaths) -> None:
    register(paths, FIRST)
    for name in ("01.json", ".tmp-1-ab", "x.json", "2.json~"):
        (Path(paths.environments) / "tidy" / name).write_text("x")
    (Path(paths.environments) / "file").write_text("x")
    assert [row["version"] for row in list_registered(paths).rows() if not row["curated"]] == ["1"]


def _register(job: Tuple[str, int]) -> str:
    root, number = job
    environment = Environment("tidy", tags={"number": str(number)})
    return str(register(WorkspacePaths(root), environment).version)


def test_two_processes_at_once_lose_nothing(paths: WorkspacePaths) -> None:
    jobs = [(paths.root, number) for number in range(24)]
    with ProcessPoolExecutor(4) as pool:
        versions: List[str] = list(pool.map(_register, jobs))
    assert sorted(map(int, versions)) == list(range(1, 25))
    for (_, number), version in zip(jobs, versions):
        assert registered(paths, "tidy", version).tags == {"number": str(number)}
    assert not [name for name in os.listdir(Path(paths.environments) / "tidy") if name.startswith(".tmp")]


def test_curated_ones_are_there_and_read_only(paths: WorkspacePaths) -> None:
    assert curated_names() == ["minimal-python", "minimal-r", "sklearn-python", "tidymodels-r"]
    for name in curated_names():
        environment = registered(paths, name)
        assert environment == curated(name) == registered(paths, name, "1")
        assert Environment.from_mapping(environment.record()) == environment
        assert code(register, paths, replace(environment, version=None)) == "bad_name"
        assert code(registered, paths, name, "2") == "environment_missing"
        assert list_versions(paths, name).columns["version"] == ["1"]
    rows = {row["name"]: row for row in list_registered(paths).rows()}
    assert rows["tidymodels-r"]["curated"] and rows["tidymodels-r"]["kind"] == "R"
    # a copy under another name is an environment of one's own, and the same image
    mine = register(paths, replace(registered(paths, "minimal-r"), name="mine", version=None))
    assert r_key(mine, None) == r_key(registered(paths, "minimal-r"), None)


def test_a_workspace_that_cannot_be_written(paths: WorkspacePaths) -> None:
    os.rmdir(paths.root)
    Path(paths.root).write_text("a file")
    assert code(register, paths, FIRST) == "workspace_read_only"
