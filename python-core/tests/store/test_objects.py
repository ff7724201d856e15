import hashlib
import os
import stat
from pathlib import Path

import pytest
from bare import bare
from espalier.base.errors import EspalierError
from espalier.store import files, objects
from espalier.store.objects import MANY, SMALL, ObjectWriter
from espalier.store.packs import ObjectReader


@pytest.fixture
def paths(tmp_path):
    return bare(tmp_path / "ws")


def contents(count):
    return [f"content {number}".encode() for number in range(count)]


def add(paths, items):
    with ObjectWriter(paths) as writer:
        return [writer.add(data) for data in items]


def files_below(folder):
    return sorted(Path(top, name) for top, _, names in os.walk(folder) for name in names)


def test_few_objects_lie_loose_many_small_ones_in_one_pack(paths):
    few = add(paths, contents(MANY - 1))
    assert [path.name for path in files_below(paths.root)] == sorted(few)
    big = b"x" * (SMALL + 1)
    many = add(paths, [*[b"other" + data for data in contents(MANY)], big])
    packs = files_below(paths.packs)
    assert [path.suffix for path in packs] == [".idx", ".pack"]
    assert packs[0].stem == packs[1].stem == hashlib.sha256(packs[0].read_bytes()).hexdigest()
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in files_below(paths.root))
    assert {path.name for path in files_below(paths.blobs)} == {*few, hashlib.sha256(big).hexdigest()}
    with ObjectReader(paths) as reader:
        assert [reader.read(digest) for digest in many][:2] == [b"othercontent 0", b"othercontent 1"]
        assert reader.read(many[-1]) == big and reader.read(few[3]) == b"content 3"


def test_what_is_there_is_not_written_again(paths):
    items = contents(MANY + 5)
    add(paths, [*items, *items])
    before = files_below(paths.root)
    add(paths, items)
    add(paths, items[:3])
    assert files_below(paths.root) == before


def test_nothing_is_left_of_a_pack_that_was_not_finished(paths):
    with pytest.raises(KeyboardInterrupt), ObjectWriter(paths) as writer:
        for data in contents(2 * MANY):
            writer.add(data)
        raise KeyboardInterrupt
    assert files_below(paths.root) == []


def test_what_is_damaged_in_a_pack_is_stored_beside_it(paths):
    items = contents(MANY)
    digests = add(paths, items)
    (pack,) = Path(paths.packs).glob("*.pack")
    data = pack.read_bytes().replace(b"content 7", b"content X")
    pack.chmod(0o644)
    pack.write_bytes(data)
    add(paths, items)
    assert [path.name for path in files_below(paths.blobs)] == [digests[7]]
    with ObjectReader(paths) as reader:
        assert [reader.read(digest) for digest in digests] == items


@pytest.mark.parametrize("count", [1, MANY])
def test_a_store_that_cannot_be_written(paths, monkeypatch, count):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "create", refuse)
    monkeypatch.setattr(objects, "create", refuse)
    with pytest.raises(EspalierError) as caught:
        add(paths, contents(count))
    assert caught.value.code == "workspace_read_only"


def test_a_pack_is_written_in_pieces(paths, monkeypatch):
    monkeypatch.setattr(objects._PackWriter, "_BUFFER", 20)
    items = contents(MANY)
    digests = add(paths, items)
    with ObjectReader(paths) as reader:
        assert [reader.read(digest) for digest in digests] == items


@pytest.mark.parametrize("count", [0, MANY - 1, MANY])
def test_a_pack_that_was_lent(paths, count):
    items = contents(count)
    records, at = [], 0
    with ObjectWriter(paths) as writer:
        fd, end = writer.open_pack()
        for item in items:
            os.pwrite(fd, item, end + at)
            records.append((hashlib.sha256(item).digest(), end + at, len(item)))
            at += len(item)
        writer.adopt(records)
        more = writer.add(b"more")
    assert len(files_below(paths.packs)) == (0 if count + 1 < MANY else 2)
    with ObjectReader(paths) as reader:
        assert [reader.read(record[0].hex()) for record in records] == items and reader.read(more) == b"more"
