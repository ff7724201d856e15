import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters import posix
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode
from espalier.base.paths import ENV, META, SPEC, STATUS, is_run_id
from espalier.base.progress import Cancelled, Listener, listening
from espalier.jobs import batch
from espalier.jobs import plan as planning
from espalier.queue.home import queue_paths
from espalier.vault import known

Deed = Callable[..., Any]


@pytest.fixture
def config(project: Path) -> ScriptRunConfig:
    (project / "a.sh").write_text('echo "$@"\n')
    return ScriptRunConfig(str(project), "a.sh", script_params={"depth": 3})


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that nobody moves."""
    monkeypatch.setattr(batch, "step_locked", lambda queue: None)


def record(run: Run, name: str) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads(Path(run.run_dir, name).read_text())
    return found


def left(workspace: Workspace) -> List[str]:
    """What lies in the shards and in the queue."""
    found = [str(path) for path in Path(workspace.path, "runs").glob("*/*")]
    return found + os.listdir(queue_paths().tickets) + os.listdir(queue_paths().waiting)


def refusal(deed: Deed) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        deed()
    return caught.value


def test_trials_are_executed(experiment: Experiment, config: ScriptRunConfig, ended: Deed) -> None:
    """Each with its parameters on top of the job's, its tags and its name."""
    runs = experiment.submit_many(
        config, [{"rate": 0.1}, {"rate": 0.2, "--depth": 5}], tags=[{"arm": "a"}, {"arm": 2}], display_names=["one", "two"]
    )
    details = [ended(run) for run in runs]
    assert [each["status"] for each in details] == ["Completed"] * 2
    logs = [Path(run.run_dir, "user_logs", "std_log.txt").read_text() for run in runs]
    assert logs == ["--depth 3 --rate 0.1\n", "--depth 5 --rate 0.2\n"]
    assert [each["tags"] for each in details] == [{"arm": "a"}, {"arm": "2"}]
    assert [each["displayName"] for each in details] == ["one", "two"]
    assert details[0]["runDefinition"]["snapshot"] == details[1]["runDefinition"]["snapshot"]


def test_ids_are_in_the_order_of_the_trials(experiment: Experiment, config: ScriptRunConfig, closed: None) -> None:
    runs = experiment.submit_many(config, [{"n": number} for number in range(300)])
    ids = [run.id for run in runs]
    assert ids == sorted(set(ids)) and all(map(is_run_id, ids))
    assert [record(run, SPEC)["params"]["n"]["value"] for run in runs] == list(range(300))
    # so are the tickets, and the list of runs
    assert [name.rpartition("-")[2][:-5] for name in sorted(os.listdir(queue_paths().tickets))] == ids
    assert experiment.list_runs().columns["run_id"] == ids[::-1]


def test_a_trial_is_planned_as_a_single_job(experiment: Experiment, config: ScriptRunConfig, closed: None) -> None:
    params = {"depth": 7, "names": ["a", "b"], "flag": None}
    runs = experiment.submit_many(config, [params, {}])
    single = ScriptRunConfig(config.source_directory, config.entry_script, script_params=params)
    workspace = experiment.workspace
    planned = encode(planning.plan(workspace._paths, workspace.id, "exp", single, lambda: None).spec)
    spec = record(runs[0], SPEC)
    own = {"id", "created_at"}
    assert {name: spec[name] for name in spec if name not in own} == {name: planned[name] for name in planned if name not in own}
    assert record(runs[1], SPEC)["reuse_key"] != spec["reuse_key"]


def test_work_is_done_once(experiment: Experiment, config: ScriptRunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One scan, one look at git, one snapshot, one taking of the lock, one step, two synchronisations."""
    done: List[str] = []

    def counted(module: Any, name: str, result: Any = None) -> None:
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **more: (done.append(name), function(*args, **more))[1])

    for module, names in (
        (planning, ("scan_source", "store_scan", "start_git", "resolve_inputs", "surroundings")),
        (batch, ("allocator", "step_locked", "next_sequence")), (posix, ("sync_file_system",)),
    ):  # fmt: skip
        for name in names:
            counted(module, name)
    monkeypatch.setattr(os, "fsync", lambda fd: done.append("fsync"))
    experiment.start_logging().complete()  # (the record of the experiment is there)
    done.clear()
    experiment.submit_many(config, [{"n": number} for number in range(40)])
    once = ["scan_source", "store_scan", "start_git", "resolve_inputs", "surroundings", "allocator", "step_locked", "next_sequence"]
    assert {name: done.count(name) for name in once} == dict.fromkeys(once, 1)
    assert done.count("sync_file_system") == 2
    assert done.count("fsync") < 40  # (those of the snapshot)


@pytest.mark.parametrize(
    "params,tags,code,words",
    [
        ({"a": [None]}, {}, "bad_argument", "a is NA"),
        ({"a": ["-x"]}, {}, "bad_argument", "option"),
        ({"a\n": 1}, {}, "bad_name", "script parameter"),
        ({"a": "x" * 200_000}, {}, "bad_argument", "bytes"),
        ({"a": "very secret value"}, {}, "bad_argument", "secret"),
        ({}, {"t\n": "x"}, "bad_name", "tag"),
        ({}, {"t": "very secret value"}, "bad_argument", "secret"),
    ],
)
def test_a_bad_trial_is_named_and_nothing_is_written(
    experiment: Experiment, config: ScriptRunConfig, monkeypatch: pytest.MonkeyPatch,
    params: Any, tags: Any, code: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(known, "_known", {})
    known.remember(experiment.workspace._paths, {"token": "very secret value"})
    error = refusal(lambda: experiment.submit_many(config, [{"b": 1}, params, {"b": 2}], tags=[{}, tags, {}]))
    assert error.code == code and error.message.startswith("Trial 2 of 3: ") and words in str(error)
    assert error.fields["trial"] == 2
    assert not os.path.exists(os.path.join(experiment.workspace.path, "snapshots", "objects"))
    assert left(experiment.workspace) == []


@pytest.mark.parametrize(
    "given,words",
    [
        ({"params": []}, "Can't submit 0 trials by one call"),
        ({"params": [{}] * (batch.MANY + 1)}, "Can't submit 10,001 trials by one call"),
        ({"params": [{}, {}], "tags": [{}]}, "`tags` has 1 elements, and `params` has 2"),
        ({"params": [{}], "display_names": ["a", "b"]}, "`display_names` has 2 elements, and `params` has 1"),
        ({"params": [5]}, r"`params[0]` must be named values"),
    ],
)
def test_what_makes_no_batch(experiment: Experiment, config: ScriptRunConfig, given: Any, words: str) -> None:
    error = refusal(lambda: experiment.submit_many(config, **given))
    assert error.code == "bad_argument" and words in error.message


def test_what_is_wrong_with_the_job_names_no_trial(experiment: Experiment) -> None:
    assert refusal(lambda: experiment.submit_many({"source_directory": "/gone", "entry_script": "a.py"}, [{}, {}])).code == "source_missing"


def test_warnings_are_of_all_trials(experiment: Experiment, project: Path, config: ScriptRunConfig, closed: None) -> None:
    (project / ".espalierignore").write_text("*.csv\n")
    (project / "big.csv").write_text("1")
    (project / "other.csv").write_text("1")
    (project / "a.py").write_text("import argparse\np = argparse.ArgumentParser()\np.add_argument('--data')\np.parse_args()\n")
    fields = {"source_directory": str(project), "entry_script": "a.py"}
    result = experiment.submit_many_values(fields, [{"data": "x"}, {"data": "big.csv"}, {"data": "other.csv"}])
    assert [words for words in ("big.csv", "other.csv") if not any(words in text for text in result["warnings"])] == []
    assert len(result["warnings"]) == 2


def test_reuse(experiment: Experiment, config: ScriptRunConfig, ended: Deed) -> None:
    first = experiment.submit_many(config, [{"n": 1}, {"n": 2}])
    for run in first:
        ended(run)
    result = experiment.submit_many_values(
        {"source_directory": config.source_directory, "entry_script": "a.sh", "script_params": {"depth": 3}},
        [{"n": 2}, {"n": 3}, {"n": 1}], reuse=True,
    )  # fmt: skip
    assert result["reused"] == 2 and result["run_ids"][::2] == [first[1].id, first[0].id]
    new = experiment.workspace.runs.get(result["run_ids"][1])
    assert new not in first and ended(new)["status"] == "Completed"
    assert experiment.submit_many(config, [{"n": 1}], reuse=True) == first[:1], "nothing new is nothing written"


def test_interrupted_while_it_writes_there_is_none(experiment: Experiment, config: ScriptRunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    listener, build = Listener(), batch.build_folder

    def build_and_call_off(*args: Any, **more: Any) -> Any:
        listener.cancelled = listener.seen == ("Writing the runs", 5, 10)
        return build(*args, **more)

    monkeypatch.setattr(batch, "build_folder", build_and_call_off)
    with listening(listener), pytest.raises(Cancelled):
        experiment.submit_many(config, [{"n": number} for number in range(10)])
    assert left(experiment.workspace) == []


def test_it_can_not_be_called_off_while_runs_come_home(
    experiment: Experiment, config: ScriptRunConfig, monkeypatch: pytest.MonkeyPatch, closed: None
) -> None:
    listener, place = Listener(), batch.place_folder

    def place_and_call_off(*args: Any, **more: Any) -> Any:
        listener.cancelled = True
        return place(*args, **more)

    monkeypatch.setattr(batch, "place_folder", place_and_call_off)
    with listening(listener):
        assert len(experiment.submit_many(config, [{}, {}])) == 2


@pytest.mark.parametrize("name", ["build_folder", "add_ticket", "place_folder", "sync_together"])
def test_a_disk_that_fails_leaves_none(
    experiment: Experiment, config: ScriptRunConfig, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    function, calls = getattr(batch, name), []

    def full(*args: Any, **more: Any) -> Any:
        calls.append(name)
        if len(calls) == (2 if name == "sync_together" else 4):
            raise OSError(28, "No space left on device", experiment.workspace.path)
        return function(*args, **more)

    monkeypatch.setattr(batch, name, full)
    assert refusal(lambda: experiment.submit_many(config, [{"n": number} for number in range(6)])).code == "workspace_read_only"
    assert left(experiment.workspace) == []


def test_all_is_durable_before_a_run_is_there(
    experiment: Experiment, config: ScriptRunConfig, monkeypatch: pytest.MonkeyPatch, closed: None
) -> None:
    """Where the system can't do it in one go, each record and folder is synchronised."""
    synced: List[str] = []
    at_home: List[int] = []
    monkeypatch.setattr(posix, "sync_file_system", lambda fd: False)
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    place = batch.place_folder
    monkeypatch.setattr(batch, "place_folder", lambda *args, **more: (at_home.append(len(synced)), place(*args, **more))[1])
    runs = experiment.submit_many(config, [{}, {}, {}])
    aside = [str(experiment.workspace._paths.new_run(run.id).root) for run in runs]
    before, after = synced[: at_home[0]], synced[at_home[0] :]
    wanted = {path for each in aside for path in (each, *(os.path.join(each, name) for name in (SPEC, ENV, META, STATUS)))}
    shards = {os.path.dirname(each) for each in aside}
    assert wanted | shards | {experiment.workspace._paths.runs} <= set(before)
    assert shards <= set(after) and at_home == [at_home[0]] * 3


def test_a_disk_that_cannot_synchronise_is_an_error(experiment: Experiment, config: ScriptRunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(posix, "sync_file_system", broken)
    assert refusal(lambda: experiment.submit_many(config, [{}, {}])).code == "workspace_read_only"
    assert left(experiment.workspace) == []


def test_what_all_have_is_there_once(experiment: Experiment, project: Path, config: ScriptRunConfig, closed: None) -> None:
    """The index and the diff, in each run, as one file."""
    subprocess.run("git init -q && git add . && git -c user.name=a -c user.email=a@b commit -q -m a", shell=True, cwd=project, check=True)
    (project / "a.sh").write_text("changed\n")
    runs = experiment.submit_many(config, [{}, {}, {}])
    for place in (lambda run: run._paths.git_index, lambda run: run._paths.diff):
        assert [os.stat(place(run)).st_nlink for run in runs] == [3, 3, 3]
    assert "+changed" in Path(runs[2]._paths.diff).read_text()


def test_where_files_have_one_name_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    for name in ("one", "two"):
        batch._share(str(tmp_path / "one" / "f"), str(tmp_path / name / "f"), b"x")
    assert (tmp_path / "two" / "f").read_bytes() == b"x"


def test_a_job_in_a_container_is_refused(experiment: Experiment, config: ScriptRunConfig, closed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = experiment.submit_many(config, [{}])
    monkeypatch.setenv("ESPALIER_RUN_DIR", run.run_dir)
    assert experiment.submit_many(config, [{}]), "another job may"
    spec = record(run, SPEC)
    Path(run.run_dir, SPEC).write_text(json.dumps({**spec, "target": "docker", "docker": {"network": "none", "mounts": {}, "init": True}}))
    error = refusal(lambda: experiment.submit_many(config, [{}]))
    assert error.code == "not_supported" and "submit_child_run()" in error.hint

