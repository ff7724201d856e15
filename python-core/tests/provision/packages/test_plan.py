"""Plans and the installer: real R, tiny packages."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import pytest
from espalier.base.paths import CachePaths
from espalier.environment.definition import CranPackage, RSide
from espalier.environment.lock import RSource
from espalier.provision.packages.plan import INSTALLER, package_keys, write_plan
from espalier.provision.packages.resolve import RHost, resolve_r
from espalier.provision.packages.sources import fetch_sources
from made_cran import Cran

A = RSource("aa", "1.0", "cran", "u", "sha256:a")
B = RSource("bb", "1.0", "cran", "u", "sha256:b", ("aa",))
C = RSource("cc", "1.0", "cran", "u", "sha256:c")


def test_key_covers_package_system_and_needs() -> None:
    keys = package_keys([A, B, C], "R 4.2")
    assert len(set(keys.values())) == 3
    other = package_keys([replace(A, digest="sha256:x"), B, C], "R 4.2")
    assert {name for name in keys if keys[name] != other[name]} == {"aa", "bb"}
    assert not set(package_keys([A, B, C], "R 4.3").values()) & set(keys.values())
    # where it is fetched from is no part of it
    assert package_keys([replace(A, url="v", origin="url"), B, C], "R 4.2") == keys


def sources(cache: CachePaths, cran: Cran, *names: str) -> List[RSource]:
    side = RSide(repositories={"CRAN": cran.url}, cran=[CranPackage(name) for name in names])
    return fetch_sources(cache, resolve_r(cache, side, RHost("4.2.2", rscript="Rscript", recommended={"MASS": "7.3"})))


def install(cache: CachePaths, plan: List[RSource], library: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    path = library.parent / "plan"
    path.write_text(write_plan(plan, "test"))
    command = ["Rscript", "--vanilla", INSTALLER, str(path), str(library), cache.r_packages, cache.sources, cache.r_packages, "2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **env})


def progress(done: Any) -> List[str]:
    return [line for line in done.stdout.splitlines() if line.startswith("[")]


def call(library: Path, code: str) -> str:
    env = {**os.environ, "R_LIBS": str(library)}
    return subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, text=True, timeout=60, env=env).stdout


def test_installs_in_order_and_only_what_changed(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    cran.add("aa")
    cran.add("bb", Imports="aa")
    cran.add("cc")
    plan = sources(cache, cran, "bb", "cc")
    first = install(cache, plan, tmp_path / "one")
    assert first.returncode == 0, first.stdout + first.stderr
    assert sorted(line.partition(" ")[2] for line in progress(first)) == ["aa 1.0: installing", "bb 1.0: installing", "cc 1.0: installing"]
    assert call(tmp_path / "one", "cat(bb::bb_version(), aa::aa_version())") == "1.0 1.0"

    cran.add("aa", "1.1")
    second = install(cache, sources(cache, cran, "bb", "cc"), tmp_path / "two")
    assert second.returncode == 0
    assert sorted(line.partition(" ")[2] for line in progress(second)) == ["aa 1.1: installing", "bb 1.0: installing", "cc 1.0: found in the cache"]
    assert call(tmp_path / "two", "cat(aa::aa_version())") == "1.1"
    assert call(tmp_path / "one", "cat(aa::aa_version())") == "1.0"
    linked = [os.stat(tmp_path / library / "cc" / "DESCRIPTION").st_ino for library in ("one", "two")]
    assert linked[0] == linked[1]


def test_a_failure_is_an_error_and_leaves_nothing(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    cran.add("good")
    cran.add("bad", files={"R/b.R": "stop('no such thing')\n"}, Imports="good")
    cran.add("after", Imports="bad")
    done = install(cache, sources(cache, cran, "after"), tmp_path / "lib")
    assert done.returncode == 1
    assert "espalier: could not install bad 1.0\n" in done.stdout
    assert "no such thing" in done.stdout.partition("could not install")[2]
    assert os.listdir(tmp_path / "lib") == ["good"]
    assert [name for name in os.listdir(cache.r_packages) if name.startswith(".tmp")] == []
    assert len(os.listdir(cache.r_packages)) == 1


def test_sees_no_other_library(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    """A package that needs what the plan does not have fails, though the host may have it."""
    cran.add("other")
    assert install(cache, sources(cache, cran, "other"), tmp_path / "elsewhere").returncode == 0
    cran.add("bb", Imports="other")
    plan = [replace(one, needs=()) for one in sources(cache, cran, "bb") if one.name == "bb"]
    seen = str(tmp_path / "elsewhere")
    (tmp_path / "Renviron.site").write_text(f"R_LIBS_SITE={seen}\n")
    theirs = {"R_LIBS": seen, "R_LIBS_USER": seen, "R_LIBS_SITE": seen, "R_ENVIRON": str(tmp_path / "Renviron.site")}
    done = install(cache, plan, tmp_path / "lib", **theirs)
    assert done.returncode == 1
    assert "other" in done.stdout.partition("could not install")[2]


def test_package_that_knows_its_place_is_installed_there(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    cran.add("rooted", files={"R/b.R": "place <- Sys.getenv('R_PACKAGE_DIR')\n"}, StagedInstall="no")
    for library in ("one", "two"):
        assert install(cache, sources(cache, cran, "rooted"), tmp_path / library).returncode == 0
        assert call(tmp_path / library, "cat(rooted::place)") == str(tmp_path / library / "rooted")
    assert os.listdir(cache.r_packages) == []


def test_recommended_package_of_r_is_left_out(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    cran.add("MASS", "99.0")
    fetched = sources(cache, cran, "MASS")
    assert fetched == []  # R's is known to do
    cran.add("user", Imports="MASS")
    side = RSide(repositories={"CRAN": cran.url}, cran=[CranPackage("user")])
    plan = fetch_sources(cache, resolve_r(cache, side, RHost()))
    assert [(one.name, one.unless_r_has) for one in plan] == [("MASS", "0"), ("user", None)]
    done = install(cache, plan, tmp_path / "lib")
    assert done.returncode == 0
    assert progress(done)[0] == "[1/2] MASS 99.0: comes with R"
    assert os.listdir(tmp_path / "lib") == ["user"]


def test_a_circle_is_noticed(cache: CachePaths, tmp_path: Path) -> None:
    records: List[Dict[str, str]] = [{"Package": "aa", "Version": "1.0", "Source": "x", "Key": "k", "Needs": "aa"}]
    (tmp_path / "plan").write_text("".join(f"{k}: {v}\n" for k, v in records[0].items()))
    command = ["Rscript", "--vanilla", INSTALLER, str(tmp_path / "plan"), str(tmp_path / "lib"), cache.r_packages, cache.sources, cache.r_packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "need each other: aa" in done.stderr


@pytest.mark.parametrize("name", ["a'b; touch x", "$(touch x)", "a b"])
def test_folders_may_have_any_name(cache: CachePaths, cran: Cran, tmp_path: Path, name: str) -> None:
    cran.add("aa")
    (tmp_path / name).mkdir()
    done = install(cache, sources(cache, cran, "aa"), tmp_path / name / "lib")
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.listdir(tmp_path / name / "lib") == ["aa"]
