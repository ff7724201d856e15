"""A workspace, or a repository, that a stranger has made: it comes with a project, or lies above one."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters import posix
from espalier.base.errors import EspalierError
from espalier.jobs import commit as submission
from espalier.queue import nudge as nudging
from espalier.snapshot.git import start_git
from espalier.snapshot.gitconfig import is_anothers, repository_around

OTHER = 4242
LOOKS: Dict[str, Callable[[Workspace, str], Any]] = {
    "listing": lambda workspace, run: workspace.runs.list(),
    "status": lambda workspace, run: workspace.runs.get(run).get_status(),
    "details": lambda workspace, run: workspace.runs.get(run).get_details(),
}  # fmt: skip


@pytest.fixture
def theirs(experiment: Experiment, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace as a stranger has put it into a project, with a queued run that makes `home/executed`."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        experiment.submit(ScriptRunConfig(command=f"touch {home}/executed"))
    cloned = home / "cloned"
    shutil.copytree(home / "ws", cloned)
    shutil.rmtree(home / "state")
    monkeypatch.setattr(nudging, "_PAUSE_SECONDS", 0.0)
    return cloned


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("state", ["Queued", "Preparing", "Running"])
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("origin", ["none", "guessed inode"])
def test_nothing_in_it_is_executed(theirs: Path, home: Path, state: str, look: str, origin: str) -> None:
    (folder,) = theirs.glob("runs/*/exp_*")
    changes = {"host": posix.host_name(), "user": posix.user_name(), "retry": {"attempts": 3, "on": ["runner_lost"]}}
    edit(folder / "spec.json", **changes)
    inode = {"inode": os.stat(folder / "spec.json").st_ino, "changed_ns": 1}
    started = {"started_at": "2026-01-01T00:00:00.000000Z"} if state == "Running" else {}
    edit(folder / "status.json", state=state, origin=None if origin == "none" else inode, digests={}, **started)
    workspace = Workspace(str(theirs))
    for _ in range(2):
        LOOKS[look](workspace, folder.name)
    run = Run(str(theirs), folder.name)
    assert run.wait_for_completion(show_output=False, raise_on_error=False)["error"]["code"] == "copied"
    assert not (home / "executed").exists()


def test_nothing_is_collected_for_it(theirs: Path, home: Path) -> None:
    """A run that says it collects from a folder of the user's, as one of a job that has ended."""
    (home / "mine").mkdir()
    (home / "mine" / "key").write_text("secret")
    (folder,) = theirs.glob("runs/*/exp_*")
    edit(folder / "spec.json", host=posix.host_name(), user=posix.user_name(), parent="exp_1_00000000")
    held = {"state": "Running", "held_by": "parent", "collect_from": str(home / "mine"), "origin": None}
    edit(folder / "status.json", **held)
    Workspace(str(theirs)).runs.list()  # (nor does it stop a listing that it has no beginning)
    edit(folder / "status.json", **held, started_at="2026-01-01T00:00:00.000000Z")
    Workspace(str(theirs)).runs.list()
    assert not list(theirs.rglob("key"))


@pytest.mark.parametrize("name", ["../../planted", "/{home}/planted", "", "a/b", "."])
def test_its_id_names_no_other_file(theirs: Path, home: Path, name: str) -> None:
    edit(theirs / "workspace.json", id=name.format(home=home))
    with pytest.raises(EspalierError) as error:
        Workspace(str(theirs)).get_default_keyvault().set_secret("a", "a long value")
    assert error.value.code == "damaged"
    assert not list(home.rglob("planted*")) and not list(theirs.rglob("keyvault.lock"))


@pytest.mark.parametrize("lock", ["keyvault.lock", "snapshots/lock"])
def test_its_locks_are_files_of_its_own(theirs: Path, home: Path, project: Path, lock: str) -> None:
    (theirs / lock).parent.mkdir(exist_ok=True)
    (theirs / lock).unlink(missing_ok=True)
    os.symlink(home / "planted", theirs / lock)
    (project / "a.py").write_text("1")
    workspace = Workspace(str(theirs))
    config = ScriptRunConfig(source_directory=str(project), entry_script="a.py")
    if lock == "keyvault.lock":
        workspace.get_default_keyvault().set_secret("a", "a long value")
    else:
        Experiment(workspace, "exp").submit(config)
    assert not (home / "planted").exists() and (theirs / lock).is_file() and not (theirs / lock).is_symlink()


@pytest.fixture
def anothers(tmp_path: Path) -> Path:
    """A repository of another account above a project of the user's, as `/tmp/.git` may be."""
    if os.geteuid() != 0:
        pytest.skip("another account is needed, which only root can be")
    top = tmp_path / "shared"
    project = top / "project"
    project.mkdir(parents=True)
    (project / "a.py").write_text("1")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=top, check=True)
    for path in [top / ".git", *(top / ".git").rglob("*")]:
        os.chown(path, OTHER, OTHER)
    return project


def test_a_repository_of_another_user_is_left_alone(anothers: Path, experiment: Experiment) -> None:
    repository = repository_around(str(anothers))
    assert repository is not None and is_anothers(repository)
    state = start_git(str(anothers)).result()
    assert state is not None and state["problem"] == "the repository belongs to another user" and state["commit"] is None
    run = experiment.submit(ScriptRunConfig(source_directory=str(anothers), entry_script="a.py"))
    assert run.wait_for_completion(show_output=False)["status"] == "Completed"
    layout = json.loads(Path(run.run_dir, "spec.json").read_text())["working_copy"]
    assert layout["git"] is None
