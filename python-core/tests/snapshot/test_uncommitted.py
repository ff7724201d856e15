"""Which files of a snapshot count as committed."""

import hashlib
import os
import shutil
import subprocess
from random import Random

import pytest
from espalier.snapshot import uncommitted
from espalier.snapshot.git import GitCall
from espalier.snapshot.git_index import read_index
from espalier.snapshot.repository import owned_repository
from espalier.snapshot.take import scan_source, store_scan
from repositories import compared, diff_of, git, state_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def repository(tmp_path):
    return made(tmp_path / "repo")


def made(folder, *options):
    (folder / "sub").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main", *options)
    (folder / "a.R").write_text("one\ntwo\n")
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "sub" / "b.R").write_text("1\n")
    os.symlink("a.R", folder / "link")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def changed(paths, source):
    """The paths that differ, and those that git does not track."""
    state, changes = compared(paths, source)
    assert "problem" not in state, state
    return ([], []) if changes is None else ([change.path for change in changes.changed], changes.untracked)


def touch(path):
    """Other times than the index has."""
    os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.mark.parametrize("version", ["2", "4"])
@pytest.mark.parametrize("options", [[], ["--object-format=sha256"]])
def test_kinds_of_changes(tmp_path, paths, version, options):
    repository = made(tmp_path / "repo", *options)
    git(repository, "update-index", "--index-version", version)
    assert changed(paths, repository) == changed(paths, repository / "sub") == ([], [])
    (repository / "a.R").write_text("one\nTWO\n")
    (repository / "run.sh").chmod(0o644)
    (repository / "sub" / "b.R").unlink()
    (repository / "link").unlink()
    os.symlink("run.sh", repository / "link")
    (repository / "added.R").write_text("1\n")
    git(repository, "add", "added.R")
    (repository / "new.R").write_text("1\n")
    assert changed(paths, repository) == (["a.R", "added.R", "link", "run.sh", "sub/b.R"], ["new.R"])
    assert changed(paths, repository / "sub") == (["b.R"], [])
    text = diff_of(paths, repository)
    assert "old mode 100755\nnew mode 100644\n" in text and "new file mode 100644\n" in text and "+run.sh" in text


def test_what_was_only_touched_or_comes_back_is_committed(paths, repository):
    touch(repository / "a.R")
    (repository / "sub" / "b.R").write_text("2\n")
    git(repository, "add", "sub/b.R")
    (repository / "sub" / "b.R").write_text("1\n")
    git(repository, "rm", "-q", "--cached", "run.sh")
    assert changed(paths, repository) == ([], [])


def test_a_change_that_keeps_size_and_time_is_found(paths, repository):
    seen = os.stat(repository / "a.R")
    (repository / "a.R").write_text("One\ntwo\n")
    os.utime(repository / "a.R", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert changed(paths, repository) == (["a.R"], [])


def test_a_file_that_was_written_as_late_as_the_index_is_read(repository):
    walked, index = scan_source(str(repository)).walked, read_index(owned_repository(str(repository))[0])
    later = index._replace(written_ns=index.written_ns + 1)
    assert walked.against_index(later, "", 20) == []
    as_late = index._replace(written_ns=os.stat(repository / "sub" / "b.R").st_mtime_ns)
    assert "sub/b.R" in [path for path, _, _ in walked.against_index(as_late, "", 20)]


def test_line_ends_of_windows(paths, repository):
    (repository / "a.R").write_bytes(b"one\r\ntwo\r\n")
    assert changed(paths, repository) == ([], [])
    (repository / "a.R").write_bytes(b"one\r\nTWO\r\n")
    assert changed(paths, repository) == (["a.R"], [])
    text = diff_of(paths, repository)
    assert "\n one\n-two\n+TWO\n" in text and "\r" not in text


def test_a_pointer_of_git_lfs(paths, repository):
    content = b"much data\n" * 1000
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    (repository / "data.csv").write_text(pointer)
    git(repository, "add", "data.csv")
    git(repository, "commit", "-qm", "data")
    (repository / "data.csv").write_bytes(content)
    assert changed(paths, repository) == ([], [])
    (repository / "data.csv").write_bytes(content[1:])
    assert changed(paths, repository) == (["data.csv"], [])
    assert "Binary files a/data.csv and b/data.csv differ\n" in diff_of(paths, repository)


def test_large_files_are_read_in_parts(paths, repository, monkeypatch):
    monkeypatch.setattr(uncommitted, "LARGEST", 1 << 20)
    (repository / "large").write_bytes(bytes(3 << 20))
    git(repository, "add", "large")
    git(repository, "commit", "-qm", "large")
    touch(repository / "large")
    assert changed(paths, repository) == ([], [])


def test_comparing_ends_after_a_second(paths, repository, monkeypatch):
    touch(repository / "a.R")
    assert state_of(paths, repository)["dirty"] is False

    def late(_):
        raise uncommitted.GitProblem("late")

    monkeypatch.setattr("espalier.snapshot.git.Git.refuse_late", late)
    state = state_of(paths, repository)
    assert state["dirty"] is None and state["problem"] == "late" and state["commit"] and state["branch"] == "main"


def test_what_git_ignores_is_not_untracked(paths, repository):
    (repository / ".gitignore").write_text("/sub/*.csv\n")
    (repository / ".espalierignore").write_text("!/sub/*.csv\n")
    (repository / "sub" / ".gitignore").write_text("*.log\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "rules")
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "exclude").write_text("*.own\n")
    for name in ("x.csv", "x.log", "x.own", "*.R", ":(top)x", "é.R"):
        (repository / "sub" / name).write_text("1\n")
    assert changed(paths, repository) == ([], ["sub/*.R", "sub/:(top)x", "sub/é.R"])
    assert changed(paths, repository / "sub") == ([], ["*.R", ":(top)x", "é.R"])


def test_executable_bits_that_the_file_system_does_not_keep(paths, repository):
    git(repository, "config", "core.fileMode", "false")
    (repository / "a.R").chmod(0o755)
    assert changed(paths, repository) == ([], [])


def test_a_sparse_checkout_lacks_nothing(paths, repository):
    git(repository, "sparse-checkout", "set", "--no-cone", "/a.R")
    assert not (repository / "sub").exists()
    assert changed(paths, repository) == ([], [])


def test_a_submodule_is_not_compared(paths, repository, tmp_path):
    made(tmp_path / "other")
    git(repository, "submodule", "-q", "add", str(tmp_path / "other"), "sub/module")
    git(repository, "commit", "-qm", "module")
    (repository / "sub" / "module" / "a.R").write_text("changed\n")
    assert changed(paths, repository) == ([], [])
    assert changed(paths, repository / "sub" / "module") == (["a.R"], [])


def test_a_conflict_is_a_change_of_our_side(paths, repository):
    git(repository, "checkout", "-qb", "side")
    (repository / "a.R").write_text("theirs\n")
    git(repository, "commit", "-qam", "side")
    git(repository, "checkout", "-q", "main")
    (repository / "a.R").write_text("ours\n")
    git(repository, "commit", "-qam", "main")
    assert subprocess.run(["git", "merge", "-q", "side"], cwd=repository, capture_output=True).returncode == 1
    assert changed(paths, repository) == (["a.R"], [])
    assert " ours\n" in diff_of(paths, repository)


def test_files_that_a_link_led_to_are_not_compared(paths, repository, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("1\n")
    for name, target in (("data", "data"), ("x.csv", "data/x.csv")):
        os.symlink(tmp_path / target, repository / name)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "links")
    state, changes = compared(paths, repository, outside_links="copy")
    assert (state["dirty"], changes) == (False, None)


def test_a_folder_in_the_place_of_a_file(paths, repository):
    (repository / "a.R").unlink()
    (repository / "a.R").mkdir()
    (repository / "a.R" / "b").write_text("1\n")
    assert changed(paths, repository) == (["a.R"], ["a.R/b"])


@pytest.mark.parametrize("damage", ["split", "cut", "sign", "count"])
def test_an_index_that_cannot_be_read(paths, repository, damage):
    index = repository / ".git" / "index"
    if damage == "split":
        git(repository, "update-index", "--split-index")
    data = index.read_bytes()
    if damage == "cut":
        index.write_bytes(data[:100])
    elif damage == "sign":
        index.write_bytes(b"NONE" + data[4:])
    elif damage == "count":
        index.write_bytes(data[:8] + b"\xff\xff\xff\xff" + data[12:])
    state = state_of(paths, repository)
    assert state["commit"] and state["dirty"] is None
    assert "index" in state["problem"] or "refused" in state["problem"]


def test_no_index_and_no_commit(paths, repository, tmp_path):
    (repository / ".git" / "index").unlink()
    assert changed(paths, repository) == ([], [])
    git(tmp_path, "init", "-q", "empty")
    (tmp_path / "empty" / "a.R").write_text("1\n")
    git(tmp_path / "empty", "add", "a.R")
    state, changes = compared(paths, tmp_path / "empty")
    assert (state["dirty"], changes) == (True, None)


def test_objects_of_another_repository(paths, repository, tmp_path):
    git(tmp_path, "clone", "-q", "--shared", str(repository), "clone")
    (tmp_path / "clone" / "a.R").write_text("one\n")
    assert "\n-two\n" in diff_of(paths, tmp_path / "clone")


def test_a_damaged_store_is_named(paths, repository):
    touch(repository / "a.R")
    scan = scan_source(str(repository))
    snapshot = store_scan(paths, scan)
    for folder in (paths.blobs, paths.packs):
        for place, _, names in os.walk(folder):
            for name in names:
                os.chmod(os.path.join(place, name), 0o600)
                os.truncate(os.path.join(place, name), 1)
    state, _ = uncommitted.compare_with_commit(GitCall(str(repository)), paths, scan, snapshot.id)
    assert state["problem"] == "the snapshot could not be read" and state["dirty"] is None


def test_both_scanners_read_damaged_indexes_alike(repository, monkeypatch):
    for options in (["--index-version", "2"], ["--index-version", "4"]):
        git(repository, "update-index", *options)
        index, random = read_index(owned_repository(str(repository))[0]), Random(1)
        walks = []
        for native in ("yes", "no"):
            monkeypatch.setenv("ESPALIER_NATIVE", native)
            walks.append(scan_source(str(repository)).walked)
        for _ in range(500):
            data = bytearray(index.data)
            for _ in range(random.randint(1, 3)):
                data[random.randrange(len(data))] = random.randrange(256)
            damaged = index._replace(data=bytes(data[: random.choice((len(data), random.randrange(len(data))))]))
            first, second = (walk.against_index(damaged, "", 20) for walk in walks)
            assert (first and sorted(first)) == (second and sorted(second))
