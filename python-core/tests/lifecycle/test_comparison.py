"""A working copy beside what was brought into it: by the native scanner and by its twin."""

import hashlib
import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest
from defined import defined
from espalier import Workspace
from espalier.base import accel
from espalier.base.errors import EspalierError
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle import comparison
from espalier.lifecycle.scratch import note_beginning
from espalier.lifecycle.status import Known
from espalier.lifecycle.touched import Found, changed_files
from espalier.runner.workdir import materialise
from espalier.store.packs import ObjectReader
from espalier.store.trees import read_tree
from scratch import give_scratch

SECOND = 1_000_000_000


@pytest.fixture(params=["native", "twin"])
def scanner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both, one after the other."""
    if request.param == "twin":
        monkeypatch.setenv("ESPALIER_NATIVE", "no")
    elif accel.native() is None:
        pytest.skip("the native scanner is not built")
    return str(request.param)


class Copy:
    """A job's working copy: of a project of a few folders, or of another folder."""

    def __init__(self, workspace: Workspace, source: Path, scratch: Path, directory: str = "") -> None:
        self.run = RunPaths(os.path.join(workspace.path, "runs", "ab", "e_1_abcdef01"))
        os.makedirs(self.run.root, exist_ok=True)
        self.spec = defined(snapshot={"id": workspace.snapshots.take(str(source))})
        self.scratch: ScratchPaths = give_scratch(self.run, str(scratch), directory)
        os.unlink(self.scratch.began)
        materialise(workspace.path, self.spec.snapshot.id, self.scratch.job)
        time.sleep(0.01)  # (in another tick of the file system's clock)
        note_beginning(self.scratch)
        self.top = Path(self.scratch.work)

    def look(self) -> Found:
        warnings: List[str] = []
        found = changed_files(Known(self.run, Status("Running"), self.spec), self.scratch, warnings)
        assert warnings == []
        return found

    def left(self) -> Tuple[List[str], List[str]]:
        """Paths of new and changed files, and of those that are gone."""
        found = self.look()
        return sorted(folder + name for folder, files in found.files.items() for name, _ in files), found.deleted


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    for path in ("a.txt", "one/x.csv", "one/in/y.csv", "two/x.csv", "two/in/y.csv", "two/in/deep/z.csv"):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(path[:3] + Path(path).name)
    return top


@pytest.fixture
def copy(workspace: Workspace, source: Path, tmp_path: Path, scanner: str) -> Copy:
    return Copy(workspace, source, tmp_path / "w")


def replace_with_older(path: Path, text: str) -> None:
    aside = path.with_name("aside")
    aside.write_text(text)
    os.utime(aside, (1, 1))
    aside.replace(path)


def swap(one: Path, two: Path) -> None:
    one.rename(one.with_name("aside"))
    two.rename(one)
    one.with_name("aside").rename(two)


def swap_and_write(one: Path, two: Path) -> None:
    swap(one, two)
    (one / "new").write_text("1")


def make_file_of(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("1")


def make_folder_of(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "f").write_text("1")


def make_again(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("aside"))
    shutil.rmtree(folder)
    folder.with_name("aside").rename(folder)


@pytest.mark.parametrize(
    "job,changed,deleted",
    [
        (lambda top: None, [], []),
        (lambda top: (top / "two/in/deep/z.csv").write_text("TWOz.csv"), ["two/in/deep/z.csv"], []),
        (lambda top: (top / "two/in/deep/z.csv").write_text("twoz.csv"), ["two/in/deep/z.csv"], []),
        (lambda top: (top / "one/x.csv").chmod(0o600), [], []),
        (lambda top: replace_with_older(top / "one/x.csv", "ONEx.csv"), ["one/x.csv"], []),
        (lambda top: os.utime(top / "one/x.csv", (1, 1)), [], []),
        (lambda top: (top / "two/in/y.csv").unlink(), [], ["two/in/y.csv"]),
        (lambda top: shutil.rmtree(top / "two"), [], ["two/in/deep/z.csv", "two/in/y.csv", "two/x.csv"]),
        (lambda top: (top / "two/in").rename(top / "one/moved"), ["one/moved/deep/z.csv", "one/moved/y.csv"], ["two/in/deep/z.csv", "two/in/y.csv"]),
        # (all are of one size and older than the job, under names that were there)
        (lambda top: swap(top / "one", top / "two"), ["one/in/deep/z.csv", "one/in/y.csv", "one/x.csv", "two/in/y.csv", "two/x.csv"], ["two/in/deep/z.csv"]),
        (lambda top: swap_and_write(top / "one/in", top / "two/in"), ["one/in/deep/z.csv", "one/in/new", "one/in/y.csv", "two/in/y.csv"], ["two/in/deep/z.csv"]),
        (lambda top: make_file_of(top / "one"), ["one"], ["one/in/y.csv", "one/x.csv"]),
        (lambda top: make_folder_of(top / "one/x.csv"), ["one/x.csv/f"], ["one/x.csv"]),
        (lambda top: make_again(top / "two"), [], []),
        (lambda top: (top / "e/m/p").mkdir(parents=True), [], []),
        (lambda top: (top / "renv/library/p").mkdir(parents=True) or (top / "renv/library/p/f").write_text("1"), [], []),
    ],
)  # fmt: skip
def test_what_a_job_left(copy: Copy, job: Callable[[Path], object], changed: List[str], deleted: List[str]) -> None:
    job(copy.top)
    assert copy.left() == (changed, deleted)


def test_only_the_trees_of_folders_that_were_touched_are_read(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    read: List[str] = []
    real = ObjectReader.read
    monkeypatch.setattr(ObjectReader, "read", lambda self, digest: read.append(digest) or real(self, digest))
    assert copy.look() == Found({}, [], []) and read == []
    (copy.top / "table.csv").write_text("1")
    (copy.top / "two/new").write_text("1")
    assert copy.left() == (["table.csv", "two/new"], [])
    assert len(read) == 2, "of six"


def test_in_the_clock_s_tick_in_which_the_job_began(copy: Copy) -> None:
    (copy.top / "a.txt").unlink()
    same = os.stat(copy.top).st_ctime_ns
    os.utime(copy.scratch.began, ns=(same, same))
    assert copy.left() == ([], ["a.txt"])


def test_a_file_that_is_written_again_is_kept_and_not_hashed(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: List[str] = []
    monkeypatch.setattr(comparison, "_digest", lambda name, folder: hashed.append(name) or "")
    (copy.top / "a.txt").write_text((copy.top / "a.txt").read_text())
    assert copy.left() == (["a.txt"], []) and hashed == []


def test_a_file_of_the_tick_in_which_the_job_began_is_compared(copy: Copy) -> None:
    """The runner may have made it."""
    (copy.top / "a.txt").write_text((copy.top / "a.txt").read_text())
    same = os.stat(copy.top / "a.txt").st_mtime_ns
    os.utime(copy.scratch.began, ns=(same, same))
    assert copy.left() == ([], [])


@pytest.mark.parametrize("note", [SECOND, 0])
def test_a_clock_that_was_set_back_before_the_job_began(copy: Copy, note: int) -> None:
    """All that the runner made then looks as if the job had written it."""
    made = os.stat(copy.scratch.note).st_mtime_ns
    os.utime(copy.scratch.note, ns=(made + note, made + note))
    os.utime(copy.scratch.began, ns=(made - SECOND, made - SECOND))
    assert copy.left() == ([], [])


def test_a_clock_that_was_set_back_for_a_while(copy: Copy) -> None:
    """A file's time of change then lies before the copy was made."""
    (copy.top / "a.txt").write_text("A.Xa.txt")
    changed = os.stat(copy.top / "a.txt").st_ctime_ns
    os.utime(copy.scratch.note, ns=(changed + SECOND, changed + SECOND))
    os.utime(copy.scratch.began, ns=(changed + 2 * SECOND, changed + 2 * SECOND))
    assert copy.left() == (["a.txt"], [])


def test_without_the_note_and_without_inodes(copy: Copy) -> None:
    """The job can remove the one, and a runner of an earlier version didn't write the others."""
    record = json.loads(Path(copy.scratch.began).read_text())
    times = os.stat(copy.scratch.began)
    Path(copy.scratch.began).write_text(json.dumps({name: value for name, value in record.items() if name != "folders"}))
    os.utime(copy.scratch.began, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.unlink(copy.scratch.note)
    swap(copy.top / "one/in", copy.top / "two/in")
    assert copy.left() == (["one/in/deep/z.csv", "one/in/y.csv", "two/in/y.csv"], ["two/in/deep/z.csv"])


@pytest.mark.parametrize("depth", [190, 450])
def test_at_any_depth(workspace: Workspace, tmp_path: Path, scanner: str, depth: int) -> None:
    deep = Path(tmp_path / "source", *(["d"] * depth))
    deep.mkdir(parents=True)
    (deep / "f").write_text("f")
    copy = Copy(workspace, tmp_path / "source", tmp_path / "w")
    assert copy.left() == ([], [])
    path = "d/" * depth
    (copy.top / path / "f").write_text("F")
    (copy.top / path / "g").write_text("g")
    assert copy.left() == ([path + "f", path + "g"], [])
    (copy.top / "d").rename(copy.top / "e")
    path = path.replace("d", "e", 1)
    assert copy.left() == ([path + "f", path + "g"], ["d/" * depth + "f"])


def test_below_the_top_of_the_working_copy(workspace: Workspace, source: Path, tmp_path: Path, scanner: str) -> None:
    copy = Copy(workspace, source, tmp_path / "w", "pkg/src")
    for path in ("new", "pkg/new", "pkg/src/new", "pkg/src/one/new", "pkg/src/outputs/f", "outputs/f"):
        (copy.top / path).parent.mkdir(exist_ok=True)
        (copy.top / path).write_text("1")
    shutil.rmtree(copy.top / "pkg/src/two")
    gone = ["pkg/src/two/in/deep/z.csv", "pkg/src/two/in/y.csv", "pkg/src/two/x.csv"]
    assert copy.left() == (["new", "outputs/f", "pkg/new", "pkg/src/new", "pkg/src/one/new"], gone)
    shutil.rmtree(copy.top)
    assert copy.left() == ([], ["pkg/src/a.txt", "pkg/src/one/in/y.csv", "pkg/src/one/x.csv", *gone])


def test_a_tree_that_cannot_be_read_any_more(copy: Copy) -> None:
    """Of the folders in it times decide, of the others still what was brought."""
    for path in Path(copy.run.workspace.root).rglob("*"):
        if path.is_file() and path.stat().st_size and b'"z.csv"' in path.read_bytes():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes().replace(b'"z.csv"', b'"Z.csv"'))
    with pytest.raises(EspalierError, match="content does not match its digest"):
        read_tree(copy.run.workspace, copy.spec.snapshot.id)
    (copy.top / "two/in/deep/new").write_text("1")
    (copy.top / "one/new").write_text("1")
    (copy.top / "one/x.csv").unlink()
    assert copy.left() == (["one/new", "two/in/deep/new"], ["one/x.csv"])


@pytest.mark.parametrize("seed", range(12))
def test_as_all_contents_say(workspace: Workspace, tmp_path: Path, scanner: str, seed: int) -> None:
    chance = random.Random(seed)
    source = tmp_path / "source"
    grow(chance, source, 0)
    (source / "f").write_text("1")
    copy = Copy(workspace, source, tmp_path / "w")
    before = contents(copy.top)
    for _ in range(chance.randrange(1, 8)):
        chance.choice(ACTS)(chance, copy.top)
    after = contents(copy.top)
    changed = sorted(path for path, content in after.items() if before.get(path) != content)
    assert copy.left() == (changed, sorted(before.keys() - after.keys()))


def grow(chance: random.Random, folder: Path, depth: int) -> None:
    folder.mkdir()
    for name in chance.sample("abcd", chance.randrange(1, 5)):
        if depth < 3 and chance.random() < 0.6:
            grow(chance, folder / name, depth + 1)
        else:
            (folder / name).write_text(str(chance.randrange(100)))


def contents(top: Path) -> Dict[str, str]:
    files = (path for path in top.rglob("*") if path.is_file())
    return {str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def some(chance: random.Random, top: Path, is_folder: bool) -> Path:
    every = sorted(path for path in top.rglob("*") if path.is_dir() == is_folder)
    return chance.choice(every) if every else top / "x"


def act_write(chance: random.Random, top: Path) -> None:
    some(chance, top, is_folder=False).write_text(str(chance.randrange(100)))


def act_add(chance: random.Random, top: Path) -> None:
    folder = some(chance, top, is_folder=True) / chance.choice("efg")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"new-{chance.random()}").write_text("1")


def act_remove(chance: random.Random, top: Path) -> None:
    is_folder = chance.random() < 0.3
    victim = some(chance, top, is_folder)
    if victim.exists():
        shutil.rmtree(victim) if is_folder else victim.unlink()


def act_swap(chance: random.Random, top: Path) -> None:
    is_folder = chance.random() < 0.5
    one, two = some(chance, top, is_folder), some(chance, top, is_folder)
    if one.exists() and two.exists() and one not in (two, *two.parents) and two not in one.parents:
        swap(one, two)


def act_move(chance: random.Random, top: Path) -> None:
    moved = some(chance, top, is_folder=True)
    if moved.exists():
        moved.rename(top / f"moved-{chance.random()}")


ACTS = (act_write, act_add, act_remove, act_swap, act_move)
