import os

import pytest
from espalier.canonical import digest
from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths
from espalier.store.trees import put_tree, read_tree

MANIFEST = {"format": 1, "entries": [["é.R", "f", "0" * 64, 3]]}


@pytest.fixture
def paths(tmp_path):
    return WorkspacePaths(str(tmp_path))


def test_a_manifest_comes_back(paths):
    snapshot_id = put_tree(paths, MANIFEST)
    assert snapshot_id == digest(MANIFEST) == put_tree(paths, MANIFEST)
    assert read_tree(paths, snapshot_id) == MANIFEST


@pytest.mark.parametrize("damage", ["edited", "missing"])
def test_damage_is_named(paths, damage):
    snapshot_id = put_tree(paths, MANIFEST)
    path = paths.tree(snapshot_id[7:])
    os.unlink(path)
    if damage == "edited":
        with open(path, "w") as file:
            file.write('{"format":1,"entries":[]}')
    with pytest.raises(EspalierError) as caught:
        read_tree(paths, snapshot_id)
    assert caught.value.code == "snapshot_damaged" and path in caught.value.message
    # the remedy works
    if damage == "edited":
        os.unlink(path)
    put_tree(paths, MANIFEST)
    assert read_tree(paths, snapshot_id) == MANIFEST
