"""Private copies of inputs: what the job is given, what it cannot do, and that nothing of it stays."""

import errno
import os
import stat
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig
from espalier.base.paths import RunPaths, WorkspacePaths
from espalier.jobs.inputs import resolve_inputs
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.runner import inputs as module
from espalier.runner.inputs import copy_inputs
from espalier.store import input_digests as stored

Submit = Callable[..., Run]
Ended = Callable[..., Dict[str, Any]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a table, a program, a nested and an empty folder."""
    folder = tmp_path / "data"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "x.csv").write_text("a,b\n1,2\n")
    (folder / "sub" / "deep" / "y").write_text("y")
    (folder / "tool").write_text("#!/bin/sh\necho it ran\n")
    (folder / "tool").chmod(0o750)
    os.utime(folder / "x.csv", (5, 5))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "run"))
    os.makedirs(paths.root)
    return paths


def copied(run: RunPaths, path: Path) -> Path:
    copy_inputs(run, resolve_inputs(WorkspacePaths("/ws"), {"d": str(path)}))
    return Path(run.input_copy("d", str(path)))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def shape(top: Path) -> Dict[str, Any]:
    """Each file's content and each folder below a place."""
    return {str(p.relative_to(top)): p.read_text() if p.is_file() else None for p in top.rglob("*")}


def test_a_file(run: RunPaths, data: Path) -> None:
    (data / "x.csv").chmod(0o600)
    copy = copied(run, data / "x.csv")
    assert copy.name == "x.csv" and copy.read_text() == "a,b\n1,2\n" and copy.stat().st_mtime == 5
    assert [mode(path) for path in (copy, copy.parent, copy.parents[1])] == [0o444, 0o555, 0o500]
    assert copy.stat().st_ino != (data / "x.csv").stat().st_ino
    os.mkdir(run.root + "2")
    assert copied(RunPaths(run.root + "2"), data / "tool").stat().st_mode & 0o777 == 0o554


def test_a_folder(run: RunPaths, data: Path) -> None:
    copy = copied(run, data)
    assert shape(copy) == shape(data) and {"empty", "sub/deep/y"} < set(shape(copy))
    folders = [path for path in (copy, *copy.rglob("*")) if path.is_dir()]
    assert {mode(path) for path in folders} == {0o555} and len(folders) == 4
    assert mode(copy / "tool") == 0o554 and mode(copy / "sub" / "deep" / "y") == 0o444


def test_links(run: RunPaths, data: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("o")
    (data / "file").symlink_to(tmp_path / "outside")
    (data / "sub" / "up").symlink_to(data / "empty")  # absolute, inside
    (data / "round").symlink_to(".")
    (data / "nowhere").symlink_to(tmp_path / "gone")
    (data / "inner-nowhere").symlink_to(data / "gone")
    os.mkfifo(data / "fifo")
    (tmp_path / "way").symlink_to(data)
    copy = copied(run, tmp_path / "way")
    assert copy.name == "way" and not copy.is_symlink()
    assert not (copy / "file").is_symlink() and (copy / "file").read_text() == "o"
    assert (os.readlink(copy / "sub" / "up"), os.readlink(copy / "round")) == ("../empty", ".")
    assert (copy / "sub" / "up").resolve() == (copy / "empty").resolve()
    assert not any(os.path.lexists(copy / name) for name in ("nowhere", "inner-nowhere", "fifo"))


def test_what_has_no_digest_is_not_copied(run: RunPaths, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "INPUT_COPY_LIMIT_BYTES", 3)
    copy_inputs(run, resolve_inputs(WorkspacePaths("/ws"), {"big": str(data)}))
    assert not os.path.exists(run.job)
    copy_inputs(run, resolve_inputs(WorkspacePaths("/ws"), {"big": str(data), "small": str(data / "sub")}))
    assert os.listdir(run.inputs) == ["small"]


@pytest.mark.parametrize("change", ["contents", "name", "grown", "link"])
def test_changed_since_submit(run: RunPaths, data: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    records = resolve_inputs(WorkspacePaths("/ws"), {"d": str(data)})
    if change == "contents":
        (data / "x.csv").write_text("a,b\n1,3\n")
    elif change == "name":
        (data / "x.csv").rename(data / "z.csv")
    elif change == "link":
        (data / "empty").rmdir()
        (data / "empty").symlink_to("/")
    else:
        os.truncate(data / "x.csv", 1 << 40)
        monkeypatch.setattr(module, "_copy", lambda *_: pytest.fail("what may be huge by now is not read"))
    with pytest.raises(EspalierError) as caught:
        copy_inputs(run, records)
    assert caught.value.code == "input_changed" and str(data) in caught.value.message


def test_touched_is_not_changed(run: RunPaths, data: Path) -> None:
    records = resolve_inputs(WorkspacePaths("/ws"), {"d": str(data)})
    os.utime(data / "x.csv", (9, 9))
    copy_inputs(run, records)
    assert Path(run.input_copy("d", str(data)), "x.csv").exists()


def test_gone_since_submit(run: RunPaths, data: Path) -> None:
    records = resolve_inputs(WorkspacePaths("/ws"), {"d": str(data / "x.csv")})
    (data / "x.csv").unlink()
    with pytest.raises(EspalierError, match="No such file") as caught:
        copy_inputs(run, records)
    assert caught.value.code == "input_missing"


@pytest.mark.parametrize("calls", [0, 1])
def test_where_the_kernel_does_not_copy(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """File systems that refuse, at once or after some bytes: the rest is read and written."""
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    seen = []

    def copy_some(source: int, to: int, count: int, begin: int, end: int) -> int:
        seen.append(count)
        if len(seen) > calls:
            raise OSError(errno.EXDEV, "cross-device link")
        return os.pwrite(to, os.pread(source, 1000, begin), end)

    monkeypatch.setattr(os, "copy_file_range", copy_some)
    assert copied(run, tmp_path / "big").read_bytes() == (tmp_path / "big").read_bytes() and len(seen) > calls


# ---- jobs

WRITE = """
cd "$ESPALIER_INPUT_D"
for f in x.csv new sub/deep/new; do (echo bad > $f) 2>/dev/null && echo "wrote $f"; done
rm x.csv 2>/dev/null && echo removed
mv ../data ../other 2>/dev/null && echo renamed
mv ../../d ../../e 2>/dev/null && echo renamed
./tool; cat x.csv
"""


def test_a_job_cannot_write_to_its_input(home: Path, data: Path, as_user: Callable[..., str]) -> None:
    code = (
        "import sys; from espalier import *\n"
        "e = Experiment(Workspace.create('ws', sys.argv[1]), 'e')\n"
        "r = e.submit(ScriptRunConfig(command=sys.argv[3], inputs={'d': sys.argv[2]}))\n"
        "d = r.wait_for_completion(raise_on_error=False)\n"
        "print(d['status'], d['warnings'], open(r.run_dir + '/user_logs/std_log.txt').read())"
    )
    before = shape(data)
    assert as_user(code, str(home), str(data), WRITE) == "Completed [] it ran\na,b\n1,2\n\n"
    assert shape(data) == before


def test_the_original_is_untouched_whatever_the_job_does(submit: Submit, ended: Ended, data: Path) -> None:
    (data / "to-file").symlink_to(data / "x.csv")
    (data / "to-folder").symlink_to(data / "sub")
    before = shape(data)
    mess = 'cd "$ESPALIER_INPUT_D"; chmod -R u+w ../..; echo bad > to-file; echo bad > to-folder/new; echo bad > x.csv; '
    details = ended(run := submit(mess + "rm -r empty sub; echo done", inputs={"d": str(data)}))
    assert shape(data) == before
    (warning,) = details["warnings"]
    assert "private copy" in warning and Path(run.run_dir, "user_logs", "std_log.txt").read_text() == "done\n"


@pytest.mark.parametrize("keep", [True, False])
def test_nothing_stays(submit: Submit, ended: Ended, data: Path, keep: bool) -> None:
    run = submit('cp -R "$ESPALIER_INPUT_D" .', inputs={"d": str(data)}, keep_workdir=keep)
    assert ended(run)["status"] == "Completed"
    assert not Path(run.run_dir, ".job").exists()
    assert Path(run.run_dir, "work", "data", "sub", "deep", "y").exists() == keep


def test_a_large_input_is_the_original(
    submit: Submit, ended: Ended, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "INPUT_COPY_LIMIT_BYTES", 3)
    run = submit('echo "$ESPALIER_INPUT_D" "$2"; echo more >> "$2/x.csv"', inputs={"d": str(data)})
    (warning,) = ended(run)["warnings"]
    assert Path(run.run_dir, "user_logs", "std_log.txt").read_text() == f"{data} {data}\n"
    assert (data / "x.csv").read_text().endswith("more\n") and "between submit and the end" in warning


def test_a_change_while_it_waits_fails_the_run(submit: Submit, ended: Ended, reach: Any, data: Path) -> None:
    set_capacity(queue_paths(), cpus=1)
    reach(blocker := submit("sleep 60"), "Running")
    run = submit("echo ran", inputs={"d": str(data)})
    (data / "x.csv").write_text("a,b\n9,9\n")
    blocker.cancel()
    details = ended(run)
    error = details["error"]
    assert (details["status"], error["code"], error["class"]) == (
        "Failed", "prepare_failed", ["espalier_error_input_changed"],
    )  # fmt: skip
    assert f"Can't use the input d ({data}): it changed" in error["message"] and "Submit again" in error["message"]
    assert not Path(run.run_dir, "user_logs").exists() and not Path(run.run_dir, ".job").exists()


def test_where_an_equal_input_lies_does_not_matter(experiment: Experiment, ended: Ended, data: Path) -> None:
    config = {"command": 'cat "$ESPALIER_INPUT_D/x.csv"'}
    first = experiment.submit(ScriptRunConfig(**config, inputs={"d": str(data)}))
    ended(first)
    moved = data.rename(data.parent / "moved")
    again = experiment.submit(ScriptRunConfig(**config, inputs={"d": str(moved)}), reuse=True)
    assert again.id == first.id


KILL = """
import os, signal, sys, time
from espalier import *
from espalier.base.paths import RunPaths
from espalier.base.records import read_record
e = Experiment(Workspace.create('ws', sys.argv[1]), 'e')
run = e.submit(ScriptRunConfig(command='cp -R "$ESPALIER_INPUT_D" .; chmod a-w . ; echo up; sleep 60', inputs={'d': sys.argv[2]}))
log = run.run_dir + '/user_logs/std_log.txt'
while not (os.path.exists(log) and os.path.getsize(log)):
    time.sleep(0.01)
assert os.path.exists(run.run_dir + '/.job/inputs/d/data/x.csv')
runner = read_record(RunPaths(run.run_dir).status)['pid']
children = [int(p) for p in open(f'/proc/{runner}/task/{runner}/children').read().split()]
for pid in [runner] + children * (sys.argv[3] == 'all'):
    os.kill(pid, signal.SIGKILL)
print(run.wait_for_completion(raise_on_error=False)['error']['code'])
deadline = time.monotonic() + 10
while os.path.exists(run.run_dir + '/.job') or os.listdir(os.environ['ESPALIER_STATE_DIR'] + '/w'):
    assert time.monotonic() < deadline, os.listdir(run.run_dir)
    run.get_status()
    time.sleep(0.01)
"""


@pytest.mark.parametrize("killed", ["runner", "all"])
def test_a_killed_runner_leaves_nothing(home: Path, data: Path, as_user: Callable[..., str], killed: str) -> None:
    """By the guardian, and by whoever looks when that is dead too."""
    assert as_user(KILL, str(home), str(data), killed) == "runner_lost\n"


def test_a_runner_killed_while_it_copied(run: RunPaths, data: Path, as_user: Callable[..., str]) -> None:
    """The run is prepared again: what the first runner left is removed, and is not in the way."""
    records = resolve_inputs(WorkspacePaths("/ws"), {"d": str(data)})
    copy_inputs(run, records)
    os.makedirs(run.work)
    as_user("import sys; from espalier.lifecycle.collect import *; from espalier.base.paths import RunPaths; remove_working_copy(Known(RunPaths(sys.argv[1]), Status('Running')))", run.root)
    assert not os.path.exists(run.job)
    copy_inputs(run, records)
