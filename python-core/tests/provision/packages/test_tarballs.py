import io
import os
import tarfile
from pathlib import Path
from typing import Callable, List

import pytest
from espalier.base.errors import EspalierError
from espalier.provision.packages import tarballs
from espalier.provision.packages.tarballs import read_description, repack
from made_cran import description, package, tarball


def write(path: Path, members: List[tarfile.TarInfo], data: bytes = b"") -> str:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(data[: member.size]) if member.isfile() else None)
    return str(path)


def member(name: str, **fields: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry


def test_reads_a_description(tmp_path: Path) -> None:
    path = tmp_path / "p.tar.gz"
    path.write_bytes(package("aa", "1.2-3", Imports="bb"))
    fields = read_description(str(path), "p")
    assert (fields["Package"], fields["Version"], fields["Imports"]) == ("aa", "1.2-3", "bb")


@pytest.mark.parametrize("name", ["../x/DESCRIPTION", "/etc/DESCRIPTION", "a/../../DESCRIPTION"])
def test_paths_that_leave_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EspalierError) as caught:
        read_description(write(tmp_path / "p.tar.gz", [member(name)]), "p")
    assert caught.value.code == "lock_failed"
    assert os.listdir(tmp_path) == ["p.tar.gz"]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(package("aa", "1.0")[:60]),
        lambda path: path.write_bytes(tarball({"aa/README": "x"})),
        lambda path: path.write_bytes(tarball({"aa/sub/DESCRIPTION": "Package: aa\nVersion: 1.0\n"})),
        lambda path: path.write_bytes(tarball({"aa/DESCRIPTION": "Package: a;b\nVersion: 1.0\n"})),
        lambda path: path.write_bytes(tarball({"aa/DESCRIPTION": "Package: aa\nVersion: $(x)\n"})),
        lambda path: path.write_bytes(tarball({"aa/DESCRIPTION": ""})),
        lambda path: write(path, [member("aa/DESCRIPTION", type=tarfile.SYMTYPE, linkname="/etc/passwd")]),
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "p.tar.gz")
    with pytest.raises(EspalierError) as caught:
        read_description(str(tmp_path / "p.tar.gz"), "shown")
    assert caught.value.code == "lock_failed"
    assert "Can't read shown as an R source package" in caught.value.message


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarballs, "_MOST_BYTES", 1000)
    monkeypatch.setattr(tarballs, "_MOST_FILES", 10)
    large = write(tmp_path / "large.tar.gz", [member("a/x", size=2000)], b"x" * 2000)
    many = write(tmp_path / "many.tar.gz", [member(f"a/{number}") for number in range(20)])
    for path in (large, many):
        with pytest.raises(EspalierError, match="unreasonably large"):
            read_description(path, "p")


def repacked(path: Path, subdir: str = "") -> bytes:
    target = io.BytesIO()
    repack(str(path), subdir or None, target, "p")
    return target.getvalue()


def test_repacking_depends_on_files_alone(tmp_path: Path) -> None:
    files = {"DESCRIPTION": description("aa", "1.0", {}), "R/a.R": "x <- 1\n"}
    one, two = tmp_path / "1.tar.gz", tmp_path / "2.tar.gz"
    one.write_bytes(tarball({f"u-r-abc/{name}": text for name, text in files.items()}))
    two.write_bytes(tarball({f"other/{name}": text for name, text in reversed(list(files.items()))}))
    assert repacked(one) == repacked(two)
    with tarfile.open(fileobj=io.BytesIO(repacked(one))) as archive:
        assert archive.getnames() == ["aa/DESCRIPTION", "aa/R/a.R"]


def test_repacking_a_subfolder(tmp_path: Path) -> None:
    path = tmp_path / "p.tar.gz"
    path.write_bytes(tarball({"t/DESCRIPTION": description("top", "1.0", {}), "t/pkg/r/DESCRIPTION": description("sub", "1.0", {}), "t/pkg/rest/x": "x"}))
    with tarfile.open(fileobj=io.BytesIO(repacked(path, "pkg/r"))) as archive:
        assert archive.getnames() == ["sub/DESCRIPTION"]
    with pytest.raises(EspalierError, match="no DESCRIPTION in its folder pkg"):
        repacked(path, "pkg")


def test_links_that_leave_and_devices_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "p.tar.gz"
    text = description("aa", "1.0", {}).encode()
    write(path, [
        member("t/DESCRIPTION", size=len(text)),
        member("t/R/inside", type=tarfile.SYMTYPE, linkname="../DESCRIPTION"),
        member("t/R/out", type=tarfile.SYMTYPE, linkname="../../x"),
        member("t/absolute", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("t/hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        member("t/device", type=tarfile.CHRTYPE),
        member("t/pipe", type=tarfile.FIFOTYPE),
    ], text)  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(repacked(path))) as archive:
        assert archive.getnames() == ["aa/DESCRIPTION", "aa/R/inside"]
