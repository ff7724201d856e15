import os

import pytest
from espalier.base.errors import EspalierError
from espalier.snapshot.preview import snapshot_preview


def test_columns(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("")
    (tmp_path / "a.csv").write_text("12")
    (tmp_path / "train.R").write_text("1")
    (tmp_path / ".gitignore").write_text("data/\n*.csv\n")
    assert snapshot_preview(str(tmp_path)).columns == {
        "path": [".gitignore", "a.csv", "data/", "train.R"],
        "size": [12, 2, None, 1],
        "included": [True, False, False, True],
        "rule": [None, "*.csv (.gitignore:2)", "data/ (.gitignore:1)", None],
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "a.csv", "data", "train.R"]


def test_links_out_of_the_folder(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "ext").mkdir()
    (tmp_path / "ext" / "x").write_text("12")
    (tmp_path / "ext" / ".env").write_text("12")
    os.symlink(tmp_path / "ext", tmp_path / "source" / "e")
    os.symlink(tmp_path / "ext" / ".env", tmp_path / "source" / "f")
    columns = snapshot_preview(str(tmp_path / "source"), outside_links="copy").columns
    assert (columns["path"], columns["included"]) == (["e/.env", "e/x", "f"], [False, True, False])
    assert columns["rule"] == [".env (default)", None, ".env (default)"]
    assert snapshot_preview(str(tmp_path / "source"), outside_links="keep").columns["path"] == ["e", "f"]


def test_a_missing_folder(tmp_path):
    with pytest.raises(EspalierError) as caught:
        snapshot_preview(str(tmp_path / "none"))
    assert caught.value.code == "source_missing"
