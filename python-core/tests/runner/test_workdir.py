import os
import subprocess
import sys
from pathlib import Path

import espalier
import pytest
from bare import bare
from espalier.base import accel
from espalier.base.canonical import canonical_json, digest
from espalier.base.errors import EspalierError
from espalier.runner import workdir
from espalier.runner.workdir import materialise
from espalier.snapshot.take import take_snapshot
from espalier.store.trees import read_tree


@pytest.fixture
def paths(tmp_path):
    return bare(tmp_path / "ws")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "deep é.R").write_text("deep")
    (folder / "a" / "x.R").write_text("x")
    (folder / "empty").write_text("")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    (folder / "train.R").write_text("train")
    os.symlink("../train.R", folder / "a" / "link")
    return folder


def tree(folder):
    found = {}
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(top, name)
            relative = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[relative] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[relative] = (file.read(), oct(os.stat(path).st_mode & 0o777))
    return found


def put_tree(paths, manifest):
    """A manifest in the first format, as workspaces of earlier versions have them."""
    snapshot_id = digest(manifest)
    path = paths.tree(snapshot_id[7:])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(canonical_json(manifest))
    return snapshot_id


def damage(caught, name):
    assert caught.value.code == "snapshot_damaged"
    assert name in caught.value.message


@pytest.mark.parametrize("small", [8 << 20, 2])
def test_a_snapshot_comes_back(paths, source, tmp_path, monkeypatch, small):
    monkeypatch.setattr(workdir, "_WHOLE", small)
    monkeypatch.setattr(workdir, "_CHUNK", 3)
    snapshot = take_snapshot(paths, str(source))
    dest = tmp_path / "work"
    old = os.umask(0o077)
    try:
        materialise(paths.root, snapshot.id, str(dest))
    finally:
        os.umask(old)
    assert tree(dest) == {
        "a/b/deep é.R": (b"deep", "0o644"),
        "a/link": "../train.R",
        "a/x.R": (b"x", "0o644"),
        "empty": (b"", "0o644"),
        "run.sh": (b"#!/bin/sh\n", "0o755"),
        "train.R": (b"train", "0o644"),
    }
    assert os.stat(dest / "train.R").st_nlink == 1
    assert not os.path.exists(f"{dest}.part")


def test_an_edit_of_the_copy_does_not_reach_the_store(paths, source, tmp_path):
    snapshot = take_snapshot(paths, str(source))
    materialise(paths.root, snapshot.id, str(tmp_path / "one"))
    (tmp_path / "one" / "train.R").write_text("edited")
    materialise(paths.root, snapshot.id, str(tmp_path / "two"))
    assert (tmp_path / "two" / "train.R").read_text() == "train"


def test_an_empty_snapshot_and_an_empty_destination(paths, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "work").mkdir()
    snapshot = take_snapshot(paths, str(tmp_path / "none"))
    materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    assert os.listdir(tmp_path / "work") == []


@pytest.mark.parametrize("how", ["edited", "truncated", "longer", "missing"])
def test_a_damaged_file_is_named_and_nothing_is_left(paths, source, tmp_path, how):
    snapshot = take_snapshot(paths, str(source))
    import hashlib

    blob = paths.blob(hashlib.sha256(b"train").hexdigest())
    os.unlink(blob)
    if how != "missing":
        Path(blob).write_bytes({"edited": b"trait", "truncated": b"tra", "longer": b"train\n"}[how])
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    damage(caught, "train.R")
    assert not os.path.exists(tmp_path / "work") and not os.path.exists(tmp_path / "work.part")


@pytest.mark.parametrize("how", ["edited", "missing"])
def test_a_damaged_manifest_is_named(paths, source, tmp_path, how):
    snapshot = take_snapshot(paths, str(source))
    path = paths.blob(snapshot.id[7:])
    os.unlink(path)
    if how == "edited":
        Path(path).write_text('{"entries":[],"format":2}')
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    damage(caught, path)


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "entries",
    [
        [["/etc/x", "f", EMPTY, 0]],
        [["../x", "f", EMPTY, 0]],
        [["a/../../x", "f", EMPTY, 0]],
        [["a//x", "f", EMPTY, 0]],
        [["", "f", EMPTY, 0]],
        [["l", "l", "/tmp", 0], ["l/x", "f", EMPTY, 0]],
        [["l/d/x", "f", EMPTY, 0], ["l", "l", "/tmp", 0]],
        [["x", "f", EMPTY, 0], ["x", "f", EMPTY, 0]],
        [["x", "f", "../../../etc/passwd", 0]],
        [["x", "fx", EMPTY, 0]],
    ],
)
def test_a_manifest_that_leads_outside_is_refused(paths, tmp_path, entries):
    (tmp_path / "e").write_text("")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "e").write_text("")
    take_snapshot(paths, str(tmp_path / "source"))
    snapshot_id = put_tree(paths, {"format": 1, "entries": entries})
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, snapshot_id, str(tmp_path / "work"))
    damage(caught, snapshot_id)
    assert not os.path.exists(tmp_path / "work")


def test_a_newer_manifest_is_refused(paths, tmp_path):
    snapshot_id = put_tree(paths, {"format": 2, "entries": []})
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, snapshot_id, str(tmp_path / "work"))
    assert caught.value.code == "newer_format"


def test_what_a_killed_runner_left_is_replaced_but_a_full_folder_is_not(paths, source, tmp_path):
    snapshot = take_snapshot(paths, str(source))
    part = tmp_path / "work.part"
    part.mkdir()
    (part / "stale").write_text("")
    materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    assert "stale" not in tree(tmp_path / "work")
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    assert caught.value.code == "file_exists"
    assert not part.exists()


@pytest.fixture(params=["native", "twin"])
def many(request, tmp_path, monkeypatch):
    """More than one thread is worth; written by the native scanner, and by its twin."""
    if request.param == "twin":
        monkeypatch.setenv("ESPALIER_NATIVE", "no")
    elif accel.native() is None:
        pytest.skip("the native scanner is not built")
    monkeypatch.setattr(workdir, "_BATCH", 5)
    monkeypatch.setattr(workdir, "_WHOLE", 50)
    monkeypatch.setattr(workdir.os, "cpu_count", lambda: 4)
    folder = tmp_path / "many"
    for number in range(300):
        path = folder / f"d{number % 7}" / f"e{number % 3}" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number) * (number % 60))
    (folder / "d1" / "run").write_bytes(os.urandom(100_000))
    (folder / "d1" / "run").chmod(0o755)
    (folder / "large").write_bytes(os.urandom(1_200_000))
    (folder / "a folder é").mkdir()
    os.symlink("../large", folder / "a folder é" / "link")
    return folder


def test_many_files_are_written_by_several_threads(paths, many, tmp_path):
    snapshot = take_snapshot(paths, str(many))
    old = os.umask(0o077)
    try:
        materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    finally:
        os.umask(old)
    assert tree(tmp_path / "work") == tree(many)


def test_the_native_scanner_leaves_nothing_but_links_when_all_is_well(paths, many, tmp_path, monkeypatch):
    left = []
    real = workdir._fill_natively
    monkeypatch.setattr(workdir, "_fill_natively", lambda *args: left.append(real(*args)) or left[0])
    snapshot = take_snapshot(paths, str(many))
    materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    expected = 303 if accel.native() is None else 1
    assert len(left[0]) == expected and ["a folder é/link", "l", "../large", 0] in left[0]


@pytest.mark.parametrize("how", ["edited", "truncated", "longer", "missing"])
@pytest.mark.parametrize("name", ["d1/run", "large"])
def test_a_damaged_large_file_is_named(paths, many, tmp_path, name, how):
    snapshot = take_snapshot(paths, str(many))
    (blob,) = (entry[2] for entry in read_tree(paths, snapshot.id)["entries"] if entry[0] == name)
    path = Path(paths.blob(blob))
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes({"edited": bytes([data[0] ^ 1]) + data[1:], "truncated": data[:-1], "longer": data + b"x"}[how])
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    damage(caught, name)
    assert not os.path.exists(tmp_path / "work") and not os.path.exists(tmp_path / "work.part")


def test_the_holes_of_a_large_file_stay_holes(paths, many, tmp_path):
    with open(many / "sparse", "wb") as file:
        file.write(b"begin")
        file.truncate(64 << 20)
    snapshot = take_snapshot(paths, str(many))
    materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    seen = os.stat(tmp_path / "work" / "sparse")
    assert seen.st_size == 64 << 20 and seen.st_blocks * 512 < 8 << 20


def test_damage_that_one_of_several_threads_finds_is_named_and_nothing_is_left(paths, many, tmp_path):
    snapshot = take_snapshot(paths, str(many))
    (pack,) = Path(paths.packs).glob("*.pack")
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes().replace(b"259259", b"259250"))
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    damage(caught, "d0/e1/259")
    assert "Submit again" in caught.value.hint
    assert not os.path.exists(tmp_path / "work") and not os.path.exists(tmp_path / "work.part")


@pytest.fixture
def deep_path(tmp_path):
    """Removed here: what removes old folders for pytest may not reach that deep."""
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


def test_three_thousand_levels(paths, deep_path):
    path = "d/" * 3000 + "e"
    (deep_path / "source").mkdir()
    (deep_path / "source" / "e").write_text("")
    take_snapshot(paths, str(deep_path / "source"))
    snapshot_id = put_tree(paths, {"format": 1, "entries": [[path, "f", EMPTY, 0]]})
    materialise(paths.root, snapshot_id, str(deep_path / "work"))
    depth, fd = 0, os.open(deep_path / "work", os.O_RDONLY)
    while os.listdir(fd) == ["d"]:
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd, depth = below, depth + 1
    assert (depth, os.listdir(fd)) == (3000, ["e"])
    os.close(fd)


def test_it_needs_nothing_but_the_standard_library():
    """In isolated mode, without site-packages, and with the readers of the store and nothing above them."""
    root = os.path.dirname(os.path.dirname(espalier.__file__))
    code = (
        f"import sys; sys.path.insert(0, {root!r}); import espalier.runner.workdir; "
        "print(*sorted(n for n in sys.modules if n.startswith('espalier')))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    store = ("adapters", "adapters.copying", "adapters.files", "adapters.moving", "store", "store.packs", "store.trees")
    base = ("base", "base.canonical", "base.errors", "base.hashing", "base.paths", "base.progress", "base.records",
            "base.store_paths")  # fmt: skip
    others = (*base, "runner", "runner.workdir", *store)
    allowed = {"espalier." + name for name in others}
    assert set(done.stdout.split()) <= allowed | {"espalier"}
