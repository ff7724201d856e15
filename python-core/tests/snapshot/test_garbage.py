import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import partial
from espalier.base.records import replace_record
from espalier.base.store_paths import index_of_pack
from espalier.runner.workdir import materialise
from espalier.snapshot import garbage
from espalier.snapshot.garbage import LEFTOVER, OBJECT, PACK, PART_OF_PACK, delete_garbage, find_garbage
from espalier.snapshot.reach import keep, remove_record
from espalier.snapshot.take import take_snapshot

OLD = time.time() - 2 * 86_400


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def write(folder, count, text):
    for number in range(count):
        (folder / f"{number}.txt").write_text(f"{text} {number}\n")


def kept(paths, folder):
    snapshot = take_snapshot(paths, str(folder))
    keep(paths, snapshot)
    return snapshot.id


def whole(paths, snapshot_id, tmp_path):
    """Every byte of a snapshot is verified on the way."""
    out = tmp_path / f"out-{os.urandom(4).hex()}"
    materialise(paths.root, snapshot_id, str(out))
    shutil.rmtree(out)


def collected(paths):
    found = find_garbage(paths)
    assert delete_garbage(paths, found) == {item.path for item in found}
    return found


def test_objects_that_nobody_refers_to(paths, source, tmp_path):
    write(source, 3, "old")
    old = kept(paths, source)
    (source / "1.txt").write_text("new\n")
    new = kept(paths, source)
    assert find_garbage(paths) == []
    remove_record(paths, old)
    found = collected(paths)
    # the file that was replaced, and the old root
    assert [(item.what, item.size > 0) for item in found] == [(OBJECT, True)] * 2
    assert sum(item.size for item in found if item.size == 6) == 6
    assert find_garbage(paths) == []
    whole(paths, new, tmp_path)
    # and what was collected can be stored again, whatever the stat cache remembers
    (source / "1.txt").write_text("old 1\n")
    assert kept(paths, source) == old
    whole(paths, old, tmp_path)


def packed(paths):
    """Bytes in packs."""
    return sum(os.path.getsize(os.path.join(paths.packs, n)) for n in os.listdir(paths.packs) if index_of_pack(n))


def test_packs(paths, source, tmp_path):
    write(source, 100, "one")
    one = kept(paths, source)
    (pack,) = [os.path.join(paths.packs, name) for name in os.listdir(paths.packs) if index_of_pack(name)]
    write(source, 60, "two")
    (source / "large").write_bytes(os.urandom(100_000))
    two = kept(paths, source)
    remove_record(paths, one)
    found = find_garbage(paths)
    (part,) = [item for item in found if item.path == pack]
    assert part.what == PART_OF_PACK
    before = packed(paths)
    collected(paths)
    assert not os.path.exists(pack) and not os.path.exists(index_of_pack(pack))
    assert packed(paths) < before
    assert find_garbage(paths) == []
    whole(paths, two, tmp_path)
    remove_record(paths, two)
    assert {item.what for item in collected(paths)} == {OBJECT, PACK}
    assert os.listdir(paths.packs) == [] and find_garbage(paths) == []


def test_a_pack_that_is_mostly_used_stays(paths, source, tmp_path):
    write(source, 100, "one" * 100)
    one = kept(paths, source)
    write(source, 20, "two")
    two = kept(paths, source)
    remove_record(paths, one)
    before = sorted(os.listdir(paths.packs))
    assert all(item.what == OBJECT for item in collected(paths))
    assert sorted(os.listdir(paths.packs)) == before
    whole(paths, two, tmp_path)


def test_what_killed_processes_left(paths, source, tmp_path):
    write(source, 100, "x")
    snapshot = kept(paths, source)
    run = paths.run("exp_1_0000000a")
    other = paths.run("exp_1_0000000b")
    for folder, state in ((run, "Failed"), (other, "Running")):
        os.makedirs(partial(folder.work))
        with open(os.path.join(partial(folder.work), "half"), "w") as file:
            file.write("12345")
        replace_record(folder.spec, {"format": 1, "snapshot": None}, folder.root)
        replace_record(folder.status, {"format": 1, "state": state}, folder.root)
    tmp = [os.path.join(folder, ".tmp-1-ab") for folder in (paths.blobs, paths.packs, paths.kept, run.shard, paths.root)]
    orphan = paths.pack("ab" * 32)
    for path in [*tmp, orphan]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write("1234")
    left = [*tmp, orphan, partial(run.work)]
    assert find_garbage(paths) == []  # too young: somebody may be at it
    for path in [*left, partial(other.work)]:
        os.utime(path, (OLD, OLD))
    found = collected(paths)
    assert {item.path for item in found} == set(left)
    assert {item.what for item in found} == {LEFTOVER}
    assert {item.size for item in found} == {4, 5}
    assert not any(os.path.lexists(path) for path in left) and os.path.exists(partial(other.work))
    whole(paths, snapshot, tmp_path)


def test_links_are_not_followed(paths, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("x")
    os.makedirs(paths.blobs)
    os.symlink(tmp_path / "mine", os.path.join(paths.blobs, ".tmp-1-ab"))
    os.utime(os.path.join(paths.blobs, ".tmp-1-ab"), (OLD, OLD), follow_symlinks=False)
    assert len(collected(paths)) == 1
    assert (tmp_path / "mine" / "thesis").exists()


def test_what_cannot_be_deleted_is_told(paths, source, monkeypatch):
    write(source, 2, "x")
    take_snapshot(paths, str(source))
    found = find_garbage(paths)
    unlink = os.unlink

    def refuse(path, **more):
        if path == found[0].path:
            raise PermissionError(13, "Permission denied")
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", refuse)
    assert delete_garbage(paths, found) == {item.path for item in found[1:]}


def test_nothing_goes_while_it_is_undecided(paths, source):
    write(source, 3, "x")
    snapshot = kept(paths, source)
    (source / "0.txt").write_text("y")
    kept(paths, source)
    os.unlink(paths.blob(snapshot[7:]))
    before = sorted(os.walk(paths.root))
    with pytest.raises(EspalierError):
        find_garbage(paths)
    assert [item for item in sorted(os.walk(paths.root)) if "cache" not in item[0]] == [
        item for item in before if "cache" not in item[0]
    ]


def test_a_damaged_copy_in_a_pack_is_not_carried_on(paths, source, tmp_path):
    write(source, 100, "one")
    one = kept(paths, source)
    (pack,) = [os.path.join(paths.packs, name) for name in os.listdir(paths.packs) if index_of_pack(name)]
    write(source, 60, "two")
    os.chmod(pack, 0o644)
    with open(pack, "r+b") as file:
        data = file.read()
        file.seek(data.index(b"one 99\n"))
        file.write(b"XXX")
    two_id = take_snapshot(paths, str(source)).id  # (the cache is trusted: 99 is not looked at)
    shutil.rmtree(paths.stat_caches)
    two = kept(paths, source)  # now it is, and stored beside the pack
    assert two == two_id
    remove_record(paths, one)
    collected(paths)
    whole(paths, two, tmp_path)
    assert find_garbage(paths) == []


KILLED = """
import os, sys, signal
from espalier.base.paths import WorkspacePaths
from espalier.snapshot import hold
from espalier.snapshot import garbage
left = int(sys.argv[2])
def count(function):
    def counted(*args, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **more)
    return counted
for name in ("unlink", "replace", "rename", "open", "fsync", "write"):
    setattr(os, name, count(getattr(os, name)))
paths = WorkspacePaths(sys.argv[1])
with hold.alone_with_objects(paths):
    garbage.delete_garbage(paths, garbage.find_garbage(paths))
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_point_the_store_is_whole(paths, source, tmp_path, seed):
    """kill -9 at some system call: all that is kept is whole, what was given up can be stored again."""
    random.seed(seed)
    write(source, 100, "one")
    one = kept(paths, source)
    write(source, 70, "two")
    two = kept(paths, source)
    remove_record(paths, one)
    step, killed = 0, 0
    while True:
        step += random.randint(1, 14)
        done = subprocess.run([sys.executable, "-c", KILLED, paths.root, str(step)], timeout=60)
        whole(paths, two, tmp_path)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        killed += 1
        if killed % 3 == 0:
            write(source, 70, "one")
            assert kept(paths, source) == one
            whole(paths, one, tmp_path)
            remove_record(paths, one)
            step = random.randint(1, 14)
        if killed > 8:
            break
    assert killed >= 2
    found = find_garbage(paths)
    assert delete_garbage(paths, found) == {item.path for item in found}
    assert [item for item in find_garbage(paths) if item.what != LEFTOVER] == []
    whole(paths, two, tmp_path)
    assert garbage.find_garbage(paths) == []
