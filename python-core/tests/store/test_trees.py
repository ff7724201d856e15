import json
import os
from pathlib import Path

import pytest
from espalier.base.canonical import canonical_json, digest
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.store.objects import ObjectWriter
from espalier.store.packs import ObjectReader
from espalier.store.trees import SnapshotFolders, read_tree, tree_bytes

CONTENT = "0" * 64
FLAT = {"format": 1, "entries": [["a/é.R", "f", CONTENT, 3], ["b", "l", "a", 0]]}


@pytest.fixture
def paths(tmp_path):
    return WorkspacePaths(str(tmp_path))


def put(paths, *trees):
    with ObjectWriter(paths) as writer:
        return [writer.add(tree_bytes(tree)) for tree in trees]


def put_flat(paths, manifest=FLAT):
    path = Path(paths.tree(digest(manifest)[7:]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical_json(manifest))
    return digest(manifest)


def refusal(paths, snapshot_id):
    with pytest.raises(EspalierError) as caught:
        read_tree(paths, snapshot_id)
    return caught.value


def test_a_tree_is_what_the_protocol_says():
    entries = [["b", "d", "1" * 64, 0], ["é", "x", CONTENT, 3], ["a-b", "l", "b", 0], ["a", "f", CONTENT, 9]]
    shown = ['["a","f","C",9]', '["a-b","l","b",0]', '["b","d","D",0]', '["é","x","C",3]']
    text = '{"entries":[' + ",".join(shown) + '],"format":2}'
    assert tree_bytes(entries) == text.replace("C", CONTENT).replace("D", "1" * 64).encode("utf-8")


def test_trees_come_back_as_one_list(paths):
    (below,) = put(paths, [["é.R", "f", CONTENT, 3]])
    (root,) = put(paths, [["a-b", "x", CONTENT, 4], ["a", "d", below, 0], ["c", "d", below, 0], ["l", "l", "a", 0]])
    assert read_tree(paths, "sha256:" + root) == {
        "format": 2,
        "entries": [
            ["a-b", "x", CONTENT, 4],
            ["a/é.R", "f", CONTENT, 3],
            ["c/é.R", "f", CONTENT, 3],
            ["l", "l", "a", 0],
        ],
    }


def test_a_snapshot_is_read_folder_by_folder(paths):
    (deep,) = put(paths, [["é.R", "f", CONTENT, 3]])
    (below,) = put(paths, [["deep", "d", deep, 0]])
    (root,) = put(paths, [["a", "x", CONTENT, 4], ["b", "d", below, 0]])
    with ObjectReader(paths) as reader:
        folders = SnapshotFolders(paths, "sha256:" + root, reader)
        assert folders.entries("") == {"a": ("x", CONTENT, 4), "b": ("d", below, 0)}
        assert folders.entries("b/deep/") == {"é.R": ("f", CONTENT, 3)}
        assert folders.entries("a/") == folders.entries("b/none/") == folders.entries("none/b/") == {}
        lost = SnapshotFolders(paths, "sha256:" + CONTENT, reader)
        with pytest.raises(EspalierError) as caught:
            lost.entries("")
    assert caught.value.code == "snapshot_damaged"


def test_a_manifest_of_the_first_format_is_read_folder_by_folder(paths):
    flat = {"format": 1, "entries": [["a/b/c", "f", CONTENT, 1], ["a/d", "f", CONTENT, 2], ["e", "l", "a", 0]]}
    with ObjectReader(paths) as reader:
        folders = SnapshotFolders(paths, put_flat(paths, flat), reader)
        assert folders.entries("") == {"a": ("d", "", 0), "e": ("l", "a", 0)}
        assert folders.entries("a/") == {"b": ("d", "", 0), "d": ("f", CONTENT, 2)}
        assert folders.entries("a/b/") == {"c": ("f", CONTENT, 1)} and folders.entries("b/") == {}


def test_a_manifest_of_the_first_format_is_read(paths):
    assert read_tree(paths, put_flat(paths)) == FLAT


@pytest.mark.parametrize("damage", ["edited", "missing"])
@pytest.mark.parametrize("which", ["root", "below"])
def test_a_damaged_tree_is_named_and_what_is_known_of_folders_dropped(paths, which, damage):
    (below,) = put(paths, [["f", "f", CONTENT, 3]])
    (root,) = put(paths, [["a", "d", below, 0]])
    path = paths.blob(root if which == "root" else below)
    os.unlink(path)
    if damage == "edited":
        Path(path).write_bytes(tree_bytes([]))
    os.makedirs(paths.stat_caches)
    Path(paths.stat_cache("0")).write_bytes(b"")
    error = refusal(paths, "sha256:" + root)
    assert error.code == "snapshot_damaged" and path in error.message and "Submit again" in error.hint
    assert os.listdir(paths.stat_caches) == []
    # the remedy works
    if damage == "edited":
        os.unlink(path)
    put(paths, [["f", "f", CONTENT, 3]], [["a", "d", below, 0]])
    assert read_tree(paths, "sha256:" + root)["entries"] == [["a/f", "f", CONTENT, 3]]


def test_a_damaged_manifest_of_the_first_format_is_named(paths):
    snapshot_id = put_flat(paths)
    Path(paths.tree(snapshot_id[7:])).write_text('{"format":1,"entries":[]}')
    error = refusal(paths, snapshot_id)
    assert error.code == "snapshot_damaged" and paths.tree(snapshot_id[7:]) in error.message


def test_a_newer_format_is_refused(paths):
    with ObjectWriter(paths) as writer:
        newer = writer.add(canonical_json({"format": 3, "entries": []}))
    assert refusal(paths, "sha256:" + newer).code == "newer_format"
    assert refusal(paths, put_flat(paths, {"format": 2, "entries": []})).code == "newer_format"


@pytest.mark.parametrize(
    "entries",
    [
        [["../x", "f", CONTENT, 0]],
        [["a/x", "f", CONTENT, 0], ["a", "l", "/tmp", 0]],
        [["..", "d", None, 0]],
        [["", "d", None, 0]],
        [["x", "d", "../../../etc/passwd", 0]],
        [["x", "f", CONTENT, 0], ["x", "x", CONTENT, 0]],
    ],
)
def test_trees_that_lead_outside_are_refused(paths, entries):
    (below,) = put(paths, [["f", "f", CONTENT, 0]])
    (root,) = put(paths, [[name, kind, content or below, size] for name, kind, content, size in entries])
    assert refusal(paths, "sha256:" + root).code == "snapshot_damaged"


def test_a_content_that_is_no_tree_is_refused(paths):
    with ObjectWriter(paths) as writer:
        text = writer.add(b"train")
        number = writer.add(json.dumps([1]).encode())
    assert refusal(paths, "sha256:" + text).code == "snapshot_damaged"
    assert refusal(paths, "sha256:" + number).code == "snapshot_damaged"
