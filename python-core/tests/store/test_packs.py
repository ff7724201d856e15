import hashlib
import os
from pathlib import Path

import pytest
from espalier.base.paths import WorkspacePaths
from espalier.store.objects import MANY, ObjectWriter
from espalier.store.packs import HEADER, MAGIC, RECORD, Damaged, ObjectReader

ITEMS = [b"%d" % number for number in range(MANY)]


@pytest.fixture
def paths(tmp_path):
    return WorkspacePaths(str(tmp_path))


@pytest.fixture
def digests(paths):
    with ObjectWriter(paths) as writer:
        return [writer.add(item) for item in ITEMS]


def packed(paths, suffix):
    (path,) = Path(paths.packs).glob("*" + suffix)
    path.chmod(0o644)
    return path


def test_an_index_is_what_the_protocol_says(paths, digests):
    data = packed(paths, ".idx").read_bytes()
    assert HEADER.unpack_from(data) == (MAGIC, MANY)
    records = list(RECORD.iter_unpack(data[HEADER.size :]))
    assert [record[0].hex() for record in records] == sorted(digests)
    pack = packed(paths, ".pack").read_bytes()
    for digest, offset, size in records:
        assert hashlib.sha256(pack[offset : offset + size]).digest() == digest


def test_objects_are_found_in_all_packs(paths, digests):
    with ObjectWriter(paths) as writer:
        more = [writer.add(b"more" + item) for item in ITEMS]
    with ObjectReader(paths) as reader:
        assert [reader.read(digest) for digest in digests + more] == ITEMS + [b"more" + item for item in ITEMS]
        assert reader.has(digests[0]) and not reader.has("0" * 64) and not reader.has("f" * 64)


@pytest.mark.parametrize("how", ["edited", "truncated", "missing"])
def test_damage_in_a_pack_is_found(paths, digests, how):
    path = packed(paths, ".pack")
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"x" * path.stat().st_size if how == "edited" else b"")
    with ObjectReader(paths) as reader, pytest.raises(Damaged) as caught:
        reader.read(digests[0])
    assert caught.value.where == str(path)


@pytest.mark.parametrize("how", ["edited", "missing"])
def test_what_a_damaged_pack_held_may_be_in_another(paths, digests, how):
    first = packed(paths, ".pack")
    first.write_bytes(b"x" * first.stat().st_size)
    if how == "missing":
        first.unlink()
    with ObjectWriter(paths) as writer:  # (in another order, as the native scanner's threads may have it)
        assert [writer.add(item) for item in [b"new", *ITEMS[::-1]]][:0:-1] == digests
    with ObjectReader(paths) as reader:
        assert len(list(reader.packed(digests[0]))) == 2
        assert [reader.read(digest) for digest in digests] == ITEMS


@pytest.mark.parametrize("data", [b"", b"short", HEADER.pack(b"ESPPACK9", 0), HEADER.pack(MAGIC, 9)])
def test_an_index_that_is_none_counts_as_missing(paths, digests, data):
    path = packed(paths, ".idx")
    path.write_bytes(data)
    with ObjectReader(paths) as reader:
        assert not reader.has(digests[0])
        with pytest.raises(Damaged) as caught:
            reader.read(digests[0])
    assert caught.value.where == paths.blob(digests[0])


def test_no_file_stays_open(paths, digests):
    before = len(os.listdir("/proc/self/fd"))
    with ObjectReader(paths) as reader:
        reader.read(digests[0])
    assert len(os.listdir("/proc/self/fd")) == before


def put_in_place(path, how):
    path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.parametrize("how", ["pipe", "link"])
@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_a_pipe_or_link_in_the_place_of_a_pack_is_damage(paths, digests, suffix, how):
    put_in_place(packed(paths, suffix), how)
    with ObjectReader(paths) as reader, pytest.raises(Damaged):
        reader.read(digests[0])


@pytest.mark.parametrize("how", ["pipe", "link"])
def test_a_pipe_or_link_in_the_place_of_an_object_is_damage_and_replaced(paths, how):
    with ObjectWriter(paths) as writer:
        digest = writer.add(b"one")
    put_in_place(Path(paths.blob(digest)), how)
    with ObjectReader(paths) as reader, pytest.raises(Damaged, match="not a plain file"):
        reader.read(digest)
    with ObjectWriter(paths) as writer:
        writer.add(b"one")
    with ObjectReader(paths) as reader:
        assert reader.read(digest) == b"one"


@pytest.mark.parametrize(("offset", "size"), [(0, 2**63), (2**63, 1), (2**64 - 1, 2**64 - 1), (0, 2**40)])
def test_an_index_with_impossible_places_is_damage(paths, digests, offset, size):
    path = packed(paths, ".idx")
    path.write_bytes(HEADER.pack(MAGIC, 1) + RECORD.pack(bytes.fromhex(digests[0]), offset, size))
    with ObjectReader(paths) as reader, pytest.raises(Damaged):
        reader.read(digests[0])
