import os

import pytest
from bare import bare
from espalier.base.progress import Cancelled, Listener, listening
from espalier.store.files import holds, make_durable, put_bytes


@pytest.fixture
def paths(tmp_path):
    return bare(tmp_path / "ws")


def test_a_file_is_there_when_its_content_is(paths, tmp_path):
    path = paths.blob("ab" + 62 * "0")
    assert not holds(path, b"one")
    put_bytes(paths, path, b"one")
    before = os.stat(path).st_ino
    put_bytes(paths, path, b"one")
    assert os.stat(path).st_ino == before and holds(path, b"one")
    assert not holds(path, b"two") and not holds(path, b"longer") and not holds(str(tmp_path), b"")


@pytest.mark.parametrize("damage", [b"two", b"", b"longer"])
def test_one_with_another_content_is_replaced_whole(paths, damage):
    path = paths.blob("ab" + 62 * "0")
    put_bytes(paths, path, b"one")
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(damage)
    with open(path, "rb") as reader:
        put_bytes(paths, path, b"one")
        assert reader.read() == damage  # who has it open sees what was there
    assert holds(path, b"one")
    assert os.listdir(paths.blobs) == ["ab"]


def test_files_are_waited_for_before_the_folders_with_their_names(paths, monkeypatch):
    files = [paths.blob(start + 62 * "0") for start in ("ab", "cd")]
    for path in files:
        put_bytes(paths, path, b"one")
    seen = []
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(os.readlink(f"/proc/self/fd/{fd}")))
    make_durable(paths, files)
    folders = [os.path.dirname(path) for path in files]
    above = [paths.blobs, os.path.dirname(paths.blobs), paths.root]
    assert sorted(seen[:2]) == files and sorted(seen[2:]) == sorted(folders + above)
    seen.clear()
    make_durable(paths, [])
    assert seen == []


def test_a_disk_that_fails_is_told_whichever_thread_finds_out(paths, monkeypatch):
    files = [paths.blob(f"{number:02x}" + 62 * "0") for number in range(40)]
    for path in files:
        put_bytes(paths, path, b"one")

    def fail(fd):
        if os.readlink(f"/proc/self/fd/{fd}") == files[20]:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        make_durable(paths, files)


def test_waiting_can_be_called_off(paths):
    path = paths.blob("ab" + 62 * "0")
    put_bytes(paths, path, b"one")
    listener = Listener()
    listener.cancelled = True
    with listening(listener), pytest.raises(Cancelled):
        make_durable(paths, [path])
