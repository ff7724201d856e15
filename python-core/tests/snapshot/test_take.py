import json
import os
import shutil
from pathlib import Path

import pytest
from espalier.base.errors import EspalierError
from espalier.runner.workdir import materialise
from espalier.snapshot import statcache, take
from espalier.snapshot.take import scan_source, store_scan, take_snapshot
from espalier.store.objects import MANY, SMALL
from espalier.store.packs import ObjectReader
from espalier.store.trees import read_tree


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "train.R").write_text("1\n")
    return folder


def test_the_manifest_holds_content_and_nothing_else(paths, source):
    (source / "sub").mkdir()
    (source / "none").mkdir()
    (source / "sub" / "run").write_text("2\n")
    (source / "sub" / "run").chmod(0o755)
    os.symlink("sub/run", source / "l")
    snapshot = take_snapshot(paths, str(source))
    manifest = read_tree(paths, snapshot.id)
    assert manifest["format"] == 2
    assert [(path, kind, size) for path, kind, _, size in manifest["entries"]] == [
        ("l", "l", 0),
        ("sub/run", "x", 2),
        ("train.R", "f", 2),
    ]
    assert manifest["entries"][0][2] == "sub/run" and len(manifest["entries"][1][2]) == 64
    assert (snapshot.files, snapshot.bytes, snapshot.source_directory) == (3, 4, str(source))
    assert snapshot.excluded_notes == []


def test_identity_is_content(paths, source, tmp_path):
    first = take_snapshot(paths, str(source)).id
    os.utime(source / "train.R", (1, 1))
    (source / "empty").mkdir()
    assert take_snapshot(paths, str(source)).id == first
    os.rename(source, tmp_path / "moved")
    assert take_snapshot(paths, str(tmp_path / "moved")).id == first
    (tmp_path / "moved" / "train.R").chmod(0o755)
    assert take_snapshot(paths, str(tmp_path / "moved")).id != first


def test_an_empty_folder(paths, tmp_path):
    (tmp_path / "none").mkdir()
    snapshot = take_snapshot(paths, str(tmp_path / "none"))
    assert (snapshot.files, snapshot.bytes) == (0, 0)
    assert read_tree(paths, snapshot.id)["entries"] == []


def test_the_user_is_told_of_outputs_secrets_and_links_to_what_is_left_out(paths, source):
    for name in ("outputs", "logs", "data"):
        (source / name).mkdir()
        (source / name / "x").write_text("")
    (source / ".Renviron").write_text("KEY=1")
    (source / "key.pem").write_text("")
    (source / ".gitignore").write_text("data/\n")
    os.symlink("data/x", source / "l")
    outputs, secrets, links = take_snapshot(paths, str(source)).excluded_notes
    assert "logs/ and outputs/" in outputs and "!/logs/ in .espalierignore" in outputs
    assert ".Renviron, key.pem" in secrets and "!/.Renviron" in secrets
    assert "l (to data/x)" in links
    assert not any("\n" in note for note in (outputs, secrets, links))
    (source / ".gitignore").write_text("!/logs/\n!/outputs/\n!/.Renviron\n!*.pem\n")
    assert take_snapshot(paths, str(source)).excluded_notes == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://x:ghp_0123456789abcdef0123@example.org/r", True),
        ("https://user:password@example.org/r", True),
        ("git@example.org:r", False),
    ],
)
def test_a_token_in_the_configuration_of_git_is_told(paths, source, url, told):
    (source / "sub" / ".git").mkdir(parents=True)
    (source / "sub" / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {url}\n')
    notes = take_snapshot(paths, str(source)).excluded_notes
    message = "Left out of the snapshot, because they may hold secrets: sub/.git/config (a token)."
    assert notes == ([message] if told else [])
    (source / ".env").write_text("")
    (note,) = take_snapshot(paths, str(source)).excluded_notes
    assert ("sub/.git/config" in note) is told and note.endswith("To include one, write !/.env in .espalierignore.")


def test_a_fifo_in_place_of_the_configuration_of_git_is_not_waited_for(paths, source):
    (source / ".git").mkdir()
    os.mkfifo(source / ".git" / "config")
    assert take_snapshot(paths, str(source)).excluded_notes == []


def test_names_in_notes_do_nothing_to_a_terminal(paths, source):
    (source / "\x1b[31m\n.pem").write_text("")
    (note,) = take_snapshot(paths, str(source)).excluded_notes
    assert "\\x1b[31m\\n.pem" in note and note.isprintable()


def test_a_large_snapshot_names_its_largest_files(paths, source, monkeypatch):
    monkeypatch.setattr(take, "_LARGE", 100)
    for name, size in (("a", 10), ("b", 50), ("c", 40), ("d", 30)):
        (source / name).write_text("x" * size)
    (note,) = take_snapshot(paths, str(source)).excluded_notes
    assert note.index("b (0 kB)") < note.index("c (0 kB)") < note.index("d (0 kB)")
    assert "a (" not in note and "write /b in .espalierignore" in note


def test_a_folder_swapped_for_a_link_is_not_entered(paths, source, tmp_path):
    (source / "sub" / "deep").mkdir(parents=True)
    (source / "sub" / "deep" / "f").write_text("")
    (tmp_path / "other" / "deep").mkdir(parents=True)
    (tmp_path / "other" / "deep" / "f").write_text("secret")
    found = scan_source(str(source))
    os.rename(source / "sub", tmp_path / "away")
    os.symlink(tmp_path / "other", source / "sub")
    with pytest.raises(EspalierError) as caught:
        store_scan(paths, found)
    assert caught.value.code == "source_changed" and "sub/deep" in caught.value.message


def test_a_file_that_goes_away_between_is_named(paths, source):
    found = scan_source(str(source))
    (source / "train.R").unlink()
    with pytest.raises(EspalierError) as caught:
        store_scan(paths, found)
    assert caught.value.code == "source_changed" and "train.R" in caught.value.message


def test_folders_are_opened_in_any_order(paths, source):
    for path in ("a/b/c/f", "a/b/g", "a.x/f", "a/b-c/f", "b/f", "f"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(path)
    snapshot = take_snapshot(paths, str(source))
    from hashlib import sha256

    stored = {path: content for path, _, content, _ in read_tree(paths, snapshot.id)["entries"]}
    assert len(stored) == 7
    assert all(stored[path] == sha256(path.encode()).hexdigest() for path in stored if path != "train.R")


def test_no_file_stays_open(paths, source):
    (source / "sub").mkdir()
    (source / "sub" / "f").write_text("")
    take_snapshot(paths, str(source))
    before = len(os.listdir("/proc/self/fd"))
    take_snapshot(paths, str(source))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def settled(monkeypatch):
    """Files just written are trusted at once."""
    monkeypatch.setattr(statcache, "RACY_NS", -(10**15))


def spoil(file):
    """Edits a file of the store without changing its size."""
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().translate(bytes(byte ^ 1 for byte in range(256))))


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("what", ["small", "middle", "large", "folder", "root", "all"])
def test_what_was_edited_is_found_and_the_next_snapshot_stores_it_anew(paths, source, settled, tmp_path, what, many):
    (source / "sub").mkdir()
    (source / "sub" / "small").write_text("small")
    (source / "middle").write_bytes(b"m" * (SMALL + 1))
    (source / "large").write_bytes(b"l" * ((8 << 20) + 1))
    for number in range(2 * MANY if many else 0):
        (source / f"{number}.R").write_text(f"# {number}")
    first = take_snapshot(paths, str(source))
    digests = {path: content for path, _, content, _ in read_tree(paths, first.id)["entries"]}
    digests.update(small=digests["sub/small"], root=first.id[7:])
    with ObjectReader(paths) as reader:
        digests["folder"] = next(e[2] for e in json.loads(reader.read(first.id[7:]))["entries"] if e[0] == "sub")
    loose = Path(paths.blob(digests[what])) if what != "all" else None
    damaged = [loose] if loose and loose.exists() else list(Path(paths.packs).glob("*.pack"))
    damaged = [*Path(paths.blobs).rglob("?" * 64), *damaged] if what == "all" else damaged
    assert damaged
    for file in damaged:
        spoil(file)
    assert take_snapshot(paths, str(source)) == first  # nothing has been read: nobody knows yet
    with pytest.raises(EspalierError) as caught:
        materialise(paths.root, first.id, str(tmp_path / "work"))
    assert caught.value.code == "snapshot_damaged"
    assert caught.value.hint == "Submit again from the source directory, which stores the files again."
    assert take_snapshot(paths, str(source)) == first
    materialise(paths.root, first.id, str(tmp_path / "work"))
    assert (tmp_path / "work" / "sub" / "small").read_text() == "small"
    assert not [name for _, _, names in os.walk(paths.root) for name in names if name.startswith(".tmp")]


@pytest.fixture
def synced(monkeypatch):
    """The files and folders that were waited for, in order."""
    seen = []
    real = os.fsync

    def fsync(fd):
        seen.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


@pytest.mark.parametrize("many", [False, True])
def test_all_that_it_consists_of_is_on_the_disk_before_it_returns(paths, source, settled, synced, many):
    (source / "middle").write_bytes(b"m" * (SMALL + 1))
    (source / "large").write_bytes(b"l" * ((8 << 20) + 1))
    for number in range(2 * MANY if many else 0):
        (source / f"{number}.R").write_text(f"# {number}")
    take_snapshot(paths, str(source))
    store = Path(paths.blobs).parent
    files = {str(path) for top in (paths.blobs, paths.packs) for path in Path(top).rglob("*") if path.is_file()}
    folders = {str(parent) for path in files for parent in Path(path).parents if str(parent).startswith(paths.root)}
    assert set(synced) == files | folders and str(store) in folders
    assert set(synced[: len(files)]) == files  # before the folders that their names are in
    synced.clear()
    take_snapshot(paths, str(source))
    assert synced == []  # nothing is new
    (source / "train.R").write_text("2\n")
    take_snapshot(paths, str(source))
    assert sorted(map(os.path.isdir, synced)) == [False] * 2 + [True] * (len(synced) - 2)  # the file, the root


@pytest.mark.parametrize("many", [False, True])
def test_what_others_stored_and_may_not_have_waited_for_is_waited_for(paths, source, synced, many):
    """As when another submit is on its way, or was killed."""
    (source / "large").write_bytes(b"l" * ((8 << 20) + 1))
    for number in range(2 * MANY if many else 0):
        (source / f"{number}.R").write_text(f"# {number}")
    take_snapshot(paths, str(source))
    first = set(synced)
    synced.clear()
    shutil.rmtree(paths.stat_caches)
    take_snapshot(paths, str(source))
    assert set(synced) == first


def test_long_names_and_names_that_differ_in_case_come_back(paths, source, tmp_path):
    names = ["é" * 127 + "x", "x" * 255, "Train.R", "TRAIN.R", "sub/A", "sub/a", "Sub/a"]
    for name in names:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(name)
    snapshot = take_snapshot(paths, str(source))
    materialise(paths.root, snapshot.id, str(tmp_path / "work"))
    assert all((tmp_path / "work" / name).read_text() == name for name in names)
    assert snapshot.files == len(names) + 1


def test_a_file_that_cannot_be_read_is_named(paths, source, as_user):
    (source / "closed").write_text("")
    (source / "closed").chmod(0)
    code = (
        "import sys; from espalier.snapshot.take import take_snapshot; from espalier.base.paths import WorkspacePaths\n"
        "from espalier.base.errors import EspalierError\n"
        "try: take_snapshot(WorkspacePaths(sys.argv[1]), sys.argv[2])\n"
        "except EspalierError as error: print(error.code, error.message)"
    )
    said = as_user(code, paths.root, str(source))
    assert said.strip() == "source_unreadable Can't read closed: Permission denied."
