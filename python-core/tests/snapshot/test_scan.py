import json
import os
import socket
import stat
import subprocess

import pytest
from espalier.base.errors import EspalierError
from espalier.snapshot.ignore import IgnoreRules
from espalier.snapshot.scan import scan


def scanned(folder):
    return scan(str(folder), IgnoreRules.load(str(folder)))


def refusal(folder):
    with pytest.raises(EspalierError) as caught:
        scanned(folder)
    return caught.value


def test_files_are_sorted_and_described(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.R").write_text("12")
    (tmp_path / "a.sh").write_text("")
    (tmp_path / "a.sh").chmod(0o755)
    (tmp_path / "b.R").write_text("1")
    os.symlink("b/x.R", tmp_path / "l")
    found = scanned(tmp_path)
    assert [(e.path, e.kind, e.executable, e.size, e.target) for e in found.files] == [
        ("a.sh", "file", True, 0, ""),
        ("b.R", "file", False, 1, ""),
        ("b/x.R", "file", False, 2, ""),
        ("l", "link", False, 0, "b/x.R"),
    ]
    assert found.files[1].mtime_ns == (tmp_path / "b.R").stat().st_mtime_ns


def test_an_excluded_folder_is_listed_once_and_not_entered(tmp_path):
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "pipe")
    (tmp_path / ".gitignore").write_text("data/\n*.csv\n")
    (tmp_path / "x.csv").write_text("")
    found = scanned(tmp_path)
    assert [(e.path, e.is_dir, e.decision.origin) for e in found.excluded] == [
        ("data", True, ".gitignore:1"),
        ("x.csv", False, ".gitignore:2"),
    ]
    because = found.why_excluded("data/deep/a")
    assert because is not None and (because.decision.rule, because.decision.origin) == ("data/", ".gitignore:1")
    assert found.why_excluded(".gitignore") is None and found.why_excluded("dat") is None


def test_environments_and_workspaces_are_known_by_their_contents(tmp_path):
    for name in ("env", "kept", "ws", "mine"):
        (tmp_path / name).mkdir()
    for name in ("env", "kept"):
        (tmp_path / name / "pyvenv.cfg").write_text("")
    for name in ("ws", "mine"):
        (tmp_path / name / "runs").mkdir()
        (tmp_path / name / "runs" / "x").write_text("")
    (tmp_path / "ws" / "workspace.json").write_text(json.dumps({"format": 1, "id": "i"}))
    (tmp_path / "mine" / "workspace.json").write_text("{}")
    (tmp_path / ".gitignore").write_text("!kept/\n")
    found = scanned(tmp_path)
    assert [e.path for e in found.excluded] == ["env", "ws"]
    assert [e.path for e in found.files] == [".gitignore", "kept/pyvenv.cfg", "mine/runs/x", "mine/workspace.json"]


def test_a_source_that_is_a_workspace_leaves_its_records_out(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "train.R").write_text("")
    (tmp_path / "workspace.json").write_text(json.dumps({"format": 1, "id": "i"}))
    found = scanned(tmp_path)
    assert [e.path for e in found.files] == ["train.R"]
    assert [e.path for e in found.excluded] == ["runs", "workspace.json"]


@pytest.fixture
def deep_path(tmp_path):
    """Removed here: what removes old folders for pytest may not reach that deep."""
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


def test_three_thousand_levels(deep_path):
    fd = os.open(deep_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("f", os.O_CREAT, dir_fd=fd))
    os.close(fd)
    assert [e.path for e in scanned(deep_path).files] == ["d/" * 3000 + "f"]


@pytest.mark.parametrize(
    ("target", "seen"),
    [("/etc/passwd", "absolute"), ("../x", "outside"), ("hop/x", "outside"), ("d/../../x", "outside")],
)
def test_a_link_that_leaves_the_folder_is_refused(tmp_path, target, seen):
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    os.symlink("..", source / "d" / "up")
    os.symlink("d/up/..", source / "hop")
    os.symlink(target, source / "a")
    (source / ".gitignore").write_text("/hop\n")
    error = refusal(source)
    assert error.code == "source_unreadable" and seen in error.message
    assert "a links to " in error.message and target in error.message
    assert "/a in .espalierignore" in error.hint and "inputs = list(" in error.hint
    (source / ".gitignore").write_text("/hop\n/a\n")
    assert "a" not in [e.path for e in scanned(source).files]


def test_links_inside_are_kept_even_dangling_or_circular(tmp_path):
    (tmp_path / "d").mkdir()
    for name, target in (("d/up", ".."), ("self", "self"), ("gone", "no/such"), ("here", ".")):
        os.symlink(target, tmp_path / name)
    assert [(e.path, e.target) for e in scanned(tmp_path).files] == [
        ("d/up", ".."),
        ("gone", "no/such"),
        ("here", "."),
        ("self", "self"),
    ]


def test_special_files_are_refused_by_name_with_a_line_that_works(tmp_path):
    os.mkfifo(tmp_path / "a[1]*")
    error = refusal(tmp_path)
    assert error.code == "source_unreadable" and "a FIFO" in error.message and "a[1]*" in error.message
    line = "/a\\[1]\\*"
    assert f"the line {line} in .espalierignore" in error.hint
    (tmp_path / ".espalierignore").write_text(line)
    assert [e.path for e in scanned(tmp_path).files] == [".espalierignore"]


def test_a_device_is_refused(tmp_path):
    try:
        os.mknod(tmp_path / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device takes root")
    assert "null" in refusal(tmp_path).message and "is a device" in refusal(tmp_path).message


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert "a socket" in refusal(tmp_path).message


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_names_that_are_not_utf8_are_refused_unless_ignored(tmp_path, kind):
    raw = os.fsencode(tmp_path) + b"/caf\xe9"
    if kind == "file":
        open(raw, "w").close()
    elif kind == "folder":
        os.mkdir(raw)
    else:
        os.symlink(b"\xff", os.fsencode(tmp_path) + b"/caf\xe9")
    error = refusal(tmp_path)
    assert error.code == "source_unreadable" and "caf\\xe9" in error.message
    str(error).encode("utf-8")
    (tmp_path / ".gitignore").write_text("/caf?\n")
    assert [e.path for e in scanned(tmp_path).files] == [".gitignore"]


def test_a_link_target_that_is_not_utf8_is_refused(tmp_path):
    os.symlink(b"caf\xe9", os.fsencode(tmp_path) + b"/l")
    assert "caf\\xe9" in refusal(tmp_path).message


def test_a_missing_source_and_a_file(tmp_path):
    (tmp_path / "f").write_text("")
    for name in ("none", "f"):
        with pytest.raises(EspalierError) as caught:
            scan(str(tmp_path / name), IgnoreRules.load(str(tmp_path / name)))
        assert caught.value.code == "source_missing" and name in caught.value.message


def test_unusual_names_are_kept(tmp_path):
    names = ["a b", "émoji 😀", "new\nline", "quo'te\"", "-dash", "back\\slash"]
    for name in names:
        (tmp_path / name).write_text("")
    assert [e.path for e in scanned(tmp_path).files] == sorted(names)
