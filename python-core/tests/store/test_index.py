import contextlib
import errno
import json
import os
import shutil
import sqlite3
import stat
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List

import pytest
from espalier import Workspace
from espalier.base.errors import DamageWarning
from espalier.base.paths import WorkspacePaths
from espalier.store.index import refresh, rows
from espalier.store.index.refresh import Refresh
from espalier.store.index.run_index import Query, RunIndex, last_change
from espalier.tracking.verify import damage_frame


class Runs:
    """A workspace of made-up runs, and how often each was looked into."""

    def __init__(self, root: Path) -> None:
        self.paths = WorkspacePaths(str(root / "ws"))
        self.looked: List[str] = []
        self.index = RunIndex(self.paths, self.summarise)

    def summarise(self, folder: str) -> Dict[str, Any]:
        self.looked.append(os.path.basename(folder)[-8:])
        record = json.loads(Path(folder, "status.json").read_text())
        created = f"2026-01-01T00:00:0{record['at']}.000000Z"
        return {"run_id": os.path.basename(folder), "created_at": created, "status": record["state"]}

    def put(self, name: str, state: str = "Completed", at: str = "1") -> Path:
        folder = Path(self.paths.run(f"e_1_{name}").root)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder.parent / ".tmp-x"
        temporary.write_text(json.dumps({"state": state, "at": at}))
        temporary.rename(folder / "status.json")
        return folder

    def settle(self) -> None:
        """Let every shard and run look old, so that none is suspected of changing within the clock's tick."""
        for folder in [*Path(self.paths.runs).glob("*/*"), *Path(self.paths.runs).iterdir()]:
            os.utime(folder, (time.time() - 100,) * 2)

    def rows(self) -> List[Dict[str, Any]]:
        query = "SELECT run_id, status, created_at FROM runs ORDER BY created_at DESC, run_id DESC"
        names = ("run_id", "status", "created_at")
        return self.index.ask(lambda database: [dict(zip(names, row)) for row in database.execute(query)])

    def states(self) -> Dict[str, str]:
        self.looked.clear()
        return {row["run_id"][-8:]: row["status"] for row in self.rows()}

    @property
    def file(self) -> Path:
        return Path(self.index._file)


@pytest.fixture
def runs(home: Path) -> Runs:
    return Runs(home)


def test_empty(runs: Runs) -> None:
    assert runs.rows() == []
    os.makedirs(runs.paths.runs)
    assert runs.rows() == []


def test_new_changed_and_deleted_runs(runs: Runs) -> None:
    runs.put("aa000001")
    assert runs.states() == {"aa000001": "Completed"}
    runs.put("aa000002", "Running")
    runs.put("bb000003")
    assert runs.states() == {"aa000001": "Completed", "aa000002": "Running", "bb000003": "Completed"}
    runs.put("aa000002", "Completed")
    assert runs.states()["aa000002"] == "Completed"
    shutil.rmtree(runs.put("aa000001"))
    assert set(runs.states()) == {"aa000002", "bb000003"}
    shutil.rmtree(Path(runs.paths.runs, "aa"))
    assert set(runs.states()) == {"bb000003"}


def test_unchanged_runs_are_not_looked_into(runs: Runs) -> None:
    runs.put("aa000001")
    runs.put("bb000002")
    runs.settle()
    runs.states()
    assert runs.looked and runs.states() and runs.looked == []
    runs.put("bb000002", at="2")
    runs.states()
    assert runs.looked == ["bb000002"]


def test_an_ended_run_costs_no_system_call(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 shards are looked at, and of their runs nothing."""
    for number in range(50):
        runs.put(f"aa{number:06x}")
    runs.put("bb000001", "Running")
    runs.settle()
    runs.states()
    runs.states()
    calls: List[str] = []
    looks = {name: getattr(os, name) for name in ("stat", "lstat", "scandir", "listdir")}
    for name, look in looks.items():
        monkeypatch.setattr(os, name, lambda path, *a, _look=look, _name=name, **k: calls.append(f"{_name} {path}") or _look(path, *a, **k))
    runs.states()
    seen = [call for call in calls if runs.paths.runs in call]
    assert any("bb000001" in call for call in seen) and not [call for call in seen if "aa" in call], seen
    assert runs.looked == []


def test_what_is_asked_for_is_read_again(runs: Runs) -> None:
    folder = runs.put("aa000001")
    runs.settle()
    runs.states()
    runs.states()
    (folder / "status.json").write_text('{"state": "Damaged", "at": "1"}')
    assert runs.states() == {"aa000001": "Completed"}
    runs.index.look_again(folder.name)
    assert runs.states() == {"aa000001": "Damaged"}
    (folder / "status.json").write_text('{"state": "Completed", "at": "1"}')
    assert runs.states() == {"aa000001": "Completed"}, "a damaged run is looked at each time"
    (folder / "status.json").write_text('{"state": "Failed", "at": "1"}')
    runs.index.read_everything()
    assert runs.states() == {"aa000001": "Failed"}


def test_a_first_index_called_off_goes_on_where_it_was(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "_CHUNK", 10)
    names = [f"aa{number:06x}" for number in range(35)]
    for name in names:
        runs.put(name)
    runs.settle()
    summarise, left = runs.summarise, [25]

    def until(folder: str) -> Dict[str, Any]:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return summarise(folder)

    runs.index._summarise = until
    with pytest.raises(KeyboardInterrupt):
        runs.states()
    runs.index._summarise = summarise
    assert sorted(runs.states()) == names
    assert runs.looked == names[20:]


def test_what_changed_since(runs: Runs) -> None:
    runs.put("aa000001")
    runs.put("bb000002", "Running")
    runs.states()
    since = runs.index.ask(last_change)
    changed = Query(changed_since=since)
    assert runs.index.ask(lambda database: runs.index.ids(database, changed)) == []
    runs.put("bb000002", "Completed")
    assert runs.index.ask(lambda database: runs.index.ids(database, changed)) == ["e_1_bb000002"]
    assert runs.index.ask(last_change) > since


@pytest.mark.parametrize("change", ["new", "grown", "overwritten", "renamed", "removed"])
def test_event_logs_are_noticed(runs: Runs, change: str) -> None:
    folder = runs.put("aa000001", "Running")
    log = folder / "events" / "w.jsonl"
    log.parent.mkdir()
    log.write_text("x\ny\n")
    runs.settle()
    runs.states()
    runs.states()
    assert runs.looked == []
    {
        "new": lambda: (log.parent / "v.jsonl").write_text("x\n"),
        "grown": lambda: log.write_text("x\ny\nz\n"),
        "overwritten": lambda: log.write_text("x\n{\n"),
        "renamed": lambda: log.rename(log.parent / "v.jsonl"),
        "removed": log.unlink,
    }[change]()
    runs.states()
    assert runs.looked == ["aa000001"]
    runs.states()
    assert runs.looked == []


@pytest.mark.parametrize("name", ["spec.json", "status.json", "meta.json", "requests/cancel.json"])
def test_records_changed_in_place_are_noticed(runs: Runs, name: str) -> None:
    folder = runs.put("aa000001", "Running")
    (folder / "requests").mkdir()
    runs.settle()
    runs.states()
    (folder / name).write_text('{"state": "Running", "at": "2"}')
    runs.states()
    assert runs.looked == ["aa000001"]


def test_a_young_shard_stays_suspect(runs: Runs) -> None:
    """A second change within the clock's tick leaves the mtime as it was."""
    folder = runs.put("aa000001")
    runs.states()
    before = os.stat(folder.parent)
    runs.put("aa000002")
    os.utime(folder.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert set(runs.states()) == {"aa000001", "aa000002"}


@pytest.mark.parametrize("seconds", [-1e6, 1e6])
def test_a_clock_that_jumps(runs: Runs, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.put("aa000001")
    now = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: now)
    runs.states()
    runs.put("aa000002")
    assert set(runs.states()) == {"aa000001", "aa000002"}


@pytest.mark.parametrize("seconds", [10_413_792_000, -11_676_096_000, 2**40])
@pytest.mark.parametrize("what", ["shard", "run"])
def test_any_date_of_a_folder(runs: Runs, what: str, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite can't hold made every list fail. (Not each file system keeps such dates: so they are what is read.)"""
    folder = runs.put("aa000001")
    runs.put("bb000002")
    odd = os.lstat(folder if what == "run" else folder.parent).st_ino
    real = refresh.stamp_of
    monkeypatch.setattr(refresh, "stamp_of", lambda stat: real(SimpleNamespace(st_mtime_ns=seconds * 10**9) if stat.st_ino == odd else stat))
    for _ in range(2):
        assert runs.states() == {"aa000001": "Completed", "bb000002": "Completed"}


@pytest.mark.parametrize("odd", [{"tags": 5}, {"error": b"\xff"}, {"host": object()}, {"metrics": {"m": {}}}, {"started_at": "x" * 10, "exit_code": {}}])
def test_what_the_index_cannot_hold_is_damage_of_its_run_alone(runs: Runs, odd: Dict[str, Any]) -> None:
    runs.put("aa000001")
    runs.put("bb000002")
    row = runs.index._summarise
    runs.index._summarise = lambda folder: {**row(folder), **(odd if folder.endswith("aa000001") else {})}
    for _ in range(2):
        assert runs.states() == {"aa000001": "Damaged", "bb000002": "Completed"}


def refuse(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """A folder that can't be read: root can read each. (`verify.py` and `refresh.py` list with these two.)"""
    for name in ("scandir", "listdir"):
        real = getattr(os, name)

        def refused(path: Any, real: Any = real) -> Any:
            if path == folder:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(path)

        monkeypatch.setattr(os, name, refused)


def test_a_shard_that_cannot_be_read_keeps_what_is_known(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.put("aa000001")
    runs.put("bb000002")
    known = runs.states()
    with monkeypatch.context() as patch:
        refuse(patch, f"{runs.paths.runs}/aa")
        runs.put("aa000003")
        assert runs.states() == known
    runs.settle()
    assert set(runs.states()) == {*known, "aa000003"}


def test_a_shard_that_is_a_link_to_itself(runs: Runs) -> None:
    runs.put("bb000002")
    os.symlink("ff", f"{runs.paths.runs}/ff")
    assert set(runs.states()) == {"bb000002"}
    first = next(zip(*damage_frame(runs.paths).columns.values()))
    assert first == (None, f"{runs.paths.runs}/ff", "can't be read: Too many levels of symbolic links.")


def test_verify_names_a_shard_that_cannot_be_read(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("aa", "lost+found"):
        os.makedirs(f"{runs.paths.runs}/{name}")
        refuse(monkeypatch, f"{runs.paths.runs}/{name}")
    assert list(damage_frame(runs.paths).columns.values()) == [[None], [f"{runs.paths.runs}/aa"], ["can't be read: Permission denied."]]


def test_what_is_no_run_is_left_out(runs: Runs) -> None:
    folder = runs.put("aa000001")
    for name in (".tmp-e_1_aa000009", "notes", "e_1_bb000001", "e_1_AA000001"):
        shutil.copytree(folder, folder.parent / name)
    Path(runs.paths.runs, "README").write_text("")
    assert set(runs.states()) == {"aa000001"}


def test_newest_first(runs: Runs) -> None:
    for name, at in (("aa000001", "2"), ("bb000002", "3"), ("cc000003", "1")):
        runs.put(name, at=at)
    assert [row["created_at"] for row in runs.rows()] == [1767225603.0, 1767225602.0, 1767225601.0]


def test_deleted_index_is_rebuilt(runs: Runs) -> None:
    runs.put("aa000001")
    runs.states()
    runs.file.unlink()
    assert runs.states() == {"aa000001": "Completed"}


@pytest.mark.parametrize("garbage", [b"", b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_garbage_is_replaced(runs: Runs, garbage: bytes) -> None:
    runs.put("aa000001")
    runs.states()
    runs.file.write_bytes(garbage)
    assert runs.states() == {"aa000001": "Completed"}
    assert runs.file.read_bytes().startswith(b"SQLite format 3")


def test_garbage_in_the_middle(runs: Runs) -> None:
    for number in range(200):
        runs.put(f"aa{number:06x}")
    runs.states()
    data = bytearray(runs.file.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    runs.file.write_bytes(data)
    assert len(runs.states()) == 200


@pytest.mark.parametrize(
    "statements",
    [["PRAGMA user_version=99"], ["CREATE TABLE runs (a)", "CREATE TABLE shards (b)"], ["CREATE TABLE runs (id, row)"]],
)
def test_an_index_of_another_layout(runs: Runs, statements: List[str]) -> None:
    runs.put("aa000001")
    runs.file.parent.mkdir(parents=True)
    database = sqlite3.connect(runs.file)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    assert runs.states() == {"aa000001": "Completed"}


@pytest.mark.parametrize("change", ["DROP TABLE runs", "DROP TABLE shards", "DROP TABLE names", "DROP TABLE tags", "ALTER TABLE runs RENAME COLUMN seen TO looked"])
def test_an_index_that_lacks_a_part_is_made_anew(runs: Runs, change: str) -> None:
    runs.put("aa000001", "Running")
    runs.states()
    with contextlib.closing(sqlite3.connect(runs.file)) as database:
        database.execute("PRAGMA legacy_alter_table=ON")
        database.execute(change)
        database.commit()
    runs.put("aa000002", "Running")
    frame = runs.index.ask(lambda database: runs.index.frame(database, Query()))
    assert len(frame) == 2
    with contextlib.closing(sqlite3.connect(runs.file)) as database:
        assert database.execute("SELECT count(seen) FROM runs").fetchone() == (2,), "in the file, not in memory"


def test_a_question_that_fails_costs_no_index(runs: Runs) -> None:
    runs.put("aa000001")
    runs.states()
    before = runs.file.stat().st_ino
    with pytest.raises(sqlite3.IntegrityError, match="datatype mismatch"):
        runs.index.ask(lambda database: database.execute("SELECT n FROM runs LIMIT ?", (1e30,)).fetchall())
    assert runs.file.stat().st_ino == before


def test_no_place_for_a_cache(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(tmp_path / "file"))
    runs = Runs(tmp_path)
    runs.put("aa000001")
    assert runs.states() == runs.states() == {"aa000001": "Completed"}


def test_a_read_only_cache(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened read-only, as SQLite itself opens a file it may not write; works for root as well."""
    runs.put("aa000001")
    runs.states()
    connect = sqlite3.connect

    def read_only(path: str, **options: Any) -> sqlite3.Connection:
        if path == ":memory:" or path.startswith("file:"):
            return connect(path, **options)
        return connect(f"file:{path}?mode=ro", uri=True, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    runs.put("bb000002")
    assert set(runs.states()) == {"aa000001", "bb000002"}


def test_while_another_reader_refreshes(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PATIENCE_SECONDS", 0.05)
    runs.put("aa000001")
    runs.states()
    other = sqlite3.connect(runs.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    runs.put("bb000002")
    assert set(runs.states()) == {"aa000001"}, "the last commit"
    other.execute("ROLLBACK")
    other.close()
    assert set(runs.states()) == {"aa000001", "bb000002"}


def test_workspaces_do_not_share_an_index(home: Path) -> None:
    one, other = Runs(home / "a"), Runs(home / "b")
    one.put("aa000001")
    assert one.states() and not other.states()


def test_the_same_workspace_by_a_link(runs: Runs, home: Path) -> None:
    os.makedirs(runs.paths.root)
    os.symlink(runs.paths.root, home / "link")
    assert RunIndex(WorkspacePaths(str(home / "link")), runs.summarise)._file == str(runs.file)


def test_nothing_of_it_lies_in_the_workspace(workspace: Workspace, submit: Callable[..., Any], ended: Callable[..., Any]) -> None:
    ended(submit("true"))
    workspace.runs.list()
    assert not [path for path in Path(workspace.path).rglob("*") if "sqlite" in path.name]


def test_the_workspace_is_only_read(workspace: Workspace, submit: Callable[..., Any], ended: Callable[..., Any], reach: Any) -> None:
    run = submit("true")
    ended(run)
    reach(lambda: not Path(run.run_dir, "work").exists())

    def picture() -> Dict[str, int]:
        return {str(path): path.lstat().st_mtime_ns for path in Path(workspace.path).rglob("*")}

    before = picture()
    assert len(workspace.runs.list()) == 1
    assert picture() == before


def test_damaged_and_newer_runs_are_listed_with_the_others(
    workspace: Workspace, experiment: Any, submit: Callable[..., Any], ended: Callable[..., Any]
) -> None:
    good, damaged, newer, gone = (submit("true") for _ in range(4))
    for run in (good, damaged, newer, gone):
        ended(run)
    Path(damaged.run_dir, "status.json").write_text('{"format": 1, "sta')
    Path(newer.run_dir, "spec.json").write_text('{"format": 3, "what": "later"}')
    shutil.rmtree(gone.run_dir)
    frame = experiment.list_runs()
    found = dict(zip(frame.columns["run_id"], frame.columns["status"]))
    assert found == {good.id: "Completed", damaged.id: "Damaged", newer.id: "Unreadable"}
    assert stat.S_ISDIR(os.stat(damaged.run_dir).st_mode)


def test_a_log_damaged_after_the_run_was_listed(
    workspace: Workspace, submit: Callable[..., Any], ended: Callable[..., Any]
) -> None:
    good, damaged, torn = (submit("true") for _ in range(3))
    for run in (good, damaged, torn):
        ended(run)
        metric = {"type": "metric", "time": 1.0, "name": "m", "kind": "double", "value": 0.5}
        lines = [json.dumps({**metric, "seq": number}) + "\n" for number in range(3)]
        Path(run.run_dir, "events", "w.jsonl").write_text("".join(lines))

    def listed() -> Dict[str, str]:
        frame = workspace.runs.list()
        assert frame.columns["error"].count(None) == frame.columns["status"].count("Completed")
        return dict(zip(frame.columns["run_id"], frame.columns["status"]))

    assert listed() == dict.fromkeys((good.id, damaged.id, torn.id), "Completed")
    log = Path(damaged.run_dir, "events", "w.jsonl")
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b'"seq": 1', b'"seq\0: 1'))
    cut = Path(torn.run_dir, "events", "w.jsonl")
    cut.write_bytes(cut.read_bytes()[:-20])
    workspace.verify()
    assert listed() == {good.id: "Completed", damaged.id: "Damaged", torn.id: "Completed"}
    frame = workspace.runs.list()
    said = frame.columns["error"][frame.columns["run_id"].index(damaged.id)]
    assert f"{log} is damaged at line 2" in said and "Completed" in said
    assert len(torn.get_metrics()["m"]) == 2
    with pytest.warns(DamageWarning, match="damaged at line 2"):
        assert len(damaged.get_metrics()["m"]) == 2
    log.write_bytes(whole)
    assert set(listed().values()) == {"Completed"}, "put right again"


@pytest.mark.parametrize("first", [sqlite3.OperationalError("database or disk is full"), sqlite3.DatabaseError("malformed")])
def test_a_cache_on_a_full_disk(first: sqlite3.Error, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file was to be made again: a reader is answered."""
    runs.put("aa000001")
    commit, errors = Refresh._commit, [first]

    def fails(self: Refresh, write: Callable[[], None]) -> bool:
        if self._database.execute("PRAGMA database_list").fetchone()[2]:
            raise errors.pop() if errors else sqlite3.OperationalError("disk I/O error")
        return commit(self, write)

    monkeypatch.setattr(Refresh, "_commit", fails)
    assert runs.states() == {"aa000001": "Completed"}
