import os
import struct

import pytest
from bare import bare
from espalier.base.paths import WorkspacePaths
from espalier.snapshot import statcache
from espalier.snapshot.statcache import Known, StatCache, cache_file, pack, read_cache, unpack, write_cache
from espalier.snapshot.take import take_snapshot

CACHE = StatCache(
    1_700_000_000_000_000_000,
    b"r" * 32,
    {
        "b": Known((1, 2, 3, 4, 5, 0o100644), b"0" * 32),
        "a/é": Known((-1, 2, 1 << 40, 4, 5, 0o100755), b"1" * 32),
        "a.b/c": Known((1, 2, 0, 1 << 63, 5, 0o120777), b"2" * 32),
    },
    {"": b"r" * 32, "a": b"3" * 32, "a.b": b"4" * 32},
)


def test_it_comes_back(tmp_path):
    path = str(tmp_path / "new" / "cache")
    write_cache(path, pack(CACHE))
    assert unpack(read_cache(path)) == CACHE
    assert os.listdir(tmp_path / "new") == ["cache"]


def test_an_empty_folder(tmp_path):
    empty = StatCache(1, b"r" * 32, {}, {"": b"r" * 32})
    write_cache(str(tmp_path / "cache"), pack(empty))
    assert unpack(read_cache(str(tmp_path / "cache"))) == empty


@pytest.mark.parametrize("at", [0, 30, 100, -40, -1])
def test_damage_is_as_if_there_were_none(tmp_path, at):
    path = tmp_path / "cache"
    write_cache(str(path), pack(CACHE))
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert read_cache(str(path)) == b"" and unpack(b"") is None
    path.write_bytes(b"short")
    assert read_cache(str(path)) == read_cache(str(tmp_path / "none")) == b""


def crafted(entries=3, folders=3, count=1, path=b"a.b"):
    """A cache whose sum is right, and which is not what its header says."""
    data = bytearray(pack(CACHE))
    data[16:32] = struct.pack("<QQ", entries, folders)
    at = 64 + 3 * 76
    data[at : at + 4] = struct.pack("<I", count)
    return bytes(data).replace(b"a.b\0", path + b"\0")


LIES = [{"entries": 4}, {"entries": 1 << 60}, {"folders": 1 << 61}, {"folders": 9}, {"count": 2**32 - 1}, {"path": b"a"}]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("scanner", ["native", "twin"])
def test_one_that_lies_does_no_harm(tmp_path, monkeypatch, lie, scanner):
    monkeypatch.setenv("ESPALIER_NATIVE", "yes" if scanner == "native" else "no")
    paths, source = bare(tmp_path / "ws"), tmp_path / "source"
    for name in ("a", "a.b"):
        (source / name).mkdir(parents=True)
        (source / name / "c").write_text(name)
    (source / "b").write_text("b")
    first = take_snapshot(paths, str(source))
    write_cache(cache_file(paths, str(source)), crafted(**lie))
    assert take_snapshot(paths, str(source)) == first


def test_another_format_is_as_if_there_were_none(tmp_path, monkeypatch):
    path = str(tmp_path / "cache")
    monkeypatch.setattr(statcache, "_MAGIC", b"ESPSTAT9")
    write_cache(path, pack(CACHE))
    monkeypatch.undo()
    assert read_cache(path) == b""


def test_one_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("")
    write_cache(str(tmp_path / "file" / "cache"), pack(CACHE))


def test_each_folder_has_its_own_however_it_is_reached(tmp_path):
    paths = WorkspacePaths(str(tmp_path))
    (tmp_path / "a").mkdir()
    os.symlink("a", tmp_path / "link")
    assert cache_file(paths, str(tmp_path / "a")) == cache_file(paths, str(tmp_path / "link"))
    assert cache_file(paths, str(tmp_path / "a")) != cache_file(paths, str(tmp_path))
