from pathlib import Path
from typing import Any, List

import pytest
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.environment.definition import CranPackage, GithubPackage, RSide, Secret
from espalier.environment.lock import RSource
from espalier.provision.packages.resolve import RHost, resolve_r
from made_cran import Cran, package


def resolve(cache: CachePaths, cran: Cran, *wanted: Any, host: RHost = RHost("4.2.2"), **fields: Any) -> List[RSource]:
    packages = [one if isinstance(one, CranPackage) else CranPackage(one) for one in wanted]
    return resolve_r(cache, RSide(repositories={"CRAN": cran.url}, cran=packages, **fields), host)


def names(sources: List[RSource]) -> List[str]:
    return [f"{one.name} {one.version}" for one in sources]


def refused(cache: CachePaths, cran: Cran, *wanted: Any, **fields: Any) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        resolve(cache, cran, *wanted, **fields)
    return caught.value


def test_closure_in_order_without_base_packages(cache: CachePaths, cran: Cran) -> None:
    cran.add("aa")
    cran.add("bb", Depends="R (>= 3.5), methods", LinkingTo="aa")
    cran.add("cc", Imports="bb, stats, utils")
    cran.add("unused")
    found = resolve(cache, cran, "cc")
    assert names(found) == ["aa 1.0", "bb 1.0", "cc 1.0"]
    assert [one.needs for one in found] == [(), ("aa",), ("bb",)]


def test_the_same_whatever_the_order(cache: CachePaths, cran: Cran) -> None:
    for name in ("aa", "bb", "cc"):
        cran.add(name)
    assert resolve(cache, cran, "cc", "aa", "bb") == resolve(cache, cran, "aa", "bb", "cc")


def test_pinned_version_comes_from_the_archive_with_its_own_needs(cache: CachePaths, cran: Cran) -> None:
    cran.add("old")
    cran.add("pp", "1.0", Imports="old")
    cran.add("pp", "2.0")
    found = resolve(cache, cran, CranPackage("pp", "1.0"))
    assert names(found) == ["old 1.0", "pp 1.0"]
    assert found[1].url.endswith("/Archive/pp/pp_1.0.tar.gz")
    assert str(found[1].digest).startswith("sha256:")
    assert names(resolve(cache, cran, CranPackage("pp", "2.0"))) == ["pp 2.0"]


def test_repository_of_one_package(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    other = Cran(tmp_path / "other")
    other.add("aa", "9.0", Imports="helper")
    other.add("helper")
    cran.add("aa", "1.0")
    cran.add("bb")
    found = resolve(cache, cran, CranPackage("aa", repository=other.url), "bb")
    assert names(found) == ["bb 1.0", "helper 1.0", "aa 9.0"]


def test_nobody_has_it(cache: CachePaths, cran: Cran) -> None:
    cran.add("ggplot2")
    error = refused(cache, cran, "ggplot")
    assert (error.code, error.fields["package"], error.fields["repositories"]) == ("package_missing", "ggplot", [cran.url])
    assert "Did you mean ggplot2?" in error.hint
    cran.add("user", Imports="nowhere")
    error = refused(cache, cran, "user")
    assert error.code == "package_missing"
    assert "nowhere, which user needs," in error.message


def test_no_such_version(cache: CachePaths, cran: Cran) -> None:
    cran.add("aa", "1.0")
    error = refused(cache, cran, CranPackage("aa", "3.0"))
    assert error.code == "package_missing"
    assert "They have 1.0." in error.message


def test_constraints_are_kept(cache: CachePaths, cran: Cran) -> None:
    cran.add("aa", "1.0")
    cran.add("bb", Imports="aa (>= 2.0)")
    error = refused(cache, cran, "bb")
    assert error.code == "package_missing"
    assert "aa (>= 2.0), which bb needs," in error.message
    cran.add("aa", "2.0")
    assert names(resolve(cache, cran, "bb")) == ["aa 2.0", "bb 1.0"]
    error = refused(cache, cran, CranPackage("aa", "1.0"), "bb")
    assert error.code == "lock_failed"
    assert "Can't use aa 1.0, which the definition asks for: bb needs aa (>= 2.0)" in error.message


def test_an_r_that_is_too_old(cache: CachePaths, cran: Cran) -> None:
    cran.add("aa", Depends="R (>= 4.3)")
    error = refused(cache, cran, "aa")
    assert error.code == "lock_failed"
    assert "with R 4.2.2: it needs R (>= 4.3)" in error.message
    assert names(resolve(cache, cran, "aa", host=RHost("4.3"))) == ["aa 1.0"]


def test_circle(cache: CachePaths, cran: Cran) -> None:
    cran.add("aa", Imports="bb")
    cran.add("bb", Imports="aa")
    assert "circle: aa, bb" in refused(cache, cran, "aa").message


def test_recommended_packages(cache: CachePaths, cran: Cran) -> None:
    cran.add("Matrix", "1.7-0", Imports="lattice")
    cran.add("lattice", "0.22")
    cran.add("aa", Imports="Matrix (>= 1.6)")
    known = RHost("4.2.2", rscript="/r", recommended={"Matrix": "1.5-3", "lattice": "0.20"})
    assert names(resolve(cache, cran, "aa", host=known)) == ["Matrix 1.7-0", "aa 1.0"]  # R's is too old
    newer = RHost("4.4.0", rscript="/r", recommended={"Matrix": "1.7-0", "lattice": "0.22"})
    assert names(resolve(cache, cran, "aa", host=newer)) == ["aa 1.0"]
    assert names(resolve(cache, cran, "Matrix", host=newer)) == []
    assert names(resolve(cache, cran, CranPackage("Matrix", "1.7-0"), host=newer)) == ["Matrix 1.7-0"]
    unknown = resolve(cache, cran, "aa")
    assert [(one.name, one.unless_r_has) for one in unknown] == [("lattice", "0"), ("Matrix", "1.6"), ("aa", None)]


def test_url_of_a_package(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    cran.add("aa")
    path = tmp_path / "anything.tar.gz"
    path.write_bytes(package("fromurl", "0.1", Imports="aa"))
    found = resolve_r(cache, RSide(repositories={"CRAN": cran.url}, urls=[path.as_uri()]), RHost("4.2.2"))
    assert [(one.name, one.origin) for one in found] == [("aa", "cran"), ("fromurl", "url")]
    assert str(found[1].digest).startswith("sha256:")
    with pytest.raises(EspalierError) as caught:
        resolve_r(cache, RSide(urls=[(tmp_path / "no.tar.gz").as_uri()]), RHost("4.2.2"))
    assert caught.value.code == "package_missing"


def test_bioconductor(cache: CachePaths, cran: Cran, tmp_path: Path) -> None:
    bioc = Cran(tmp_path / "bioc")
    bioc.add("limma", "3.5", Imports="BiocThings, aa")
    bioc.add("BiocThings")
    cran.add("aa")
    side = RSide(repositories={"CRAN": cran.url, "BioCsoft": bioc.url}, bioconductor=["limma"])
    found = resolve_r(cache, side, RHost("4.2.2"))
    assert [(one.name, one.origin) for one in found] == [("BiocThings", "bioconductor"), ("aa", "cran"), ("limma", "bioconductor")]


def test_a_secret_that_nobody_gives(cache: CachePaths) -> None:
    side = RSide(github=[GithubPackage("u/r", auth_token=Secret("token"))])
    with pytest.raises(EspalierError) as caught:
        resolve_r(cache, side, RHost())
    assert caught.value.code == "secret_missing"
