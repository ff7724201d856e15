"""Native scanner and twin beside each other, and what only the native one has to be careful about."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from bare import bare
from espalier.base import accel
from espalier.base.errors import EspalierError
from espalier.base.progress import Cancelled, Listener, listening
from espalier.snapshot import native, statcache
from espalier.snapshot.native import NativeWalk
from espalier.snapshot.plain import PlainWalk
from espalier.snapshot.take import scan_source, store_scan, take_snapshot
from espalier.store.objects import MANY, SMALL
from espalier.store.packs import HEADER, MAGIC
from espalier.store.trees import read_tree
from hanging import not_hanging


@pytest.fixture
def scanner():
    """Both, here."""
    if accel.native() is None:
        pytest.skip("the native scanner is not built")


@pytest.fixture
def twin(monkeypatch):
    def call(function, *args):
        with monkeypatch.context() as patched:
            patched.setenv("ESPALIER_NATIVE", "no")
            return function(*args)

    return call


NAMES = ["a", "b", "ab", "a.b", "x.csv", "venv", "outputs", "renv", "library", "é", ".env", ".ENV.local", ".env.example", "k.pem", "K.KEY", "my-service-account.json", ".aws", "credentials", "d d", "[x]", "packrat"]
RULES = ["a", "/a", "b/", "!ab", "*.csv", "!x.csv", "a/b", "a/**", "**/b", "a/*/b", "[a-b]", "!/a/", "a?", "a*", "**/é",
         "!.env", "!venv/", "!k.pem", "d\\ d", "\\[x\\]", "*b", "/**/ab", "a**/b", "!library"]  # fmt: skip


def grow(rng, folder, depth=0):
    for name in rng.sample(NAMES, rng.randrange(1, 6)):
        path = folder / name
        kind = rng.random()
        if kind < 0.4 and depth < 4:
            path.mkdir()
            grow(rng, path, depth + 1)
        elif kind < 0.5:
            os.symlink(rng.choice(["a", "b", "."]), path)
        else:
            path.write_bytes(rng.choice([b"", b"1", b"22", rng.randbytes(50)]))
            path.chmod(rng.choice([0o644, 0o755]))


@pytest.mark.parametrize("seed", range(60))
def test_both_find_and_store_the_same(paths, tmp_path, twin, seed):
    rng = random.Random(seed)
    source = tmp_path / "source"
    source.mkdir()
    grow(rng, source)
    (source / ".gitignore").write_text("\n".join(rng.sample(RULES, rng.randrange(len(RULES)))))
    one, other = scan_source(str(source)), twin(scan_source, str(source))
    assert (type(one.walked), type(other.walked)) == (NativeWalk, PlainWalk)
    assert one.files == other.files
    assert one.excluded == other.excluded
    assert one.walked.links() == other.walked.links()
    first = store_scan(paths, one)
    second = store_scan(bare(tmp_path / "other"), other)
    assert (first.id, first.files, first.bytes, first.excluded_notes) == (
        second.id, second.files, second.bytes, second.excluded_notes
    )  # fmt: skip
    assert statcache.unpack(one.walked.remember() + b"0" * 32)._replace(began_ns=0) == statcache.unpack(
        other.walked.remember() + b"0" * 32
    )._replace(began_ns=0)


PARTS = ["a", "b", "é", "*", "**", "***", "?", "/", "[ab]", "[!a]", "[^b]", "[a-z]", "[]a]", "[[:alpha:]]", "[[:x:]]",
         "[[:alpha]", "[a", "\\\\", "\\*", "\\/", "-", "[b-]", "[\\]]", ".", "ab", "/**/", "**/", "/**"]  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")
@pytest.mark.parametrize("seed", range(40))
def test_the_scanner_matches_as_git_does(tmp_path, seed):
    rng = random.Random(seed)
    source = tmp_path / "source"
    source.mkdir()
    names, NAMES[:] = NAMES[:], ["a", "b", "ab", "aé", "é", "a-b", "[a", "a.b", "*", "]", "-", "\\\\a"]
    try:
        grow(rng, source)
    finally:
        NAMES[:] = names
    lines = []
    for _ in range(rng.randrange(1, 12)):
        text = "".join(rng.choice(PARTS) for _ in range(rng.randrange(1, 5)))
        text = text.rstrip("/") if rng.random() < 0.7 else text.rstrip("/") + "/"
        if text.strip("/\\"):
            lines.append("!" * (rng.random() < 0.2) + text)
    (source / ".gitignore").write_text("\n".join(lines) + "\n")
    rules = [(line.lstrip("!").encode(), line.startswith("!")) for line in lines]
    given = [(text[:-1] if text.endswith(b"/") else text, negated, text.endswith(b"/")) for text, negated in rules]
    scanner = accel.native()
    walk = scanner.walk(os.fsencode(source), 0, scanner.Rules(given), False, set(), lambda _: -1, {}, lambda _: None)
    seen = {(path, lines[rule]) for path, _, rule in walk.left_out()}
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    kept = {entry[0].encode() for entry in walk.entries(False) if not entry[0].startswith(".git")}
    asked = b"\0".join([path for path, _ in seen] + sorted(kept))
    argv = ["git", "check-ignore", "-v", "-z", "--no-index", "--stdin"]
    told = subprocess.run(argv, input=asked, cwd=source, stdout=subprocess.PIPE).stdout.split(b"\0")[:-1]
    git = {(told[at + 3], told[at + 2].decode()) for at in range(0, len(told), 4)}
    assert {item for item in git if not item[1].startswith("!")} == seen


def test_what_one_remembers_serves_the_other(paths, tmp_path, twin, monkeypatch):
    monkeypatch.setattr(statcache, "RACY_NS", -(10**15))
    source = tmp_path / "source"
    source.mkdir()
    grow(random.Random(3), source)
    first = take_snapshot(paths, str(source))
    monkeypatch.setattr("espalier.snapshot.take.ObjectWriter", None)
    assert twin(take_snapshot, paths, str(source)) == first
    assert take_snapshot(paths, str(source)) == first


@pytest.fixture
def many(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3 * MANY):
        (source / f"d{number % 9}").mkdir(exist_ok=True)
        (source / f"d{number % 9}" / str(number)).write_text(str(number % 100))
    (source / "middle").write_bytes(b"m" * (SMALL + 1))
    (source / "large").write_bytes(b"l" * ((8 << 20) + 5))
    return source


def test_all_sizes_are_stored_and_equal_contents_once(paths, many):
    snapshot = take_snapshot(paths, str(many))
    loose = sorted(name for _, _, names in os.walk(paths.blobs) for name in names)
    entries = read_tree(paths, snapshot.id)["entries"]
    assert loose == sorted(entry[2] for entry in entries if entry[0] in ("middle", "large"))
    assert sorted(name[-4:] for name in os.listdir(paths.packs)) == [".idx", "pack"]
    (pack,) = (name for name in os.listdir(paths.packs) if name.endswith(".pack"))
    assert os.path.getsize(os.path.join(paths.packs, pack)) < 10 * 10 + 90 * 2 + 11 * 2000


def test_what_is_stored_is_not_stored_again_when_nothing_is_remembered(paths, many):
    first = take_snapshot(paths, str(many))
    before = sorted(name for top, _, names in os.walk(paths.root) for name in names if top != paths.stat_caches)
    shutil.rmtree(paths.stat_caches)
    assert take_snapshot(paths, str(many)) == first
    assert before == sorted(name for top, _, names in os.walk(paths.root) for name in names if top != paths.stat_caches)


def test_an_index_that_lies_counts_as_missing(paths, many):
    first = take_snapshot(paths, str(many))
    name = "0" * 64
    with open(paths.pack_index(name), "wb") as file:
        file.write(HEADER.pack(MAGIC, 1 << 60))  # 48 bytes a record: a size of nothing, to 64 bits
    open(paths.pack(name), "wb").close()
    shutil.rmtree(paths.stat_caches)
    assert take_snapshot(paths, str(many)) == first


def test_a_large_file_that_was_touched_is_not_copied(paths, many):
    take_snapshot(paths, str(many))
    os.utime(many / "large", (1, 1))
    blob = next(entry for entry in read_tree(paths, take_snapshot(paths, str(many)).id)["entries"] if entry[0] == "large")
    before = os.stat(paths.blob(blob[2])).st_ino
    os.utime(many / "large", (2, 2))
    take_snapshot(paths, str(many))
    assert os.stat(paths.blob(blob[2])).st_ino == before


@pytest.mark.parametrize("name", ["large", "middle", "d1/1"])
def test_a_file_that_goes_away_between_is_named(paths, many, name):
    found = scan_source(str(many))
    (many / name).unlink()
    with pytest.raises(EspalierError) as caught:
        store_scan(paths, found)
    assert caught.value.code == "source_changed" and name in caught.value.message
    assert not os.path.exists(paths.packs) or os.listdir(paths.packs) == []


def test_a_store_that_cannot_be_written(many, tmp_path, as_user):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "snapshots").mkdir(mode=0o500)
    code = (
        "import sys; from espalier.snapshot.take import take_snapshot; from espalier.base.paths import WorkspacePaths\n"
        "from espalier.base.errors import EspalierError\n"
        "try: take_snapshot(WorkspacePaths(sys.argv[1]), sys.argv[2])\n"
        "except EspalierError as error: print(error.code)"
    )
    assert as_user(code, str(tmp_path / "ws"), str(many)).strip() == "workspace_read_only"


def test_what_is_written_to_all_the_time_is_never_stored_wrongly(paths, many):
    stop = threading.Event()

    def write():
        rng = random.Random(1)
        while not stop.is_set():
            with open(many / "large", "r+b") as file:
                file.seek(rng.randrange(8 << 20))
                file.write(b"x" * 4096)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            try:
                snapshot = take_snapshot(paths, str(many))
            except EspalierError as error:
                assert error.code == "source_changed" and "large" in error.message
            else:
                (entry,) = (entry for entry in read_tree(paths, snapshot.id)["entries"] if entry[0] == "large")
                digest = subprocess.run(["sha256sum", paths.blob(entry[2])], capture_output=True, text=True, check=True)
                assert digest.stdout.startswith(entry[2])
    finally:
        stop.set()
        writer.join()


def test_no_file_stays_open(paths, many):
    take_snapshot(paths, str(many))
    before = len(os.listdir("/proc/self/fd"))
    shutil.rmtree(paths.stat_caches)
    take_snapshot(paths, str(many))
    assert len(os.listdir("/proc/self/fd")) == before


HUGE = 1 << 40


@pytest.fixture
def huge(tmp_path):
    """Takes many minutes to hash, and no space."""
    (tmp_path / "huge").mkdir()
    with open(tmp_path / "huge" / "sparse", "wb") as file:
        file.truncate(HUGE)
    return tmp_path / "huge"


def test_it_can_be_called_off(paths, huge):
    listener = Listener()
    threading.Timer(0.2, lambda: setattr(listener, "cancelled", True)).start()
    with not_hanging(), listening(listener), pytest.raises(Cancelled):
        take_snapshot(paths, str(huge))
    assert [name for _, _, names in os.walk(paths.root) for name in names] == []
    assert listener.seen[0] == "Storing the snapshot" and listener.seen[2] == HUGE


def test_it_can_be_interrupted(paths, huge):
    code = "import sys; from espalier.snapshot.take import take_snapshot; from espalier.base.paths import WorkspacePaths\n"
    code += "print(1, flush=True); take_snapshot(WorkspacePaths(sys.argv[1]), sys.argv[2])"
    argv = [sys.executable, "-c", code, paths.root, str(huge)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    assert [name for _, _, names in os.walk(paths.root) for name in names] == []


def test_other_threads_of_python_go_on(paths, huge):
    listener, beats = Listener(), []
    threading.Timer(0.5, lambda: setattr(listener, "cancelled", True)).start()
    stop = threading.Event()
    beat = threading.Thread(target=lambda: [beats.append(stop.wait(0.01)) for _ in range(200) if not stop.is_set()])
    beat.start()
    with listening(listener), pytest.raises(Cancelled):
        take_snapshot(paths, str(huge))
    stop.set()
    beat.join()
    assert len(beats) > 10


@pytest.mark.parametrize("count", [1, 3])
def test_more_folders_than_files_may_be_open(paths, tmp_path, count, as_user):
    """What the scanner cannot do the twin does: here every folder has a deep one beside it."""
    fd = os.open(tmp_path, os.O_RDONLY)
    for name in ["source", *["d"] * 300]:
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
        for number in range(count):
            os.mkdir(f"e{number}", dir_fd=fd)
            os.close(os.open(f"e{number}/f", os.O_CREAT, dir_fd=fd))
    os.close(fd)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "from espalier.snapshot.take import take_snapshot; from espalier.base.paths import WorkspacePaths\n"
        "print(take_snapshot(WorkspacePaths(sys.argv[1]), sys.argv[2]).files)"
    )
    assert as_user(code, paths.root, str(tmp_path / "source")).strip() == str(301 * count)


def test_refusals_are_worded_by_the_twin(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(native, "NativeWalk", None)
    with pytest.raises(EspalierError) as caught:
        scan_source(str(tmp_path))
    assert "a FIFO" in caught.value.message
