import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, List, Set

import pytest
from espalier import Experiment, ScriptRunConfig, Workspace
from espalier.base.config import Session
from espalier.base.errors import EspalierError
from espalier.base.paths import is_run_id
from espalier.base.records import write_file
from espalier.jobs import commit as folders
from espalier.jobs.commit import meta_record
from espalier.jobs.plan import new_run_ids, plan

EXPERIMENTS_NAME = "e" * 128


def files_below(folder: str) -> Set[str]:
    return {os.path.join(here, name) for here, folders, names in os.walk(folder) for name in [*names, *folders]}


@pytest.mark.parametrize(
    "fields,code",
    [
        ({"source_directory": "gone", "entry_script": "a.py"}, "source_missing"),
        ({"source_directory": "file", "entry_script": "a.py"}, "source_missing"),
        ({"entry_script": "a.py"}, "bad_argument"),
        ({"source_directory": ".", "entry_script": "gone.py"}, "script_missing"),
        ({"source_directory": ".", "entry_script": "sub"}, "script_missing"),
        ({"source_directory": ".", "entry_script": "ignored.py"}, "script_missing"),
        ({"source_directory": ".", "command": ["no-such-program"]}, "interpreter_missing"),
        ({"source_directory": ".", "entry_script": "a.py", "inputs": {"d": "gone"}}, "input_missing"),
        ({"source_directory": ".", "entry_script": "a.py", "script_params": {"x": [None]}}, "bad_argument"),
        ({"source_directory": ".", "entry_script": "a.py", "arguments": [[1]]}, "bad_argument"),
    ],
)
def test_refusals_create_no_run(
    experiment: Experiment, workspace: Workspace, project: Path, monkeypatch: pytest.MonkeyPatch, fields: Any, code: str
) -> None:
    monkeypatch.chdir(project)
    (project / ".espalierignore").write_text("ignored.py\n")
    for name in ("a.py", "ignored.py", "file"):
        (project / name).write_text("")
    (project / "sub").mkdir()
    with pytest.raises(EspalierError) as caught:
        experiment.submit(ScriptRunConfig(**fields))
    assert caught.value.code == code
    assert not [path for path in files_below(workspace.path) if "/runs/" in path]


def test_an_ignored_script_names_the_rule(experiment: Experiment, project: Path) -> None:
    (project / ".espalierignore").write_text("# comment\n*.py\n")
    (project / "a.py").write_text("")
    with pytest.raises(EspalierError, match=r"\*\.py \(\.espalierignore:2\)"):
        experiment.submit(ScriptRunConfig(str(project), "a.py"))


def test_spec_of_a_script(experiment: Experiment, project: Path, ended: Callable[..., Any]) -> None:
    (project / "a.py").write_text("print(open('data.txt').read())")
    (project / "data.txt").write_text("seen")
    run = experiment.submit(ScriptRunConfig(str(project), "a.py", seed=7, display_name="Näme"), tags={"k": "v"})
    details = ended(run)
    spec = details["runDefinition"]
    assert details["status"] == "Completed" and details["displayName"] == "Näme" and details["tags"] == {"k": "v"}
    assert spec["type"] == "script" and spec["entry_script"] == "a.py" and spec["seed"] == 7
    assert spec["snapshot"]["files"] == 2 and spec["snapshot"]["id"].startswith("sha256:")
    assert spec["source_directory"] == str(project)
    assert spec["outputs"] == spec["parts"] == [] and spec["parent"] is None


def test_edits_after_submit_do_not_reach_the_job(experiment: Experiment, project: Path, ended: Callable[..., Any]) -> None:
    (project / "a.sh").write_text("sleep 0.2; cat data.txt; echo changed > data.txt; cat data.txt")
    (project / "data.txt").write_text("before\n")
    run = experiment.submit(ScriptRunConfig(str(project), "a.sh"))
    (project / "data.txt").write_text("after\n")
    ended(run)
    assert Path(run.run_dir, "user_logs", "std_log.txt").read_text() == "before\nchanged\n"
    assert (project / "data.txt").read_text() == "after\n"


def test_excluded_data_that_the_script_names_is_told(experiment: Experiment, project: Path, ended: Callable[..., Any]) -> None:
    (project / ".gitignore").write_text("*.csv\n")
    (project / "big.csv").write_text("1")
    (project / "a.py").write_text("open('big.csv')")
    with pytest.warns(UserWarning, match=r"big\.csv"):
        run = experiment.submit(ScriptRunConfig(str(project), "a.py"))
    assert ended(run)["status"] == "Failed"


def reuse_key(experiment: Experiment, workspace: Workspace, **fields: Any) -> str:
    session = Session(environment={"PATH": os.defpath})
    config = ScriptRunConfig(**{"command": ["sh"], "session": session, **fields})
    return str(plan(workspace._paths, "id", experiment.name, config, lambda: None).spec.reuse_key)


def test_reuse_key(experiment: Experiment, workspace: Workspace, project: Path) -> None:
    (project / "in").write_text("1")
    same = [{}, {"display_name": "x"}, {"keep_workdir": True}, {"max_run_duration_seconds": 5}]
    assert len({reuse_key(experiment, workspace, **fields) for fields in same}) == 1
    differ = [
        {}, {"arguments": ["a"]}, {"script_params": {"a": 1}}, {"script_params": {"a": 2}}, {"seed": 1}, {"seed": 2},
        {"environment_variables": {"A": "1"}}, {"inputs": {"d": str(project / "in")}}, {"source_directory": str(project)},
    ]  # fmt: skip
    assert len({reuse_key(experiment, workspace, **fields) for fields in differ}) == len(differ)


def test_reuse_key_follows_the_snapshot(experiment: Experiment, workspace: Workspace, project: Path) -> None:
    (project / "f").write_text("1")
    one = reuse_key(experiment, workspace, source_directory=str(project))
    (project / "f").write_text("2")
    assert reuse_key(experiment, workspace, source_directory=str(project)) != one


def test_reuse_key_does_not_depend_on_where_things_lie(
    experiment: Experiment, workspace: Workspace, project: Path, tmp_path: Path
) -> None:
    (project / "a.py").write_text("1")
    keys = []
    for place in ("here", "there"):
        shutil.copytree(project, tmp_path / place / "project")
        (tmp_path / place / "data").write_text("1")
        source, data = str(tmp_path / place / "project"), str(tmp_path / place / "data")
        fields = {"source_directory": source, "entry_script": "a.py", "command": None, "inputs": {"d": data}}
        keys.append(reuse_key(experiment, workspace, script_params={"a": -1.5}, **fields))
    assert keys[0] == keys[1]


def test_reuse(experiment: Experiment, ended: Callable[..., Any], tmp_path: Path) -> None:
    count = tmp_path / "count"
    config = ScriptRunConfig(command=f"echo x >> {count}")
    first = experiment.submit(config, reuse=True)
    ended(first)
    assert experiment.submit(config, reuse=True) == first
    other = experiment.submit(ScriptRunConfig(command=f"echo x >> {count}", seed=1), reuse=True)
    ended(other)
    again = experiment.submit(config)
    ended(again)
    assert len({first, other, again}) == 3
    assert experiment.submit(config, reuse=True) == again, "the newest one"
    assert count.read_text() == "x\n" * 3


def test_failed_runs_are_not_reused(experiment: Experiment, ended: Callable[..., Any]) -> None:
    first = experiment.submit(ScriptRunConfig(command="exit 1"))
    ended(first)
    second = experiment.submit(ScriptRunConfig(command="exit 1"), reuse=True)
    assert second != first
    ended(second)


def test_run_ids() -> None:
    ids = {new_run_ids(EXPERIMENTS_NAME, 1.9)[0] for _ in range(100)}
    assert len(ids) == 100 and all(is_run_id(run_id) for run_id in ids)


def test_longest_names(workspace: Workspace, ended: Callable[..., Any]) -> None:
    experiment = Experiment(workspace, EXPERIMENTS_NAME)
    run = experiment.submit(ScriptRunConfig(command="true"))
    assert ended(run)["status"] == "Completed"
    assert experiment.get_runs() == [run] and run.experiment_name == EXPERIMENTS_NAME


def test_tags_are_checked_before_anything_is_written(experiment: Experiment, workspace: Workspace) -> None:
    with pytest.raises(EspalierError) as caught:
        experiment.submit(ScriptRunConfig(command="true"), tags={"a\nb": "x"})
    assert caught.value.code == "bad_name"
    assert workspace.get_details()["runs"] == 0
    assert meta_record(workspace._paths, None, {"a": 1}).tags == {"a": "1"}  # type: ignore[dict-item]


def test_a_record_that_cannot_be_written_leaves_nothing(
    experiment: Experiment, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: List[str] = []

    def write_one(path: str, data: bytes, **how: Any) -> None:
        if written:
            raise TypeError(path)
        written.append(path)
        write_file(path, data, **how)

    monkeypatch.setattr(folders, "write_file", write_one)
    with pytest.raises(TypeError):
        experiment.submit(ScriptRunConfig(command="true"))
    assert written
    assert not [path for path in files_below(workspace.path) if ".tmp-" in path]


def test_records_are_plain_files(submit: Callable[..., Any], ended: Callable[..., Any]) -> None:
    run = submit("true")
    ended(run)
    for name in ("spec.json", "status.json", "meta.json"):
        assert json.loads(Path(run.run_dir, name).read_text("utf-8"))["format"] == 1


def test_what_killed_submits_left_behind_is_swept(experiment: Experiment, workspace: Any, ended: Callable[..., Any]) -> None:
    runs = [experiment.submit(ScriptRunConfig(command="true")) for _ in range(2)]
    shard = os.path.dirname(runs[0].run_dir)
    old, new = os.path.join(shard, ".tmp-old"), os.path.join(shard, ".tmp-new")
    for folder in (old, new):
        os.mkdir(folder)
    os.utime(old, (0, 0))
    from espalier.jobs.commit import _sweep

    _sweep(shard)
    assert not os.path.exists(old) and os.path.exists(new)
    assert all(ended(run)["status"] == "Completed" for run in runs)


@pytest.mark.parametrize(
    ("fields", "who"),
    [
        ({"command": "wc -l data/x.csv | cat"}, "The command"),
        ({"command": ["cat", "data/x.csv"]}, "The command"),
        ({"command": ["python3", "train.py"]}, "train.py"),
        ({"entry_script": "train.py"}, "train.py"),
        ({"entry_script": "other.py", "arguments": ["data/x.csv"]}, "An argument"),
        ({"entry_script": "other.py", "script_params": {"data": "data/x.csv", "n": [1, 2]}}, "An argument"),
    ],
)
def test_files_that_the_job_will_not_find_are_named(experiment: Experiment, project: Path, fields: Any, who: str) -> None:
    for path, text in {".gitignore": "/data/\n", "data/x.csv": "", "train.py": "open('data/x.csv')", "other.py": ""}.items():
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(text)
    (warning,) = experiment.submit_values({"source_directory": str(project), **fields})["warnings"]
    assert warning.startswith(who + ' mentions "data/x.csv"') and "add the line !/data/ to .espalierignore" in warning
