import json
import os
import threading

import pytest
from espalier.base.canonical import canonical_json, digest_bytes
from espalier.base.errors import EspalierError
from espalier.snapshot.reach import keep, objects_in_use
from espalier.snapshot.take import take_snapshot
from espalier.store.packs import ObjectReader
from espalier.store.stored_files import put_bytes
from espalier.store.trees import tree_bytes

SCANS = False

RUN = "exp_1_0000000a"


@pytest.fixture
def taken(paths, tmp_path):
    folder = tmp_path / "source"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a").write_text("a\n")
    (folder / "sub" / "deep" / "b").write_text("b\n")
    os.symlink("a", folder / "l")
    return take_snapshot(paths, str(folder))


def stored(paths):
    return {name for here, _, names in os.walk(paths.blobs) for name in names}


def make_run(paths, snapshot, run_id=RUN, temporary=False, **more):
    run = paths.new_run(run_id) if temporary else paths.run(run_id)
    os.makedirs(run.root)
    with open(run.spec, "w") as file:
        json.dump({"format": 1, "id": run_id, "snapshot": snapshot and {"id": snapshot}, **more}, file)
    return run


def test_what_nobody_refers_to_is_not_in_use(paths, taken):
    assert len(stored(paths)) == 5
    assert objects_in_use(paths) == set()


@pytest.mark.parametrize("temporary", [False, True])
def test_a_run_uses_all_of_its_snapshot(paths, taken, temporary):
    make_run(paths, taken.id, temporary=temporary)
    make_run(paths, None, "exp_2_0000000b")
    assert objects_in_use(paths) >= stored(paths)


def test_a_kept_snapshot_is_in_use(paths, taken):
    keep(paths, taken)
    assert objects_in_use(paths) == stored(paths)


def test_manifests_of_the_first_format(paths):
    content = b"a\n"
    digest = digest_bytes(content)[7:]
    put_bytes(paths, paths.blob(digest), content)
    manifest = canonical_json({"format": 1, "entries": [["a", "f", digest, 2], ["l", "l", "a", 0]]})
    root = digest_bytes(manifest)
    put_bytes(paths, paths.tree(root[7:]), manifest)
    make_run(paths, root)
    assert objects_in_use(paths) == {root[7:], digest}


def test_a_file_that_is_another_folders_tree_hides_nothing(paths, taken):
    """A tree met as a file's content is gone into all the same when it is met as a tree."""
    with ObjectReader(paths) as reader:
        root = json.loads(reader.read(taken.id[7:]))
        (sub,) = [entry for entry in root["entries"] if entry[1] == "d"]
    decoy = tree_bytes([["aaa", "f", sub[2], 1], ["sub", "d", sub[2], 0]])
    digest = digest_bytes(decoy)
    put_bytes(paths, paths.blob(digest[7:]), decoy)
    make_run(paths, digest)
    used = objects_in_use(paths)
    a, root_only = digest_bytes(b"a\n")[7:], taken.id[7:]
    assert stored(paths) - used == {a, root_only}


def test_whatever_a_definition_names_counts(paths, taken):
    one = next(iter(stored(paths)))
    make_run(paths, None, later={"field": [f"sha256:{one}"]})
    assert one in objects_in_use(paths)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "snapshot": {}}', "[" * 10_000])
def test_a_definition_that_cannot_be_read_leaves_it_undecided(paths, taken, text):
    run = make_run(paths, taken.id)
    with open(run.spec, "w") as file:
        file.write(text)
    with pytest.raises(EspalierError) as caught:
        objects_in_use(paths)
    assert caught.value.code == "damaged"
    assert "nothing was deleted" in caught.value.message and run.spec in caught.value.message
    assert run.root in caught.value.hint


def test_a_run_without_its_definition_leaves_it_undecided(paths, taken):
    os.unlink(make_run(paths, taken.id).spec)
    with pytest.raises(EspalierError) as caught:
        objects_in_use(paths)
    assert caught.value.code == "damaged"


def test_a_run_that_is_just_being_deleted(paths, taken):
    run = make_run(paths, taken.id)
    os.unlink(run.spec)
    threading.Timer(0.1, os.rmdir, (run.root,)).start()
    assert objects_in_use(paths) == set()


def test_what_is_no_run_does_not_matter(paths, taken):
    os.makedirs(os.path.join(paths.runs, "0a", "notes"))
    os.makedirs(paths.new_run(RUN).root)  # killed before its definition was written: it was never a run
    with open(os.path.join(paths.runs, "readme"), "w") as file:
        file.write("")
    assert objects_in_use(paths) == set()


@pytest.mark.parametrize("by", ["run", "kept"])
def test_a_damaged_tree_leaves_it_undecided(paths, taken, by):
    if by == "run":
        make_run(paths, taken.id)
    else:
        keep(paths, taken)
    os.unlink(paths.blob(taken.id[7:]))
    with pytest.raises(EspalierError) as caught:
        objects_in_use(paths)
    assert caught.value.code == "snapshot_damaged" and "nothing was deleted" in caught.value.message
    assert (RUN if by == "run" else "delete_snapshot()") in caught.value.hint
