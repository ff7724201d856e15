import hashlib
import os

import pytest
from bare import bare
from espalier.base.errors import EspalierError
from espalier.store import blobs, files
from espalier.store.objects import ObjectWriter


@pytest.fixture
def paths(tmp_path):
    return bare(tmp_path / "ws")


@pytest.fixture(params=[False, True], ids=["whole", "in pieces"])
def source(request, tmp_path, monkeypatch):
    """A file, once read whole and once by the way that large files go."""
    if request.param:
        monkeypatch.setattr(blobs, "_WHOLE", 4)
        monkeypatch.setattr(blobs, "_CHUNK", 3)
    file = tmp_path / "f"
    file.write_bytes(b"0123456789")
    return str(file)


def put_file(paths, source, **named):
    with ObjectWriter(paths) as writer:
        return blobs.put_file(writer, source, **named)


def names(paths):
    return sorted(name for _, _, files in os.walk(paths.root) for name in files)


def test_content_is_stored_under_its_digest(paths, source):
    os.chmod(source, 0o755)
    stored = put_file(paths, source)
    assert stored.digest == hashlib.sha256(b"0123456789").hexdigest()
    assert (stored.seen.st_size, stored.seen.st_mode & 0o777) == (10, 0o755)
    with open(paths.blob(stored.digest), "rb") as file:
        assert file.read() == b"0123456789"
    assert os.stat(paths.blob(stored.digest)).st_mode & 0o222 == 0
    assert names(paths) == [stored.digest]


def test_an_empty_file(paths, tmp_path):
    (tmp_path / "e").write_bytes(b"")
    assert put_file(paths, str(tmp_path / "e")).digest == hashlib.sha256().hexdigest()


def test_what_is_stored_already_is_not_copied(paths, source):
    path = paths.blob(put_file(paths, source).digest)
    before = os.stat(path)
    put_file(paths, source)
    after = os.stat(path)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_truncated_blob_is_replaced(paths, source):
    path = paths.blob(put_file(paths, source).digest)
    os.chmod(path, 0o644)
    with open(path, "w") as file:
        file.write("0")
    put_file(paths, source)
    with open(path, "rb") as file:
        assert file.read() == b"0123456789"


def meddle(monkeypatch, change, times):
    """Calls `change` after each of the first reads."""
    real, left = os.read, [times]

    def read(fd, size):
        data = real(fd, size)
        if left[0] > 0 and data:
            left[0] -= 1
            change()
        return data

    monkeypatch.setattr(blobs.os, "read", read)


def append(path):
    with open(path, "ab") as file:
        file.write(b"x")


def shrink(path):
    os.truncate(path, os.path.getsize(path) - 1)


@pytest.mark.parametrize("change", [append, shrink])
def test_a_file_that_changes_once_is_read_again(paths, source, monkeypatch, change):
    meddle(monkeypatch, lambda: change(source), 1)
    stored = put_file(paths, source)
    with open(source, "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == stored.digest
    assert names(paths) == [stored.digest]


@pytest.mark.parametrize("change", [append, shrink])
def test_a_file_that_keeps_changing_is_refused_by_name(paths, source, monkeypatch, change):
    with open(source, "ab") as file:
        file.write(b"y" * 100)
    meddle(monkeypatch, lambda: change(source), 1000)
    with pytest.raises(EspalierError) as caught:
        put_file(paths, source, name="data/f")
    assert caught.value.code == "source_changed" and "data/f" in caught.value.message
    assert names(paths) == []


def test_a_file_swapped_for_something_else(paths, tmp_path):
    os.symlink("/etc/passwd", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "gone"):
        with pytest.raises(EspalierError) as caught:
            put_file(paths, str(tmp_path / name), name=name)
        assert caught.value.code == "source_changed" and name in caught.value.message
    assert names(paths) == []


def test_a_store_that_cannot_be_written(paths, source, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(blobs, "create", refuse)
    monkeypatch.setattr(files, "create", refuse)
    with pytest.raises(EspalierError) as caught:
        put_file(paths, source)
    assert caught.value.code == "workspace_read_only"


def test_the_holes_of_a_large_file_stay_holes(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(blobs, "_WHOLE", 4)
    with open(tmp_path / "sparse", "wb") as file:
        file.write(b"begin")
        file.truncate(64 << 20)
    path = paths.blob(put_file(paths, str(tmp_path / "sparse")).digest)
    assert os.stat(path).st_size == 64 << 20 and os.stat(path).st_blocks * 512 < 8 << 20
    with open(path, "rb") as file:
        assert file.read(6) == b"begin\0"
