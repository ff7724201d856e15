import os

import pytest
from bare import bare
from espalier.base.errors import EspalierError
from espalier.snapshot import sides
from espalier.snapshot.sides import FolderSide, Item, StoredSide
from espalier.snapshot.take import take_snapshot


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.R").write_text("1\n")
    (folder / "sub" / "run").write_text("2\n")
    (folder / "sub" / "run").chmod(0o755)
    os.symlink("a.R", folder / "l")
    return folder


def test_a_folder_settles_to_what_its_snapshot_has(source, tmp_path):
    paths = bare(tmp_path / "ws")
    stored = StoredSide(paths, take_snapshot(paths, str(source)).id)
    folder = FolderSide(str(source))
    assert list(stored.items) == list(folder.items) == ["a.R", "l", "sub/run"]
    for path, item in stored.items.items():
        assert folder.settled(path, item) == stored.settled(path, None) == item
        if item.kind != "l":
            assert folder.data(path) == stored.data(path)
    assert folder.settled("none", None) is None


def test_what_links_out_of_the_folder_lead_to_is_read_where_it_lies(source, tmp_path):
    (tmp_path / "ext").mkdir()
    (tmp_path / "ext" / "x").write_text("x")
    os.symlink(tmp_path / "ext", source / "e")
    paths = bare(tmp_path / "ws")
    stored = StoredSide(paths, take_snapshot(paths, str(source), outside_links="copy").id)
    folder = FolderSide(str(source), "copy")
    assert folder.settled("e/x", None) == stored.settled("e/x", None) and folder.data("e/x") == b"x"
    assert FolderSide(str(source), "keep").settled("e", None) == Item("l", str(tmp_path / "ext"), 0)


def test_large_files_are_read_only_where_that_tells_something(source, monkeypatch):
    monkeypatch.setattr(sides, "LARGEST", 1)
    folder = FolderSide(str(source))
    assert folder.settled("a.R", None) == folder.settled("a.R", Item("f", "x", 3)) == Item("f", "", 2)
    assert len(folder.settled("a.R", Item("f", "x", 2)).content) == 64


def test_what_changes_meanwhile(source, monkeypatch):
    folder = FolderSide(str(source))
    # changed since the walk: told as it is now
    (source / "a.R").write_text("other\n")
    assert folder.settled("a.R", None).size == 6
    assert folder.data("a.R") == b"other\n"
    (source / "a.R").unlink()
    assert folder.settled("a.R", None) is None
    os.mkfifo(source / "a.R")
    with pytest.raises(EspalierError) as caught:
        folder.settled("a.R", None)
    assert caught.value.code == "source_unreadable"
    (source / "a.R").unlink()
    os.symlink("/etc/passwd", source / "a.R")
    with pytest.raises(EspalierError) as caught:
        folder.settled("a.R", None)
    assert caught.value.code == "source_unreadable"
    # a folder that a link took the place of is not entered
    os.rename(source / "sub", source / "moved")
    os.symlink("moved", source / "sub")
    assert folder.settled("sub/run", None) is None


def test_a_file_that_keeps_changing_is_named(source, monkeypatch):
    folder = FolderSide(str(source))
    read = os.read

    def growing(fd, size):
        data = read(fd, size)
        with open(source / "a.R", "a") as file:
            file.write("more\n")
        return data if len(data) < 100 else b""

    monkeypatch.setattr(os, "read", growing)
    with pytest.raises(EspalierError) as caught:
        folder.settled("a.R", None)
    assert caught.value.code == "source_changed" and "a.R" in caught.value.message


def test_a_file_that_changes_once_is_read_again(source, monkeypatch):
    folder = FolderSide(str(source))
    read, touched = os.read, []

    def changed_once(fd, size):
        if not touched:
            touched.append(1)
            (source / "a.R").write_text("new\n")
        return read(fd, size)

    monkeypatch.setattr(os, "read", changed_once)
    assert folder.settled("a.R", None).size == 4
    assert folder.data("a.R") == b"new\n"


def test_files_deeper_than_a_path_may_be_long(source):
    fd = os.open(source, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 20, dir_fd=fd)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("deep", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    before = len(os.listdir("/proc/self/fd"))
    folder = FolderSide(str(source))
    (path,) = [path for path in folder.items if path.endswith("/deep")]
    assert len(path) > 4096 and folder.settled(path, None).size == 0
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("damage", ["edited", "missing"])
def test_a_damaged_content_is_found(source, tmp_path, damage):
    paths = bare(tmp_path / "ws")
    stored = StoredSide(paths, take_snapshot(paths, str(source)).id)
    path = paths.blob(stored.items["a.R"].content)
    os.chmod(path, 0o644)
    os.unlink(path)
    if damage == "edited":
        with open(path, "w") as file:
            file.write("3\n")
    with pytest.raises(EspalierError) as caught:
        stored.data("a.R")
    assert caught.value.code == "snapshot_damaged" and "a.R" in caught.value.message
