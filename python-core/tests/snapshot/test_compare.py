import os

import pytest
from espalier.snapshot import compare as module
from espalier.snapshot.compare import as_frame, compare
from espalier.snapshot.sides import FolderSide, StoredSide
from espalier.snapshot.take import take_snapshot


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    for name in ("same", "content", "mode", "both", "gone", "sub/to-link"):
        (folder / name).write_text(f"{name}\n")
    os.symlink("same", folder / "link")
    os.symlink("same", folder / "to-file")
    return folder


def change_all(source):
    (source / "content").write_text("CONTENT\n")
    (source / "mode").chmod(0o755)
    (source / "both").write_text("BOTH\n")
    (source / "both").chmod(0o755)
    (source / "gone").unlink()
    (source / "new").write_text("new\n")
    (source / "sub" / "to-link").unlink()
    os.symlink("../same", source / "sub" / "to-link")
    (source / "link").unlink()
    os.symlink("mode", source / "link")
    (source / "to-file").unlink()
    (source / "to-file").write_text("a file\n")


EXPECTED = [
    ("both", "changed", "file", "executable"),
    ("content", "changed", "file", "file"),
    ("gone", "removed", "file", None),
    ("link", "changed", "link", "link"),
    ("mode", "mode", "file", "executable"),
    ("new", "added", None, "file"),
    ("sub/to-link", "type", "file", "link"),
    ("to-file", "type", "link", "file"),
]


@pytest.mark.parametrize("after", ["folder", "snapshot"])
def test_every_kind_of_change(paths, source, after):
    before = StoredSide(paths, take_snapshot(paths, str(source)).id)
    change_all(source)
    side = FolderSide(str(source)) if after == "folder" else StoredSide(paths, take_snapshot(paths, str(source)).id)
    frame = as_frame(compare(before, side))
    rows = frame.rows()
    assert [(r["path"], r["change"], r["kind_before"], r["kind_after"]) for r in rows] == EXPECTED
    by_path = {row["path"]: row for row in rows}
    assert (by_path["content"]["size_before"], by_path["gone"]["size_after"]) == (8.0, None)
    assert by_path["content"]["diff"].endswith("@@ -1 +1 @@\n-content\n+CONTENT\n")
    assert by_path["new"]["diff"].endswith("+new\n") and by_path["gone"]["diff"].endswith("-gone\n")
    assert by_path["link"]["diff"].endswith("-same\n+mode\n")
    assert by_path["mode"]["diff"] is None and by_path["mode"]["note"] is None
    assert by_path["sub/to-link"]["note"] == "became a link to ../same"
    assert by_path["to-file"]["note"] == "was a link to same"
    assert frame.kinds["size_before"] == "double"


def test_equal_sides_have_no_rows(paths, source):
    stored = StoredSide(paths, take_snapshot(paths, str(source)).id)
    assert compare(stored, FolderSide(str(source))) == compare(stored, stored) == []
    assert as_frame([]).columns["path"] == []


def test_what_is_left_out_of_a_snapshot_does_not_count(paths, source):
    stored = StoredSide(paths, take_snapshot(paths, str(source)).id)
    (source / ".env").write_text("SECRET=1")
    (source / "outputs").mkdir()
    (source / "outputs" / "x").write_text("1")
    assert compare(stored, FolderSide(str(source))) == []


def test_large_files_have_no_diff(paths, source, monkeypatch):
    stored = StoredSide(paths, take_snapshot(paths, str(source)).id)
    (source / "content").write_bytes(b"x" * ((1 << 20) + 1))
    (difference,) = compare(stored, FolderSide(str(source)))
    assert (difference.change, difference.diff, difference.note) == ("changed", None, "not shown, larger than 1 MB")


def test_all_diffs_together_are_bounded(paths, source, monkeypatch):
    monkeypatch.setattr(module, "_ALL_DIFFS", 60)
    stored = StoredSide(paths, take_snapshot(paths, str(source)).id)
    change_all(source)
    rows = compare(stored, FolderSide(str(source)))
    assert [row.path for row in rows] == [row[0] for row in EXPECTED]
    assert [row.path for row in rows if row.diff] == ["both", "content"]
    assert next(row for row in rows if row.path == "new").note == "not shown, the diffs are too many"
