import json
import os
import re
import threading
from pathlib import Path

import pytest
from espalier.adapters import files
from espalier.base import records
from espalier.base.errors import CODES, EspalierError


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b'{"format": "1"}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_record_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(EspalierError) as caught:
        records.read_record(str(path))
    assert caught.value.code == "damaged"
    assert caught.value.fields["path"] == str(path)


def test_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"format": 2}')
    with pytest.raises(EspalierError) as caught:
        records.read_record(str(path))
    assert caught.value.code == "newer_format"


def test_missing_record(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        records.read_record(str(tmp_path / "r.json"))


def test_unknown_fields_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"format": 1, "later": [1]}')
    assert records.read_record(str(path)) == {"format": 1, "later": [1]}


@pytest.mark.parametrize("text", ["é😀", "\ud800", "a\nb\0", "\\"])
def test_text_round_trip(tmp_path: Path, text: str) -> None:
    path = str(tmp_path / "r.json")
    records.replace_record(path, {"format": 1, "text": text}, str(tmp_path))
    assert records.read_record(path)["text"] == text


def test_replacing_changes_the_folder_of_the_temporary_file(tmp_path: Path) -> None:
    """Readers notice commits by the mtime of the shard folder."""
    run = tmp_path / "shard" / "run"
    run.mkdir(parents=True)
    os.utime(tmp_path / "shard", ns=(0, 0))
    records.replace_record(str(run / "r.json"), {"format": 1}, str(tmp_path / "shard"), sync=True)
    assert os.stat(tmp_path / "shard").st_mtime_ns > 0
    assert os.listdir(tmp_path / "shard") == ["run"]


def test_failed_replacement_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        records.replace_file(str(tmp_path / "gone" / "r.json"), b"x", str(tmp_path))
    with pytest.raises(ValueError):
        records.replace_record(str(tmp_path / "r.json"), {"x": float("nan")}, str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_readers_never_see_half_a_record(tmp_path: Path) -> None:
    path = str(tmp_path / "r.json")
    records.replace_record(path, {"format": 1, "text": "x" * 10_000}, str(tmp_path))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            records.replace_record(path, {"format": 1, "text": "y" * (number % 7 * 3000)}, str(tmp_path))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(500):
            records.read_record(path)
    finally:
        stop.set()
        thread.join()


def test_write_file_refuses_to_replace(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("first")
    with pytest.raises(FileExistsError):
        records.write_file(str(path), b"second")
    assert path.read_text() == "first"


def test_create_file_first_wins(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert files.create_file(str(path), b"first", str(tmp_path))
    assert not files.create_file(str(path), b"second", str(tmp_path))
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["f"]


def test_create_file_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    assert files.create_file(str(tmp_path / "f"), b"x", str(tmp_path))
    assert os.listdir(tmp_path) == ["f"]


def test_mode_of_a_secret_file(tmp_path: Path) -> None:
    records.write_file(str(tmp_path / "f"), b"x", mode=0o600)
    assert os.stat(tmp_path / "f").st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "seconds,text",
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1763923426.5, "2025-11-23T18:43:46.500000Z"),
        (-0.25, "1969-12-31T23:59:59.750000Z"),
        (1.9999999, "1970-01-01T00:00:01.999999Z"),
        (4e9, "2096-10-02T07:06:40.000000Z"),
    ],
)
def test_now_iso(seconds: float, text: str) -> None:
    assert records.now_iso(seconds) == text


def test_dump_is_plain_json_with_a_line_end() -> None:
    data = records.dump_record({"format": 1, "a": "é"})
    assert data.endswith(b"}\n")
    assert json.loads(data) == {"format": 1, "a": "é"}


def test_every_code_is_well_formed_and_used() -> None:
    source = Path(records.__file__).parents[1]
    text = "".join(path.read_text("utf-8") for path in source.rglob("*.py") if path.name != "errors.py")
    used = set(re.findall(r'EspalierError\(\s*"(\w+)"', text))
    assert used <= set(CODES)
    elsewhere = {"internal", "unsupported_data"}  # raised by the bridge
    elsewhere |= {"disk_full", "too_many_processes", "too_many_files", "out_of_memory"}  # (os_errors.py chooses)
    assert set(CODES) - used <= elsewhere | {"file_exists", "snapshot_damaged", "source_changed", "source_unreadable"}


def test_unknown_code_is_a_defect() -> None:
    with pytest.raises(KeyError):
        EspalierError("nonsense", "x")


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "device"])
def test_what_a_job_put_in_the_place_of_a_record(tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").write_text('{"format": 1}')
    path = tmp_path / "status.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "there" if kind == "link" else "/dev/zero")
    with pytest.raises(EspalierError, match="not a plain file") as caught:
        records.read_record(str(path), follow=kind == "device")
    assert caught.value.code == "damaged"
    if kind == "link":
        assert records.read_record(str(path), follow=True) == {"format": 1}


def test_a_record_that_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text('{"format": 1, "x": "' + "y" * 100 + '"}')
    read = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: read(fd, min(size, 7)))
    assert records.read_record(str(tmp_path / "a"))["x"] == "y" * 100


def test_a_record_has_a_line_for_each_field() -> None:
    """R finds a field of the outermost object by the beginning of its line."""
    data = records.dump_record({"a": 1, "b": {"a": 2, "c": ["x\n"]}, "d\n": None})
    assert data == b'{\n "a": 1,\n "b": {"a": 2, "c": ["x\\n"]},\n "d\\n": null\n}\n'
    assert json.loads(records.dump_record({})) == {}
