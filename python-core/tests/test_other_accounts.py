"""Other accounts of the same host: what they can write is never executed, and espalier makes nothing that they can."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator

import pytest
from espalier import Experiment, ScriptRunConfig, Workspace
from espalier.adapters import trust
from espalier.adapters.homes import program_cache
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.records import make_folders, write_file
from espalier.queue import step
from espalier.queue.home import queue_paths
from espalier.queue.tickets import find_ticket

OTHER = 54_321
# Exercises what makes files and folders, in a process with an umask of its own.
EXERCISE = """
import os, sys
os.umask(int(sys.argv[1], 8))
from pathlib import Path
from espalier import Experiment, ScriptRunConfig, Workspace
top = sys.argv[2]
Path(top, "project").mkdir()
Path(top, "project", "a.py").write_text('''
from espalier import Run
run = Run.get_context()
run.log("x", 1.5)
run.log_list("long", list(range(20000)))
run.log_part("k")
child = run.child_run("c"); child.log("y", 1); child.complete()
import time; time.sleep(1.2)
''')
Path(top, "project", "data.csv").write_text("1")
w = Workspace.create("ws", top)
e = Experiment(w, "e")
run = e.submit(ScriptRunConfig(source_directory=top + "/project", entry_script="a.py", inputs={"d": top + "/project/data.csv"}),
               tags={"a": "b"})
run.wait_for_completion()
assert run.get_status() == "Completed"
run.set_tags({"c": "d"})
run.upload_file("note", top + "/project/a.py")
waiting = e.submit(ScriptRunConfig(command="sleep 60", retry=2))
waiting.cancel(); waiting.wait_for_completion(raise_on_error=False)
held = e.start_logging(); held.log("x", 1); held.complete()
w.get_default_keyvault().set_secret("a", "a long value")
w.runs.list()
w.write_config(top + "/conf")
"""


@pytest.fixture
def open_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that other accounts can enter, with state and cache in it; pytest's own they cannot."""
    place = Path(tempfile.mkdtemp(prefix="espalier-test-"))
    place.chmod(0o755)
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(place / "state"))
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(place / "cache"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """The folder and records of a queued run, as espalier makes them."""
    found = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"))
    make_folders(found.root)
    for path in (found.spec, found.env, found.status):
        write_file(path, b"{}")
    return found


def as_other(code: str, *args: str) -> str:
    """Run lines of Python as another account; returns what they print."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("another account is needed, which only root can be, with setpriv")
    ids = ["--reuid", str(OTHER), "--regid", str(OTHER), "--clear-groups"]
    command = ["setpriv", *ids, shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable, "-c", code]
    done = subprocess.run([*command, *args], check=True, timeout=60, stdout=subprocess.PIPE, encoding="utf-8")
    return done.stdout


def made_below(place: Path) -> Iterator[Path]:
    """All that was made there, but for what the test and the job made themselves."""
    for path in sorted(place.rglob("*")):
        inside = path.relative_to(place).parts
        if not path.is_symlink() and inside[0] != "project":
            yield path


@pytest.mark.parametrize("umask", ["000", "002", "020", "022", "027", "077"])
def test_no_umask_lets_others_write(open_place: Path, umask: str) -> None:
    subprocess.run([sys.executable, "-c", EXERCISE, umask, str(open_place)], check=True, timeout=60)
    made = list(made_below(open_place))
    assert len(made) > 40
    writable = [path for path in made if path.stat().st_mode & 0o022]
    # (a named pipe or socket is none of ours)
    assert writable == []
    if umask == "077":  # what the user keeps from others stays so
        assert [path for path in made if path.stat().st_mode & 0o077] == []
    if umask in ("000", "022"):
        specs = list(open_place.glob("ws/runs/*/*/spec.json"))
        assert specs and all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in specs)
        envs = list(open_place.glob("ws/runs/*/*/env.json"))
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in envs)


ATTACKS = {
    "spec": "open(run + '/spec.json', 'r+').write('x')",
    "env": "open(run + '/env.json', 'r+').write('x')",
    "env read": "print(open(run + '/env.json').read())",
    "status": "open(run + '/status.json', 'r+').write('x')",
    "meta": "open(run + '/meta.json', 'r+').write('x')",
    "another record": "os.rename(run + '/spec.json', run + '/old')",
    "a file in the run": "open(run + '/x', 'w')",
    "a request": "os.makedirs(run + '/requests'); open(run + '/requests/cancel.json', 'w')",
    "another run folder": "os.rename(run, run + '-old')",
    "a run": "os.mkdir(os.path.dirname(run) + '/e_1_abcdef01')",
    "a shard": "os.mkdir(ws + '/runs/zz')",
    "a folder of the workspace": "os.mkdir(ws + '/images')",
    "the workspace": "os.rename(ws, ws + '-old')",
    "a stored file": "[open(os.path.join(h, n), 'r+') for h, _, names in os.walk(ws + '/snapshots') for n in names]",
    "the queue": "os.listdir(top + '/state/queue')",
    "the cache": "os.listdir(top + '/cache')",
}


def test_another_account_changes_nothing_of_a_queued_run(open_place: Path) -> None:
    """With umask 000 another account rewrote the queued `spec.json`, and its command ran as the owner."""
    code = (
        "import os, sys; os.umask(0)\n"
        "from espalier import Experiment, ScriptRunConfig, Workspace\n"
        "from pathlib import Path\n"
        "top = sys.argv[1]; Path(top, 'project').mkdir(); Path(top, 'project', 'a.sh').write_text('echo harmless')\n"
        "e = Experiment(Workspace.create('ws', top), 'e')\n"
        "first = e.submit(ScriptRunConfig(command='sleep 60'))\n"
        "config = ScriptRunConfig(source_directory=top + '/project', entry_script='a.sh', depends_on=[first.id])\n"
        "print(first.id, e.submit(config).run_dir, len(e.list_runs()))\n"
    )
    told = subprocess.run([sys.executable, "-c", code, str(open_place)], check=True, stdout=subprocess.PIPE, text=True)
    first, run, _ = told.stdout.split()
    try:
        # (all of one run: an attack that is refused leaves it as it was for the next)
        lines = ["import os, sys", "top, run = sys.argv[1:]", "ws = top + '/ws'"]
        for name, attack in ATTACKS.items():
            lines += ["try:", f"    {attack}", f"    print('done: {name}')", "except PermissionError:", "    print('refused')"]
        assert as_other("\n".join(lines), str(open_place), run).splitlines() == ["refused"] * len(ATTACKS)
    finally:
        Workspace.get("ws", str(open_place)).runs.get(first).cancel()


def loosened(run: RunPaths) -> Dict[str, Callable[[], None]]:
    """What an older espalier, or somebody, may have left open to others."""
    workspace = run.workspace
    places = {"spec": run.spec, "env": run.env, "status": run.status, "run": run.root, "shard": run.shard}
    places.update(runs=workspace.runs, workspace=workspace.root)
    found: Dict[str, Callable[[], None]] = {}
    for name, path in places.items():
        for bits in (0o020, 0o002, 0o022):
            found[f"{name} {bits:03o}"] = lambda path=path, bits=bits: os.chmod(path, os.stat(path).st_mode | bits)  # type: ignore[misc]
        found[f"{name} owner"] = lambda path=path: os.chown(path, OTHER, -1)  # type: ignore[misc]
    return found


@pytest.mark.parametrize("place", ["spec", "env", "status", "run", "shard", "runs", "workspace"])
@pytest.mark.parametrize("how", ["020", "002", "022", "owner"])
def test_what_others_can_write_is_not_believed(run: RunPaths, place: str, how: str) -> None:
    if how == "owner" and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    assert trust.refuse_foreign_run(run) is None
    loosened(run)[f"{place} {how}"]()
    with pytest.raises(EspalierError) as caught:
        trust.refuse_foreign_run(run)
    assert caught.value.code == "writable_by_others"
    assert "belongs to" in caught.value.message if how == "owner" else "(mode 0" in caught.value.message
    assert ("Use a folder of your own" if how == "owner" else f"chmod -R go-w {run.workspace.root}") in caught.value.hint
    for path in [run.workspace.root, run.workspace.runs, run.shard, run.root, run.spec, run.env, run.status]:  # the remedy is one
        os.chown(path, os.geteuid(), -1)
    subprocess.run(["chmod", "-R", "go-w", run.workspace.root], check=True)
    assert trust.refuse_foreign_run(run) is None


@pytest.mark.parametrize("place", ["spec", "root", "shard"])
def test_a_queued_run_that_others_could_write_waits(
    experiment: Experiment, tmp_path: Path, place: str
) -> None:
    """Those queued by an earlier version under umask 002 failed for good, and their retries with them."""
    wait = f"while ! test -e {tmp_path}/go; do sleep 0.05; done"
    first = experiment.submit(ScriptRunConfig(command=wait))
    run = experiment.submit(ScriptRunConfig(command=f"touch {tmp_path}/executed", depends_on=[first.id], retry=2))
    paths = RunPaths(run.run_dir)
    opened = getattr(paths, place)
    os.chmod(opened, os.stat(opened).st_mode | 0o020)
    before = Path(paths.status).read_bytes()
    (tmp_path / "go").touch()
    assert first.wait_for_completion()["status"] == "Completed"
    # (another workspace: the shard may be theirs in this one)
    others = Experiment(Workspace.create("others", str(tmp_path)), "e")
    assert others.submit(ScriptRunConfig(command="true")).wait_for_completion()["status"] == "Completed"
    waiting = run.get_detailed_status()
    assert waiting["status"] == "Queued" and Path(paths.status).read_bytes() == before
    for words in (opened + ":", "(mode 0", f"chmod -R go-w {paths.workspace.root}"):
        assert words in waiting["reason"]
    assert not (tmp_path / "executed").exists()
    subprocess.run(["chmod", "-R", "go-w", paths.workspace.root], check=True)
    assert run.wait_for_completion()["status"] == "Completed" and run.get_details()["attempt"] == 1


def test_a_run_opened_to_others_when_it_was_claimed_waits_too(
    experiment: Experiment, reach: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = step.spawn_runner

    def opened_before(run: RunPaths, lease: int) -> None:
        os.chmod(run.spec, 0o664)
        spawn(run, lease)

    with monkeypatch.context() as patch:
        patch.setattr(step, "spawn_runner", opened_before)
        run = experiment.submit(ScriptRunConfig(command="true", retry=2))
    reach(lambda: "chmod -R go-w" in str(run.get_detailed_status()["reason"]) and find_ticket(queue_paths(), run.id))
    assert run.get_status() == "Queued"
    os.chmod(RunPaths(run.run_dir).spec, 0o644)
    assert run.wait_for_completion()["status"] == "Completed" and run.get_details()["attempt"] == 1


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_nothing_is_submitted_to_a_workspace_that_others_can_write(experiment: Experiment, mode: int) -> None:
    root = experiment.submit(ScriptRunConfig(command="true")).workspace_path
    os.chmod(root, mode)
    with pytest.raises(EspalierError) as caught:
        experiment.submit(ScriptRunConfig(command="true"))
    assert caught.value.code == "writable_by_others" and f"chmod -R go-w {root}" in caught.value.hint
    assert len(experiment.list_runs()) == 1  # (it can be read)


def test_a_workspace_in_a_folder_of_a_group(open_place: Path) -> None:
    """What lies above the workspace may be for all: theirs can't be taken for ours."""
    for mode in (0o2775, 0o1777):
        group = open_place / f"group-{mode:o}"
        group.mkdir()
        group.chmod(mode)
        run = Experiment(Workspace.create("ws", str(group)), "e").submit(ScriptRunConfig(command="true"))
        assert run.wait_for_completion()["status"] == "Completed"


def test_a_file_system_without_permissions(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFS, FAT, Windows drives in WSL: whatever is created is open to all, and says nothing."""
    for path in (run.workspace.root, run.spec):
        os.chmod(path, 0o777)
    real = os.fstat

    def fstat(fd: int) -> os.stat_result:
        seen = list(real(fd))
        return os.stat_result([seen[0] | 0o777, *seen[1:]])

    monkeypatch.setattr(os, "fstat", fstat)
    assert "has no permissions" in str(trust.refuse_foreign_run(run))
    assert [name for name in os.listdir(run.shard) if name.startswith(".tmp")] == []


def test_a_file_system_that_gives_files_another_owner(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS where root is nobody."""
    monkeypatch.setattr(trust, "_ROOT", -1)
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)  # (all there is of the run is another's then)
    assert trust.refuse_foreign_run(run) is None  # as what is created here is, too


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_programs_are_not_taken_from_a_cache_of_others(home: Path, mode: int) -> None:
    folder = program_cache()
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    os.chmod(folder, mode)
    with pytest.raises(EspalierError) as caught:
        program_cache()
    assert caught.value.code == "writable_by_others"


@pytest.mark.parametrize("mode, is_refused", [(0o777, True), (0o775, True), (0o1777, False), (0o755, False)])
def test_a_working_copy_that_others_could_replace(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_refused: bool
) -> None:
    """In a folder that others write to they could rename it, and have the job execute what they put in its place."""
    chosen = tmp_path / "scratch"
    chosen.mkdir()
    chosen.chmod(mode)
    monkeypatch.setenv("ESPALIER_SCRATCH_DIR", str(chosen))
    run = experiment.submit(ScriptRunConfig(command="true"))
    error = run.wait_for_completion(show_output=False, raise_on_error=False)["error"]
    assert (error is not None and "other users can write to it" in error["message"]) == is_refused, error
