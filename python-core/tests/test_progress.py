"""Progress is told, calls are called off only where nothing is half-made, and nobody listening costs nothing."""

import os
import threading
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.base.errors import EspalierError
from espalier.base.progress import Cancelled, Listener, advance, check, indivisible, listening, report
from espalier.jobs import commit as run_folder
from espalier.store import blobs


class Recorder(Listener):
    """Remembers all that was reported, and cancels at the first report of a stage that is done so far."""

    def __init__(self, cancel_at: Any = None) -> None:
        self.all: List[Any] = []
        self.cancel_at = cancel_at
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "seen" and value is not None:
            self.all.append(value)
            if self.cancel_at and value[0] == self.cancel_at[0] and value[1] >= self.cancel_at[1]:
                self.cancelled = True


@pytest.fixture(autouse=True)
def in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The native scanner tells in steps of its own; tests/snapshot/test_native.py has it."""
    monkeypatch.setenv("ESPALIER_NATIVE", "no")


def everything(folder: Path) -> List[str]:
    return sorted(os.path.join(here, name) for here, _, names in os.walk(folder) for name in names)


def test_nobody_listens() -> None:
    report("a", 1)
    advance(1)
    check()
    with indivisible():
        check()


def test_reports_are_heard_by_the_thread_that_listens_alone() -> None:
    listener = Listener()
    with listening(listener):
        other = threading.Thread(target=report, args=("other", 1))
        other.start()
        other.join()
        advance(5)  # nothing was reported yet
        assert listener.seen is None
        report("mine", 2, 10)
        advance(3)
    report("later", 1)
    assert listener.seen == ("mine", 5, 10)


def test_cancelled_is_no_exception_that_code_deals_with() -> None:
    assert not issubclass(Cancelled, Exception)
    listener = Listener()
    listener.cancelled = True
    for point in (check, lambda: report("a", 1), lambda: advance(1)):
        with listening(listener), pytest.raises(Cancelled):
            point()


def test_what_is_indivisible_is_not_begun_once_cancelled_and_not_left_once_begun() -> None:
    listener = Listener()
    with listening(listener):
        with indivisible():
            assert listener.indivisible == 1
            listener.cancelled = True
            check()
            with indivisible():
                check()
        assert listener.indivisible == 0
        with pytest.raises(Cancelled), indivisible():
            pytest.fail("begun")
        assert listener.indivisible == 0


@pytest.fixture
def files(project: Path) -> Path:
    for i in range(20):
        (project / f"f{i:02d}").write_bytes(bytes([i]) * 1000)
    return project


def submit_folder(experiment: Experiment, source: Path, listener: Listener) -> Run:
    with listening(listener):
        return experiment.submit(ScriptRunConfig(source_directory=str(source), command=["true"]))


def test_a_submit_tells_how_far_it_is(experiment: Experiment, files: Path, ended: Callable[..., Any]) -> None:
    heard = Recorder()
    ended(submit_folder(experiment, files, heard))
    stages = [stage for stage, _, _ in heard.all]
    assert sorted(set(stages), key=stages.index) == [
        "Looking for files",
        "Storing the snapshot",
        "Waiting for the disk",
    ]
    stored = [seen[1:] for seen in heard.all if seen[0] == "Storing the snapshot"]
    assert stored == [(1000 * i, 20000) for i in range(20)]


STOPS = [("Looking for files", 3), ("Storing the snapshot", 0), ("Storing the snapshot", 15000), ("Waiting for the disk", 1)]


@pytest.mark.parametrize("at", STOPS)
def test_a_submit_called_off_leaves_no_run(workspace: Workspace, experiment: Experiment, files: Path, at: Any) -> None:
    with pytest.raises(Cancelled):
        submit_folder(experiment, files, Recorder(at))
    assert len(workspace.runs.list()) == 0
    left = everything(Path(workspace.path, "runs")) + everything(Path(os.environ["ESPALIER_STATE_DIR"]))
    assert [name for name in left if not name.endswith("lock")] == []
    blobs_left = [name for name in everything(Path(workspace.path)) if "blobs" in name]
    assert all(len(os.path.basename(name)) in (62, 64) for name in blobs_left), "no half-written file"


def test_a_large_file_is_called_off_in_the_middle(
    workspace: Workspace, experiment: Experiment, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "_WHOLE", 10)
    monkeypatch.setattr(blobs, "_CHUNK", 100)
    (project / "large").write_bytes(b"x" * 1000)
    heard = Recorder(("Storing the snapshot", 500))
    with pytest.raises(Cancelled):
        submit_folder(experiment, project, heard)
    assert heard.all[-1] == ("Storing the snapshot", 500, 1000)
    assert [name for name in everything(Path(workspace.path)) if "blobs" in name] == []


def test_a_submit_that_has_begun_to_commit_is_carried_out(
    experiment: Experiment, files: Path, ended: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    original = run_folder.sync_folder

    def cancel_now(path: str) -> None:
        assert listener.indivisible > 0
        listener.cancelled = True
        original(path)

    monkeypatch.setattr(run_folder, "sync_folder", cancel_now)
    run = submit_folder(experiment, files, listener)
    assert ended(run)["status"] == "Completed"


def test_a_download_called_off_leaves_no_file(
    submit: Callable[..., Run], ended: Callable[..., Any], tmp_path: Path
) -> None:
    run = submit_large(submit)
    ended(run)
    target = tmp_path / "down" / "big"
    heard = Recorder(("Copying the file", 1 << 20))
    with listening(heard), pytest.raises(Cancelled):
        run.download_file("outputs/big", str(target))
    assert heard.all[-1] == ("Copying the file", 1 << 20, 3 << 20)
    assert everything(target.parent) == []
    with listening(Listener()):
        run.download_file("outputs/big", str(target))
    assert target.stat().st_size == 3 << 20


def submit_large(submit: Callable[..., Run]) -> Run:
    return submit("head -c 3145728 /dev/zero > outputs/big")


def test_completing_called_off_leaves_the_run_running(experiment: Experiment, tmp_path: Path) -> None:
    outputs = tmp_path / "mine"
    outputs.mkdir()
    for i in range(5):
        (outputs / f"o{i}").write_text(str(i))
    run = experiment.start_logging(outputs=str(outputs))
    with listening(Recorder(("Keeping the outputs", 2))), pytest.raises(Cancelled):
        run.complete()
    assert run.get_status() == "Running"
    run.complete()
    assert run.get_status() == "Completed"
    assert len([name for name in run.get_file_names() if name.startswith("outputs/")]) == 5


def test_listing_called_off_can_be_repeated(
    workspace: Workspace, submit: Callable[..., Run], ended: Callable[..., Any]
) -> None:
    for _ in range(3):
        ended(submit("true"))
    with listening(Recorder(("Reading runs", 1))), pytest.raises(Cancelled):
        workspace.runs.list()
    assert len(workspace.runs.list()) == 3


def test_deleting_called_off_has_deleted(
    workspace: Workspace, submit: Callable[..., Run], ended: Callable[..., Any], tmp_path: Path
) -> None:
    ended(submit("true"))
    with listening(Recorder(("Deleting runs", 0))), pytest.raises(Cancelled):
        workspace.delete()
    with pytest.raises(EspalierError, match="Can't find a workspace at"):
        workspace.runs.list()
    assert next(path.name for path in tmp_path.glob("ws*")).startswith("ws.deleted-")
