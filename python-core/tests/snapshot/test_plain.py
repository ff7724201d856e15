"""How a walk goes into the store, for the native scanner and its twin; what is known of a folder saves reading it."""

import os
import shutil
from pathlib import Path

import pytest
from bare import bare
from espalier.base.errors import EspalierError
from espalier.runner.workdir import materialise
from espalier.snapshot import native, plain, scan, statcache
from espalier.snapshot.take import take_snapshot
from espalier.store.objects import ObjectWriter
from espalier.store.trees import read_tree


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    for path in ("train.R", "a/b/c.R", "a/d.R", "a.x/e.R", "none/deeper/x"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / "none/deeper/x").unlink()
    os.symlink("a/d.R", folder / "l")
    return folder


@pytest.fixture
def settled(monkeypatch):
    """Files are taken for settled however young they are, so that tests need not wait."""
    monkeypatch.setattr(statcache, "RACY_NS", -(10**15))


@pytest.fixture
def read(monkeypatch):
    """The files that snapshots read."""
    seen = []

    def put_file(writer, name, dir_fd, label):
        seen.append(label)
        return real(writer, name, dir_fd, label)

    real = plain.put_file
    monkeypatch.setattr(plain, "put_file", put_file)
    monkeypatch.setattr(native, "put_file", put_file)  # (so few small files are read by Python in both)
    return seen


def test_what_has_not_changed_is_not_read(paths, source, settled, read):
    first = take_snapshot(paths, str(source))
    assert sorted(read) == ["a.x/e.R", "a/b/c.R", "a/d.R", "train.R"]
    read.clear()
    assert take_snapshot(paths, str(source)) == first
    assert read == []


def test_an_unchanged_folder_writes_nothing(paths, source, settled, monkeypatch):
    first = take_snapshot(paths, str(source))
    monkeypatch.setattr(ObjectWriter, "__init__", None)
    assert take_snapshot(paths, str(source)) == first


def edit(source):
    (source / "a/d.R").write_text("A/D.R")


def edit_in_the_past(source):
    seen = (source / "a/d.R").stat()
    (source / "a/d.R").write_text("A/D.R")
    os.utime(source / "a/d.R", ns=(seen.st_atime_ns, seen.st_mtime_ns))


def replace(source):
    seen = (source / "a/d.R").stat()
    (source / "new").write_text("A/D.R")
    os.utime(source / "new", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    os.replace(source / "new", source / "a/d.R")


def add(source):
    (source / "none/new").write_text("")


def remove(source):
    (source / "a/b/c.R").unlink()


def rename(source):
    os.rename(source / "a/d.R", source / "a/f.R")


def executable(source):
    (source / "train.R").chmod(0o755)


def link(source):
    (source / "l").unlink()
    os.symlink("a/b/c.R", source / "l")


def file_to_folder(source):
    (source / "train.R").unlink()
    (source / "train.R").mkdir()
    (source / "train.R" / "x").write_text("")


@pytest.mark.parametrize(
    "change", [edit, edit_in_the_past, replace, add, remove, rename, executable, link, file_to_folder]
)
def test_every_change_is_seen(paths, source, settled, tmp_path, change):
    first = take_snapshot(paths, str(source))
    change(source)
    second = take_snapshot(paths, str(source))
    assert second.id != first.id
    fresh = bare(tmp_path / "fresh")
    assert take_snapshot(fresh, str(source)) == second
    assert read_tree(fresh, second.id) == read_tree(paths, second.id)
    materialise(paths.root, second.id, str(tmp_path / "work"))
    assert take_snapshot(paths, str(tmp_path / "work")).id == second.id


def test_a_file_as_young_as_the_walk_is_read_again(paths, source, read):
    take_snapshot(paths, str(source))
    read.clear()
    take_snapshot(paths, str(source))
    assert len(read) == 4


def test_a_file_that_was_old_is_not_read_again(paths, source, read, monkeypatch):
    real = scan.time.time_ns
    monkeypatch.setattr(scan.time, "time_ns", lambda: real() + 3_000_000_000)
    take_snapshot(paths, str(source))
    read.clear()
    (source / "train.R").write_text("other!!")
    take_snapshot(paths, str(source))
    assert read == ["train.R"]


@pytest.mark.parametrize("how", ["snapshots", "cache"])
def test_what_is_known_of_a_folder_may_go_with_the_store_or_alone(paths, source, settled, tmp_path, how):
    first = take_snapshot(paths, str(source))
    shutil.rmtree(paths.stat_caches if how == "cache" else os.path.dirname(paths.blobs))
    assert take_snapshot(paths, str(source)) == first
    materialise(paths.root, first.id, str(tmp_path / "work"))


def test_a_root_that_is_gone_is_made_anew_with_all_below(paths, source, settled, tmp_path):
    first = take_snapshot(paths, str(source))
    shutil.rmtree(paths.blobs)
    assert take_snapshot(paths, str(source)) == first
    materialise(paths.root, first.id, str(tmp_path / "work"))


def test_a_damaged_snapshot_is_stored_anew_from_its_source(paths, source, settled, tmp_path):
    first = take_snapshot(paths, str(source))
    (blob,) = (path for path in Path(paths.blobs).rglob("*") if path.is_file() and path.read_bytes() == b"train.R")
    blob.unlink()
    with pytest.raises(EspalierError):
        materialise(paths.root, first.id, str(tmp_path / "work"))
    assert take_snapshot(paths, str(source)) == first
    materialise(paths.root, first.id, str(tmp_path / "work"))


def test_many_files_go_into_a_pack_and_come_back(paths, source, settled, tmp_path):
    for number in range(200):
        (source / f"many{number % 7}").mkdir(exist_ok=True)
        (source / f"many{number % 7}" / f"{number}.txt").write_text(str(number))
    snapshot = take_snapshot(paths, str(source))
    assert len(os.listdir(paths.packs)) == 2 and not os.path.exists(paths.blobs)
    materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    assert take_snapshot(bare(tmp_path / "fresh"), str(tmp_path / "work")).id == snapshot.id
    (source / "many3" / "3.txt").write_text("changed")
    changed = take_snapshot(paths, str(source))
    assert len(os.listdir(paths.packs)) == 2
    # the file, its folder, the root
    assert sum(len(names) for _, _, names in os.walk(paths.blobs)) == 3
    assert read_tree(paths, changed.id)["entries"] != read_tree(paths, snapshot.id)["entries"]
