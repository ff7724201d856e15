import os

import pytest
from espalier.base.paths import WorkspacePaths
from espalier.snapshot.kept import keep, kept_digests, kept_snapshots, remove_record
from espalier.snapshot.take import Snapshot

SCANS = False


@pytest.fixture
def paths(tmp_path):
    return WorkspacePaths(str(tmp_path))


def snapshot(digit):
    return Snapshot("sha256:" + digit * 64, 2, 10, "/project", [])


def test_kept_until_removed(paths):
    assert kept_snapshots(paths) == []
    keep(paths, snapshot("a"))
    keep(paths, snapshot("b"))
    keep(paths, snapshot("a"))  # again: it is the newest now
    records = kept_snapshots(paths)
    assert [record["id"][7] for record in records] == ["a", "b"]
    assert {key: records[0][key] for key in ("files", "bytes", "source_directory")} == {
        "files": 2, "bytes": 10, "source_directory": "/project",
    }
    assert remove_record(paths, "sha256:" + "a" * 64) is True
    assert remove_record(paths, "sha256:" + "a" * 64) is False
    assert kept_digests(paths) == ["b" * 64]


def test_a_damaged_record_still_keeps(paths):
    keep(paths, snapshot("a"))
    with open(paths.kept_snapshot("a" * 64), "w") as file:
        file.write("{")
    with open(os.path.join(paths.kept, "notes.txt"), "w") as file:
        file.write("")
    assert kept_snapshots(paths) == [{"id": "sha256:" + "a" * 64}]
    assert kept_digests(paths) == ["a" * 64]
