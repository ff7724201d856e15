import contextlib
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from espalier import ScriptRunConfig
from espalier.adapters import copying, moving, posix
from espalier.adapters.files import remove_tree
from espalier.adapters.homes import scratch_below, scratch_folder
from espalier.base.paths import RunPaths
from espalier.base.scratch_paths import ScratchPaths
from espalier.jobs import commit as submission
from espalier.lifecycle import collect as collecting
from espalier.lifecycle import keep
from espalier.lifecycle import scratch as scratches
from espalier.lifecycle.collect import clean, collect, remove_working_copy
from espalier.lifecycle.end import clean_again, finish
from espalier.lifecycle.scratch import note_beginning
from espalier.lifecycle.status import Known, read_status
from espalier.runner.prepare import make_kept_folders
from scratch import give_scratch


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunPaths]:
    """A run whose job has just ended, nothing moved yet; uploads are in its outputs."""
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    for folder in (paths.outputs, paths.logs):
        os.makedirs(folder)
    Path(paths.spec).write_text('{"format": 1}')
    give_scratch(paths, str(tmp_path / "w"))
    yield paths
    remove_tree(str(tmp_path / "runs"))
    remove_tree(str(tmp_path / "w"))


def work(run: RunPaths) -> Path:
    return Path(scratch_below(str(Path(run.root).parents[2] / "w")), "abcdef01", "work")


def made(run: RunPaths, name: str = "outputs") -> Path:
    path = work(run) / name
    path.mkdir()
    return path


def collected(run: RunPaths) -> List[str]:
    warnings: List[str] = []
    collect(Known(run, read_status(run)), warnings)
    return warnings


def tree(folder: str) -> dict:  # type: ignore[type-arg]
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(Path(folder).rglob("*"))
    }


def deep(folder: str, levels: int, name: str = "d") -> None:
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def put_on_another_disk(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """From a folder, and to it, nothing can be renamed any more."""
    real = {"rename": os.rename, "replace": os.replace}

    def renamer(how: str) -> Callable[..., None]:
        def rename(source: str, target: str, **fds: int) -> None:
            places = [posix.path_of_open(fds[name]) if name in fds else path for name, path in (("src_dir_fd", source), ("dst_dir_fd", target))]
            if len({Path(place).is_relative_to(folder) for place in places}) == 2:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real[how](source, target, **fds)

        return rename

    for how in real:
        patch.setattr(os, how, renamer(how))


@pytest.fixture(params=["same disk", "another disk"])
def retried(request: Any, run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScratchPaths:
    """A run whose second attempt is being prepared, `./outputs` of the first handed on."""
    if request.param == "another disk":
        put_on_another_disk(monkeypatch, tmp_path / "w")
    Path(run.outputs, "sub").mkdir()
    for name in ("old", "sub/x", "both"):
        Path(run.outputs, name).write_text("first")
    made(run)
    Path(work(run), "outputs", "both").write_text("of the snapshot")
    Path(work(run), "outputs", "brought").write_text("of the snapshot")
    scratch = ScratchPaths(str(work(run).parent))
    os.unlink(scratch.began)
    return scratch


HANDED_ON = {"both": "first", "old": "first", "sub": None, "sub/x": "first"}
BROUGHT = {"brought": "of the snapshot"}


def test_what_an_attempt_left_is_handed_on(run: RunPaths, retried: ScratchPaths) -> None:
    """And what the next one deletes is gone."""
    make_kept_folders(run, retried)
    outputs = Path(retried.job, "outputs")
    assert tree(str(outputs)) == {**HANDED_ON, **BROUGHT}
    note_beginning(retried)
    shutil.rmtree(outputs)
    outputs.mkdir()
    (outputs / "new").write_text("second")
    assert collected(run) == collected(run) == [] and tree(run.outputs) == {"new": "second"}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("end", [collected, lambda run: remove_working_copy(Known(run, read_status(run)))])
def test_killed_at_each_act_of_handing_on(run: RunPaths, retried: ScratchPaths, end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes next brings home what the first attempt left, however far the runner came."""
    acts = ("rename", "replace", "mkdir", "rmdir", "unlink", "link")
    real = {name: getattr(os, name) for name in acts}
    left = [0]
    for last in range(100):
        left[0] = last

        def act(name: str) -> Callable[..., Any]:
            def dying(*args: Any, **fields: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return real[name](*args, **fields)

            return dying

        with monkeypatch.context() as patch:
            for name in acts:
                patch.setattr(os, name, act(name))
            with contextlib.suppress(Killed):
                make_kept_folders(run, retried)
        end(run)
        found = {name: text for name, text in tree(run.outputs).items() if name != "brought"}
        assert found == HANDED_ON, f"killed before act {last}"
        if left[0] >= 0:
            return
        shutil.rmtree(retried.root, ignore_errors=True)
        os.makedirs(os.path.join(retried.job, "outputs"))
        for name in ("both", "brought"):
            Path(retried.job, "outputs", name).write_text("of the snapshot")
        Path(retried.temporary).mkdir()
    raise AssertionError("it never ended")


def test_a_copy_that_is_lost_with_its_disk(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one in memory, when the machine stops."""
    put_on_another_disk(monkeypatch, tmp_path / "w")
    Path(run.outputs, "old").write_text("first")
    make_kept_folders(run, ScratchPaths(str(work(run).parent)))
    shutil.rmtree(tmp_path / "w")
    assert collected(run) == [] and tree(run.outputs) == {"old": "first"}


def test_killed_while_it_copies(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half of a file is listed or counted, then or later."""
    put_on_another_disk(monkeypatch, tmp_path / "w")
    Path(made(run), "x").write_text("x")
    Path(work(run), "new").write_text("new")

    def half(source: int, name: str, target: int, to: str) -> None:
        os.close(os.open(to, os.O_CREAT | os.O_WRONLY, dir_fd=target))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(copying, "copy_file", half)
        patch.setattr(os, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            collected(run)
        patch.setattr(collecting, "_collect_folders", lambda *_: None)
        with pytest.raises(Killed):
            collected(run)
    assert tree(run.outputs) == tree(run.files) == {}
    record = collect(Known(run, read_status(run)), [])
    assert record is not None and record["count"] == 1 and tree(run.files) == {"new": "new"}
    clean(Known(run, read_status(run)))
    assert not os.path.exists(run.job)


def test_folders_that_were_removed(run: RunPaths) -> None:
    Path(run.outputs, "a").write_text("a")
    assert collected(run) == [] and tree(run.outputs) == {"a": "a"}
    work(run).rmdir()
    assert collected(run) == []


def test_into_what_was_uploaded(run: RunPaths) -> None:
    Path(run.outputs, "early").write_text("early")
    Path(run.outputs, "sub").mkdir()
    Path(run.outputs, "sub", "kept").write_text("kept")
    Path(run.outputs, "both").write_text("old")
    late = made(run)
    (late / "both").write_text("new")
    (late / "sub").mkdir()
    (late / "sub" / "late").write_text("late")
    (late / "link").symlink_to("/etc")
    assert collected(run) == []
    assert os.readlink(Path(run.outputs, "link")) == "/etc"
    os.unlink(Path(run.outputs, "link"))
    assert tree(run.outputs) == {"both": "new", "early": "early", "sub": None, "sub/kept": "kept", "sub/late": "late"}


@pytest.mark.parametrize("old,new", [("file", "folder"), ("folder", "file"), ("link", "folder"), ("folder", "link")])
def test_other_kinds_under_one_name(run: RunPaths, old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("untouched")
    late = made(run)
    for place, kind in ((Path(run.outputs), old), (late, new)):
        if kind == "file":
            (place / "x").write_text("file")
        elif kind == "link":
            (place / "x").symlink_to(tmp_path / "outside")
        else:
            (place / "x").mkdir()
            (place / "x" / "in").write_text("in")
    assert collected(run) == []
    result = Path(run.outputs, "x")
    assert {"file": result.is_file(), "folder": (result / "in").exists(), "link": result.is_symlink()}[new]
    assert tree(str(tmp_path / "outside")) == {"x": "untouched"}


def test_a_file_instead_of_the_folder(run: RunPaths) -> None:
    (work(run) / "outputs").write_text("a file")
    assert collected(run) == []
    assert tree(run.outputs) == {"outputs": "a file"}


def test_a_link_is_not_followed_and_said(run: RunPaths, tmp_path: Path) -> None:
    os.symlink("/etc", work(run) / "outputs")
    (warning,) = collected(run)
    assert "/etc" in warning and tree(run.outputs) == {}


def test_a_file_or_link_in_the_place_of_the_run_s_own_folder(run: RunPaths, tmp_path: Path) -> None:
    """As a job makes them that knows its run's folder."""
    for name in ("outputs", "logs"):
        shutil.rmtree(Path(run.root, name))
        (made(run, name) / "x").write_text("x")
    Path(run.outputs).write_text("a file where the folder was")
    (tmp_path / "precious").mkdir()
    os.symlink(tmp_path / "precious", run.logs)
    warnings = collected(run)
    assert [text.partition(" in ")[0] for text in warnings] == ["logs", "outputs"]
    assert f"a link to {tmp_path}/precious" in warnings[0] and "replaced by a file" in warnings[1]
    assert collected(run) == warnings  # (it says the same each time, and a status holds it once)
    assert tree(run.outputs) == tree(run.logs) == {"x": "x"} and not os.path.islink(run.logs)
    assert os.listdir(tmp_path / "precious") == []


@pytest.mark.parametrize("disk", ["same disk", "another disk"])
@pytest.mark.parametrize("levels", [150, 700])
def test_deep_folders(run: RunPaths, levels: int, disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One alone is moved as a whole, two are merged, and one in the working copy is kept."""
    for folder in (str(made(run, "logs")), run.outputs, str(made(run)), str(made(run, "data"))):
        deep(folder, levels)
    if disk == "another disk":
        put_on_another_disk(monkeypatch, tmp_path / "w")
    assert collected(run) == []
    for folder in (run.logs, run.outputs, os.path.join(run.files, "data")):
        assert os.listdir(os.path.join(folder, *["d"] * levels)) == ["f"]


@pytest.mark.parametrize("disk", ["same disk", "another disk"])
def test_what_lies_deeper_than_a_path_may_be_long_is_counted(
    run: RunPaths, disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep(str(made(run, "data")), 450, "d" * 20)
    (work(run) / "data" / "near").write_text("near")
    if disk == "another disk":
        put_on_another_disk(monkeypatch, tmp_path / "w")
    warnings: List[str] = []
    for _ in range(2):  # (again, after a crash)
        kept = collect(Known(run, read_status(run)), warnings)
        assert kept is not None and (kept["count"], kept["bytes"], warnings) == (2, 4, [])


def test_a_long_path_is_shortened_in_its_warning(run: RunPaths) -> None:
    place = Path(made(run), *["d" * 50] * 10)
    place.mkdir(parents=True)
    os.mkfifo(place / "fifo")
    Path(run.outputs, "d" * 50).mkdir()
    mover = moving.Mover(told := [], (run.root, ".job"), copies=True)
    with moving.opened_below(str(work(run)), ()) as source, moving.opened_below(run.root, ()) as home:
        mover.move(source, "outputs", home, "outputs", "./outputs")
    assert len(told) == 1 and len(told[0]) < 200 and "./outputs/ddd" in told[0] and "/fifo: it isn't a plain file." in told[0]


def test_another_file_system(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is copied whole, and stays until the scratch folder goes."""
    outputs = made(run)
    (outputs / "sub").mkdir()
    (outputs / "sub" / "x").write_text("x")
    (outputs / "link").symlink_to("/etc")
    os.mkfifo(outputs / "fifo")
    (work(run) / "new").write_text("new")
    put_on_another_disk(monkeypatch, tmp_path / "w")
    (warning,) = collected(run)
    assert "fifo" in warning and os.readlink(Path(run.outputs, "link")) == "/etc"
    os.unlink(Path(run.outputs, "link"))
    assert tree(run.outputs) == {"sub": None, "sub/x": "x"} and tree(run.files) == {"new": "new"}
    assert (outputs / "sub" / "x").exists()
    assert len(collected(run)) == 1, "and again, after a crash"
    clean(Known(run, read_status(run)))
    assert os.listdir(scratch_below(str(tmp_path / "w"))) == []


def test_nothing_can_be_written(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be moved stays where it is, until it can be; then the record of the end says so."""
    (made(run) / "x").write_text("x")
    (work(run) / "new").write_text("new")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        record = finish(Known(run, read_status(run)), "Failed", None)
    assert "No space" in record.warnings[0] and str(work(run).parent) in record.warnings[0]
    clean_again(Known(run, record))
    assert tree(run.outputs) == {"x": "x"} and tree(run.files) == {"new": "new"} and not work(run).exists()
    now = read_status(run)
    assert (now.warnings, (now.kept or {})["count"]) == ((), 1)
    assert now._replace(warnings=(), kept=None) == record._replace(warnings=(), kept=None)
    clean_again(Known(run, now))
    assert read_status(run) == now


def test_twice_is_the_same_as_once(run: RunPaths) -> None:
    (made(run) / "x").write_text("x")
    collected(run)
    assert collected(run) == [] and tree(run.outputs) == {"x": "x"}


def test_folders_without_write_permission(run: RunPaths, as_user: Callable[..., str]) -> None:
    """As a job makes them that copies a read-only input with its modes."""
    late = made(run)
    for folder in (Path(run.outputs, "both"), late / "both", late / "new" / "deep"):
        folder.mkdir(parents=True)
    for file in (late / "both" / "x", late / "new" / "deep" / "y"):
        file.write_text("kept")
    (work(run) / "data" / "deep").mkdir(parents=True)
    for folder in (late / "both", late / "new" / "deep", late / "new", late, work(run) / "data" / "deep",
                   work(run) / "data", work(run)):  # fmt: skip
        folder.chmod(0o555)
    code = "import sys; from espalier.lifecycle.collect import *; from espalier.lifecycle.status import read_status; from espalier.base.paths import RunPaths; run = RunPaths(sys.argv[1]); status = read_status(run); warnings = []; {}; print(warnings)"
    assert as_user(code.format("collect(Known(run, status), warnings)"), run.root) == "[]\n"
    assert tree(run.outputs) == {"both": None, "both/x": "kept", "new": None, "new/deep": None, "new/deep/y": "kept"}
    as_user(code.format("clean(Known(run, status))"), run.root)
    assert not work(run).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to make folders of another user")
def test_folders_of_another_user(run: RunPaths, as_user: Callable[..., str]) -> None:
    """As a job in a container makes them with another `user`: what can be read is kept, the rest is said, once."""
    for folder in ("outputs/sub", "open", "shut", "unwritable"):
        (work(run) / folder).mkdir(parents=True)
        (work(run) / folder / "x").write_text("x")
    for folder, mode in (("outputs/sub", 0o755), ("open", 0o755), ("shut", 0o700), ("unwritable", 0o555)):
        os.chown(work(run) / folder, 1234, 4321)
        (work(run) / folder).chmod(mode)
    Path(run.outputs, "sub").mkdir()  # by an upload
    os.makedirs(os.path.dirname(run.runner_log))
    code = "import sys; from espalier.lifecycle.collect import *; from espalier.lifecycle.status import read_status; from espalier.base.paths import RunPaths; run = RunPaths(sys.argv[1]); status = read_status(run); warnings = []; collect(Known(run, status), warnings); {}; print(warnings)"
    said = as_user(code.format("clean(Known(run, status))"), run.root)
    assert said == '["Can\'t keep shut: Operation not permitted."]\n'
    assert tree(run.outputs) == {"sub": None, "sub/x": "x"}
    assert tree(run.files) == {"open": None, "open/x": "x", "unwritable": None, "unwritable/x": "x"}
    assert as_user(code.format("clean(Known(run, status))"), run.root) == "[]\n"
    assert Path(run.runner_log).read_text().count("\n") == 1


@pytest.mark.parametrize("keep", [True, False])
def test_scratch(run: RunPaths, keep: bool) -> None:
    os.makedirs(os.path.dirname(run.runner_log))
    os.makedirs(run.job)
    for path in (run.env, run.runner_log):
        Path(path).write_text("")
    Path(run.spec).write_text(json.dumps({"format": 1, "keep_workdir": keep}))
    (work(run) / "x").write_text("x")
    clean(Known(run, read_status(run)))
    assert os.path.exists(Path(run.work, "x")) == keep and not work(run).exists()
    assert not any(map(os.path.exists, (run.job, run.env, run.runner_log)))
    assert os.path.isdir(run.outputs)


def test_a_runner_log_that_says_something_stays(run: RunPaths) -> None:
    os.makedirs(os.path.dirname(run.runner_log))
    Path(run.runner_log).write_text("Traceback")
    clean(Known(run, read_status(run)))
    assert Path(run.runner_log).read_text() == "Traceback"


def test_a_deep_working_copy_is_removed(run: RunPaths) -> None:
    deep(str(work(run)), 3000)
    clean(Known(run, read_status(run)))
    assert not work(run).exists()


def test_remove_tree(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "gone"))
    (tmp_path / "outside").write_text("stays")
    for name in "ab":
        (tmp_path / "t" / name).mkdir(parents=True)
        deep(str(tmp_path / "t" / name), 2000)
        (tmp_path / "t" / name / "link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "t" / "fifo")
    remove_tree(str(tmp_path / "t"))
    assert os.listdir(tmp_path) == ["outside"]


def test_what_was_copied_is_not_counted_twice(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that ended the run was killed after it had copied: the next one finds source and copy."""
    Path(run.spec).write_text('{"format": 1, "keep_workdir": true}')
    monkeypatch.setattr(keep, "LIMIT_BYTES", 10)
    (work(run) / "sub").mkdir()
    (work(run) / "sub" / "large").write_text("large")
    (work(run) / "small").write_text("kept")
    warnings: List[str] = []
    first, second = (collect(Known(run, read_status(run)), warnings) for _ in range(2))
    assert first == second and first is not None and (first["count"], first["too_large"], warnings) == (2, [], [])


def test_what_was_kept_is_reported_once(
    experiment: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that ended the run was killed before it removed the working copy."""
    for name in ("main.sh", "changed", "deleted"):
        (project / name).write_text("true\n")
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = experiment.submit(ScriptRunConfig(str(project), "main.sh"))
    paths = RunPaths(run.run_dir)
    scratch = give_scratch(paths, scratch_folder())
    for name in ("main.sh", "changed"):
        Path(scratch.work, name).write_text("false\n")
    os.mkdir(os.path.dirname(paths.runner_log))
    first, second = (collect(Known(paths, read_status(paths)), []) for _ in range(2))
    assert first == second and first is not None and (first["count"], first["deleted"]) == (2, ["deleted"])
    report = Path(paths.runner_log).read_text().splitlines()
    assert [line.split(":")[0] for line in report] == [
        "Kept 2 files (12 B) that the job wrote outside of ./outputs and ./logs",
        "The job deleted 1 file of its working copy",
    ]


@pytest.mark.parametrize("is_moved", [False, True])
def test_half_removed_the_job_has_deleted_nothing(
    is_moved: bool, experiment: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that removed the working copy, or moved it to its run, was killed: another one finds what is left."""
    for name in ("main.sh", "part"):
        (project / name).write_text("true\n")
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = experiment.submit(ScriptRunConfig(str(project), "main.sh", keep_workdir=is_moved))
    paths = RunPaths(run.run_dir)
    scratch = give_scratch(paths, scratch_folder())
    for name in ("main.sh", "part"):
        shutil.copy(project / name, scratch.work)
    with monkeypatch.context() as patch:
        if is_moved:
            patch.setattr(collecting, "remove_scratch", lambda scratch: None)
        else:
            patch.setattr(scratches, "remove_tree", lambda path: path.endswith("/work") and os.unlink(path + "/part"))
        clean(Known(paths, read_status(paths)))
    assert os.path.isdir(scratch.root) and not os.path.exists(scratch.work + "/part")
    warnings: List[str] = []
    assert collect(Known(paths, read_status(paths)), warnings) is None and warnings == []


ODD_SPECS = ["5", '"x"', "[]", '{"id": 5}', '{"a": 1}', '{"id": "sha256:x"}', '{"id": "../../x"}']


@pytest.mark.parametrize("odd", [*(f'"snapshot": {odd}' for odd in ODD_SPECS), '"working_copy": 5', '"working_copy": {"stubs": 5}'])
def test_an_odd_definition_keeps_nothing_from_home(run: RunPaths, odd: str) -> None:
    Path(run.spec).write_text('{"format": 1, ' + odd + "}")
    (made(run) / "o").write_text("1")
    (work(run) / "side").write_text("2")
    assert collected(run) == []
    assert Path(run.outputs, "o").read_text() == "1" and Path(run.files, "side").read_text() == "2"


@pytest.mark.parametrize("odd", ["5", '"x"', "[]", '{"ESPALIER_KEEP_LIMIT": 5}', '{"ESPALIER_KEEP_LIMIT": []}'])
def test_odd_variables_set_no_limit(run: RunPaths, odd: str) -> None:
    Path(run.env).write_text('{"format": 1, "variables": ' + odd + "}")
    (work(run) / "side").write_text("2")
    assert collected(run) == []
    assert Path(run.files, "side").read_text() == "2"


@pytest.mark.parametrize("limit", ["\u00b2", "9" * 5000, "9" * 400 + " GB"])
def test_a_limit_that_is_no_number_is_told(run: RunPaths, limit: str) -> None:
    Path(run.env).write_text(json.dumps({"format": 1, "variables": {"ESPALIER_KEEP_LIMIT": limit}}))
    (work(run) / "side").write_text("2")
    assert "must be a size" in collected(run)[0]
    assert Path(run.files, "side").read_text() == "2"


@pytest.mark.parametrize("began", ['{"format": 1, "time": "x"}', '{"format": 1, "time": 1, "folders": 5}'])
def test_an_odd_beginning_keeps_nothing_from_home(run: RunPaths, began: str) -> None:
    scratch = scratches.scratch_of(run, read_status(run))
    assert scratch is not None
    Path(scratch.began).write_text(began)
    (made(run) / "o").write_text("1")
    (work(run) / "side").write_text("2")
    collected(run)
    assert Path(run.outputs, "o").read_text() == "1" and Path(run.files, "side").read_text() == "2"


def test_outputs_come_home_where_nothing_else_can_be_found(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AttributeError("what nobody thought of")

    monkeypatch.setattr(collecting, "changed_files", fail)
    (made(run) / "o").write_text("1")
    (work(run) / "side").write_text("2")
    end = finish(Known(run, read_status(run)), "Completed", None)
    assert any("what nobody thought of" in line for line in end.warnings)
    assert Path(run.outputs, "o").read_text() == "1"
    assert (work(run) / "side").read_text() == "2"
