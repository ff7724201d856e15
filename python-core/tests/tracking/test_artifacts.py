import os
import socket
from pathlib import Path
from typing import Iterator

import pytest
from espalier.adapters.files import remove_tree
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.tracking.artifacts import (
    checked_parts,
    copy_parts,
    download,
    file_names,
    file_parts,
    listed_name,
    open_artifact,
)
from espalier.tracking.transfers import download_all, upload
from hypothesis import given
from hypothesis import strategies as st
from scratch import give_scratch


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunPaths]:
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    for folder in (paths.outputs, paths.logs, os.path.dirname(paths.log)):
        os.makedirs(folder)
    (tmp_path / "secret").write_text("secret")
    yield paths
    remove_tree(str(tmp_path / "runs"))


def read(run: RunPaths, name: str) -> str:
    with os.fdopen(open_artifact(run, name)) as file:
        return file.read()


def readable(run: RunPaths, name: str) -> bool:
    try:
        read(run, name)
    except EspalierError:
        return False
    return True


def test_listing_and_reading(run: RunPaths) -> None:
    Path(run.outputs, "sub").mkdir()
    Path(run.outputs, "sub", "é 1.txt").write_text("x")
    Path(run.log).write_text("log")
    Path(run.spec).write_text("{}")
    assert file_names(run) == ["outputs/sub/é 1.txt", "user_logs/std_log.txt"]
    assert [read(run, name) for name in file_names(run)] == ["x", "log"]


@pytest.mark.parametrize(
    "name",
    ["", "/", "..", ".", "../secret", "outputs/../../secret", "outputs/../spec.json", "outputs/./a", "outputs//a",
     "/etc/passwd", "outputs/", "outputs\\..\\secret", "outputs/a\0b", "outputs/a\nb", "\x7f", "outputs/..", "\ud800"],
)  # fmt: skip
def test_names_that_are_none(run: RunPaths, name: str, tmp_path: Path) -> None:
    Path(run.spec).write_text("{}")
    for use in (lambda: open_artifact(run, name), lambda: upload(run, [(name, str(tmp_path / "secret"))])):
        with pytest.raises(EspalierError) as caught:
            use()
        assert caught.value.code == "bad_name"


@pytest.mark.parametrize(
    "name",
    ["outputs/gone", "spec.json", "env.json", "work/a", "events/w.jsonl", "requests/cancel.json", "%2e%2e/secret",
     "outputs/%2e%2e/%2e%2e/secret", "outputs/..%2fsecret", "file:///etc/passwd", "C:", "outputs/" + "x" * 300,
     "~/secret", "outputs/a/b"],
)  # fmt: skip
def test_what_is_no_artifact(run: RunPaths, name: str) -> None:
    for path in (run.spec, run.env):
        Path(path).write_text("{}")
    with pytest.raises(EspalierError) as caught:
        open_artifact(run, name)
    assert caught.value.code in ("artifact_missing", "bad_name")


def test_a_missing_file_names_the_present_ones(run: RunPaths) -> None:
    Path(run.outputs, "model.rds").write_text("")
    with pytest.raises(EspalierError, match=r"It has: outputs/model\.rds"):
        open_artifact(run, "outputs/model.RDS")


ODD = [b"a\\b", b"a\nb", b"\x01\x7f\x1b[31m", b"\xff\xfe", b"caf\xe9", b"\\x0a", b"x" * 255, "\u00e9".encode() * 127, b"\n" * 255,
       b"\\", b" ", b"-rf", b"~", b"%0a", b"\xe2\x80\xae", b"..\\..\\secret"]  # fmt: skip


def test_everything_listed_can_be_downloaded(run: RunPaths, tmp_path: Path) -> None:
    for number, name in enumerate(ODD):
        folder = os.path.join(os.fsencode(run.outputs), str(number).encode(), name)
        os.makedirs(folder)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    names = file_names(run)
    assert len(names) == len(ODD)
    contents = set()
    for number, name in enumerate(names):
        name.encode("utf-8")
        target = tmp_path / f"copies{number}"
        target.mkdir()
        with open(download(run, name, str(target)), "rb") as file:
            contents.add(file.read())
        assert len(os.listdir(target)) == 1
    assert contents == set(ODD)
    written = download_all(run, None, str(tmp_path / "all"))
    assert len(set(written)) == len(ODD) and all(path.startswith(str(tmp_path / "all" / "outputs")) for path in written)
    assert sorted(os.listdir(tmp_path)) == sorted(["all", "runs", "secret", *(f"copies{n}" for n in range(len(ODD)))])


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and b"/" not in name and name not in (b".", b"..")))
def test_listed_names_lead_back(name: bytes) -> None:
    stored = os.fsdecode(name)
    listed = listed_name(stored)
    assert file_parts(listed) == [stored] and listed.isprintable() >= stored.isprintable()
    assert len(os.fsencode(copy_parts(listed)[0])) <= 255


@pytest.mark.parametrize("name", ["\\x2e\\x2e/secret", "a\\x2fb", "a\\x00", "a\\x41", "a\\", "a\\X0a", "a\\x5C", "..\\x0a/..", "/\\x0a"])
def test_escapes_that_no_listing_has(run: RunPaths, name: str) -> None:
    with pytest.raises(EspalierError) as caught:
        open_artifact(run, name)
    assert caught.value.code == "bad_name"


def test_links_are_listed_and_never_followed(run: RunPaths, tmp_path: Path) -> None:
    os.symlink(tmp_path / "secret", Path(run.outputs, "file"))
    os.symlink("/etc", Path(run.outputs, "folder"))
    os.symlink("../../../../secret", Path(run.outputs, "relative"))
    assert file_names(run) == ["outputs/file", "outputs/folder", "outputs/relative"]
    for name in ["outputs/file", "outputs/folder", "outputs/folder/passwd", "outputs/relative"]:
        with pytest.raises(EspalierError) as caught:
            download(run, name, str(tmp_path / "copy"))
        assert caught.value.code == "artifact_unsafe"
    assert not (tmp_path / "copy").exists()


def test_a_kept_folder_that_became_a_link(run: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f").write_text("secret")
    os.rmdir(run.outputs)
    os.symlink(tmp_path / "elsewhere", run.outputs)
    assert file_names(run) == []
    with pytest.raises(EspalierError) as caught:
        open_artifact(run, "outputs/f")
    assert caught.value.code == "artifact_unsafe"
    with pytest.raises(EspalierError) as caught:
        upload(run, [("outputs/new", str(tmp_path / "secret"))])
    assert caught.value.code == "artifact_unsafe"
    assert not (tmp_path / "elsewhere" / "new").exists()


def test_fifos_and_sockets_stop_nobody(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(Path(run.outputs, "fifo"))
    monkeypatch.chdir(run.outputs)  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert file_names(run) == ["outputs/fifo", "outputs/socket"]
        for name in file_names(run):
            with pytest.raises(EspalierError) as caught:
                open_artifact(run, name)
            assert caught.value.code == "artifact_unsafe"


def test_hard_links(run: RunPaths, tmp_path: Path) -> None:
    Path(run.outputs, "own").write_text("mine")
    os.link(Path(run.outputs, "own"), Path(run.outputs, "twice"))
    assert read(run, "outputs/twice") == "mine"


def test_a_hard_link_to_another_users_file(run: RunPaths, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of another user")
    os.chown(tmp_path / "secret", 65534, 65534)
    os.link(tmp_path / "secret", Path(run.outputs, "theirs"))
    with pytest.raises(EspalierError, match="another user") as caught:
        open_artifact(run, "outputs/theirs")
    assert caught.value.code == "artifact_unsafe"


def test_deep_folders(run: RunPaths) -> None:
    fd = os.open(run.outputs, os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    Path(run.outputs, "shallow").write_text("")
    assert "outputs/shallow" in file_names(run)
    assert read(run, "outputs/" + "d/" * 2500 + "f") == ""


@pytest.mark.parametrize("directory", ["", "project/a"])
def test_what_a_job_has_written_is_seen_while_it_runs(run: RunPaths, tmp_path: Path, directory: str) -> None:
    scratch = give_scratch(run, str(tmp_path / "w"), directory)
    os.mkdir(os.path.join(scratch.job, "outputs"))
    Path(scratch.job, "outputs", "new").write_text("new")
    assert file_names(run) == ["outputs/new"] and read(run, "outputs/new") == "new"
    os.rename(os.path.join(scratch.job, "outputs"), tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", os.path.join(scratch.job, "outputs"))
    assert file_names(run) == [] and not readable(run, "outputs/new"), "no link is followed"


def test_download(run: RunPaths, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    Path(run.outputs, "a b.bin").write_bytes(data)
    target = tmp_path / "new" / "folder" / "copy.bin"
    assert download(run, "outputs/a b.bin", str(target)) == str(target)
    assert target.read_bytes() == data
    assert download(run, "outputs/a b.bin", str(tmp_path)) == str(tmp_path / "a b.bin")
    assert sorted(os.listdir(tmp_path)) == ["a b.bin", "new", "runs", "secret"]


def test_parts() -> None:
    assert checked_parts("outputs/a b/..c/d.") == ["outputs", "a b", "..c", "d."]


def test_a_hole_stays_a_hole(run: RunPaths, tmp_path: Path) -> None:
    path = Path(run.outputs, "sparse")
    with open(path, "wb") as file:
        file.write(b"begin")
        file.seek(32 << 20)
        file.write(b"middle")
        file.truncate(64 << 20)
    if os.stat(path).st_blocks * 512 > 1 << 20:
        pytest.skip("the file system has no holes")
    copies = [download(run, "outputs/sparse", str(tmp_path / "one"))]
    copies += [name for name in download_all(run, "outputs/", str(tmp_path / "all")) if name.endswith("sparse")]
    for copy in copies:
        assert os.stat(copy).st_blocks * 512 < 1 << 20 and os.stat(copy).st_size == 64 << 20
        assert Path(copy).read_bytes() == path.read_bytes()
