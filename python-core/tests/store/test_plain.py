import os
from pathlib import Path

import pytest
from espalier.store import plain
from espalier.store.plain import open_stored, read_stored


def test_a_plain_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"content")
    assert read_stored(str(tmp_path / "object")) == b"content"


def test_folders_on_the_way_may_be_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "object").write_bytes(b"content")
    (tmp_path / "store").symlink_to("elsewhere")
    assert read_stored(str(tmp_path / "store" / "object")) == b"content"


@pytest.mark.parametrize("kind", ["a named pipe", "a link", "a folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "object"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a link":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=f"it is {kind}, not a plain file"):
        open_stored(str(path))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "WHOLE_BYTES", 10)
    (tmp_path / "object").write_bytes(b"x" * 11)
    with pytest.raises(OSError, match="it has 11 bytes, and 10 are the most"):
        read_stored(str(tmp_path / "object"))
