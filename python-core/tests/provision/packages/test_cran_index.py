import gzip
import json
import os
import urllib.parse
from pathlib import Path

import pytest
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.environment.definition import RSide
from espalier.provision.packages import cran_index
from espalier.provision.packages.cran_index import Index, bioconductor_repositories, find, read_index
from espalier.provision.packages.versions import Dependency
from made_cran import Cran


def test_versions_newest_first_with_what_they_need() -> None:
    text = "Package: aa\nVersion: 1.9\nDepends: R (>= 3.5),\n  stats\nImports: b (>= 1.0-2), c\nMD5sum: " + "0" * 32 + "\n\nVersion: 1.10\nPackage: aa\n"
    entries = Index("http://x", text).entries("aa")
    assert [(entry.version, [str(need) for need in entry.needs]) for entry in entries] == [("1.10", []), ("1.9", ["R (>= 3.5)", "b (>= 1.0-2)", "c"])]
    assert entries[1].url == "http://x/src/contrib/aa_1.9.tar.gz"
    assert (entries[0].md5, entries[1].md5) == (None, "md5:" + "0" * 32)


@pytest.mark.parametrize(
    "record",
    [
        "Package: ../../x\nVersion: 1.0",
        "Package: a b\nVersion: 1.0",
        "Package: a;touch\nVersion: 1.0",
        "Package: good\nVersion: 1.0; rm",
        "Package: good\nVersion: ../1",
        "Package: good",
        "Package: good\nVersion: 1.0\nFile: ../../../etc/passwd",
        "Package: good\nVersion: 1.0\nFile: x.tar.gz/../../y",
        "Package: good\nVersion: 1.0\nPath: ../..",
        "Package: good\nVersion: 1.0\nPath: /etc",
        "Package: good\nVersion: " + "1." * 100_000 + "0",
    ],
)
def test_hostile_records_are_none(record: str) -> None:
    index = Index("http://x", record + "\n")
    assert all(index.entries(name) == [] for name in (*index.names(), "good"))


def test_the_first_repository_that_has_it_gives_it() -> None:
    first, second = Index("http://1", "Package: aa\nVersion: 1.0\n"), Index("http://2", "Package: aa\nVersion: 2.0\n\nPackage: bb\nVersion: 1.0\nDepends: R (>= 4.3)\n")
    assert find([first, second], [Dependency("aa")], "4.2.2").url.startswith("http://1")  # type: ignore[union-attr]
    assert find([first, second], [Dependency("aa", ">=", "1.5")], "4.2.2").url.startswith("http://2")  # type: ignore[union-attr]
    assert find([first, second], [Dependency("bb")], "4.2.2") is None
    assert find([first, second], [Dependency("bb")], "4.3") is not None
    assert find([first, second], [Dependency("bb")], None) is not None


def test_an_unchanged_index_is_not_read_again(cache: CachePaths, cran: Cran, monkeypatch: pytest.MonkeyPatch) -> None:
    cran.add("aa")
    assert read_index(cache, cran.url).names() == ("aa",)
    (stored,) = [name for name in os.listdir(cache.indexes) if name.endswith(".gz")]
    path = Path(cache.indexes, stored)
    size = path.stat().st_size
    # (to be told from the repository's: the cached one is changed, at the same size)
    other = gzip.compress(b"Package: zz\nVersion: 1.0\n")
    path.write_bytes(other + b"\0" * (size - len(other)))
    assert read_index(cache, cran.url).names() == ("zz",)
    cran.add("bb")
    assert sorted(read_index(cache, cran.url).names()) == ["aa", "bb"]


def test_a_torn_cache_is_not_believed(cache: CachePaths, cran: Cran) -> None:
    cran.add("aa")
    read_index(cache, cran.url)
    for name in os.listdir(cache.indexes):
        Path(cache.indexes, name).write_bytes(b"{")
    assert read_index(cache, cran.url).names() == ("aa",)


def test_plain_index_will_do(cache: CachePaths, cran: Cran) -> None:
    (cran.contrib / "PACKAGES.gz").unlink()
    (cran.contrib / "PACKAGES").write_text("Package: aa\r\nVersion: 1.0\r\n\r\nPackage: bb\r\nVersion: 2\r\n")
    index = read_index(cache, cran.url)
    assert [entry.version for name in ("aa", "bb") for entry in index.entries(name)] == ["1.0", "2"]


@pytest.mark.parametrize("data", [gzip.compress(b"Package: aa\n" * 100)[:-20], b"\x1f\x8b\x08rubbish"])
def test_damaged_index_is_an_error(cache: CachePaths, cran: Cran, data: bytes) -> None:
    (cran.contrib / "PACKAGES.gz").write_bytes(data)
    with pytest.raises(EspalierError) as caught:
        read_index(cache, cran.url)
    assert caught.value.code == "lock_failed"


def test_a_bomb_is_refused(cache: CachePaths, cran: Cran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cran_index, "_LARGEST", 10_000)
    (cran.contrib / "PACKAGES.gz").write_bytes(gzip.compress(b"\n" * 1_000_000))
    with pytest.raises(EspalierError, match="unreasonably large"):
        read_index(cache, cran.url)


def test_no_repository_is_an_error_without_credentials(cache: CachePaths, tmp_path: Path) -> None:
    with pytest.raises(EspalierError) as caught:
        read_index(cache, tmp_path.as_uri())
    assert caught.value.code == "lock_failed"
    assert "PACKAGES" in caught.value.message
    with pytest.raises(EspalierError) as caught:
        read_index(cache, "http://user:canary@127.0.0.1:9/r")
    assert "canary" not in json.dumps([str(caught.value), caught.value.fields])


def test_bioconductor_of_an_r_and_of_a_day() -> None:
    urls = bioconductor_repositories(RSide(version="4.3", bioconductor=["limma"]), "4.3.1")
    assert urls[0] == "https://bioconductor.org/packages/3.18/bioc"
    dated = bioconductor_repositories(RSide(snapshot_date="2024-05-01"), "4.3.1")
    assert urllib.parse.urlsplit(dated[0]).path == "/bioconductor/2024-05-01/packages/3.18/bioc"
    assert bioconductor_repositories(RSide(repositories={"BioCsoft": "http://x/bioc/"}), None) == ["http://x/bioc"]
    with pytest.raises(EspalierError, match="which Bioconductor belongs to R 9.9"):
        bioconductor_repositories(RSide(), "9.9.1")
