import json
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig, Workspace

Ended = Callable[..., Dict[str, Any]]


def test_it_comes_into_being_with_its_first_run(workspace: Workspace, ended: Ended) -> None:
    experiment = Experiment(workspace, "first")
    assert experiment.get_runs() == [] and len(experiment.list_runs()) == 0
    assert not Path(workspace.path, "experiments").exists()
    ended(experiment.submit(ScriptRunConfig(command="true")))
    record = json.loads(Path(workspace.path, "experiments", "first.json").read_text())
    assert record["name"] == "first" and record["format"] == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "x" * 129, "é", "a\n"])
def test_bad_names(workspace: Workspace, name: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        Experiment(workspace, name)
    assert caught.value.code == "bad_name"


def test_identity(workspace: Workspace) -> None:
    experiment = Experiment(workspace, "a")
    assert Experiment._from_identity(experiment._identity()) == experiment
    assert experiment != Experiment(workspace, "b") and len({experiment, Experiment(workspace, "a")}) == 1
    assert experiment.workspace == workspace and experiment.name == "a"


def test_a_mapping_will_do(experiment: Experiment, ended: Ended) -> None:
    assert ended(experiment.submit({"command": ["sh", "-c", "exit 0"]}))["status"] == "Completed"
    result = experiment.submit_values({"command": "true"}, {"a": "b"})
    assert set(result) == {"run_id", "reused", "notes", "warnings"} and result["reused"] is False
    json.dumps(result)
    run = Run(experiment.workspace.path, result["run_id"])
    ended(run)
    assert run.get_tags() == {"a": "b"}


def test_what_is_left_out_is_told(experiment: Experiment, project: Path, ended: Ended) -> None:
    (project / "a.sh").write_text("true")
    (project / ".git").mkdir()
    (project / "outputs").mkdir()
    (project / "outputs" / "old").write_text("x")
    with pytest.warns(UserWarning, match="the folder's own outputs/"):
        ended(experiment.submit(ScriptRunConfig(str(project), "a.sh")))


def test_filters(workspace: Workspace, experiment: Experiment, ended: Ended) -> None:
    other = Experiment(workspace, "other")
    one = experiment.submit(ScriptRunConfig(command="true"), tags={"a": "1", "b": "2"})
    two = experiment.submit(ScriptRunConfig(command="true"), tags={"a": "1"})
    three = other.submit(ScriptRunConfig(command="true"), tags={"a": "1"})
    for run in (one, two, three):
        ended(run)
    live = experiment.start_logging()
    assert set(experiment.get_runs(tags={"a": "1"})) == {one, two}
    assert experiment.get_runs(tags={"a": "1", "b": "2"}) == [one]
    assert experiment.get_runs(type="interactive") == [live]
    assert set(experiment.get_runs(type="command", tags={})) == {one, two}
    assert experiment.get_runs(tags={"a": "2"}) == experiment.get_runs(properties={"a": "1"}) == []
    assert experiment.get_runs()[0] == live, "newest first"
    assert len(workspace.runs.list()) == 4 and len(experiment.list_runs()) == 3
    live.complete()


def test_a_missing_workspace(workspace: Workspace, experiment: Experiment) -> None:
    Path(workspace.path, "workspace.json").unlink()
    for call in (
        lambda: experiment.submit({"command": "true"}),
        lambda: experiment.get_runs(),
        lambda: experiment.start_logging(),
    ):
        with pytest.raises(EspalierError) as caught:
            call()
        assert caught.value.code == "workspace_missing"


def test_a_newer_workspace_is_refused_as_a_whole(workspace: Workspace, experiment: Experiment) -> None:
    Path(workspace.path, "workspace.json").write_text('{"format": 2}')
    for call in (lambda: experiment.submit({"command": "true"}), lambda: experiment.list_runs()):
        with pytest.raises(EspalierError) as caught:
            call()
        assert caught.value.code == "newer_format"


@pytest.mark.parametrize("part", ["experiments", "runs"])
def test_a_workspace_that_cannot_be_written(workspace: Workspace, experiment: Experiment, part: str) -> None:
    """A file in the folder's place stands for a read-only folder, which root could write."""
    Path(workspace.path, part).write_text("in the way")
    with pytest.raises(EspalierError) as caught:
        experiment.submit({"command": "true"})
    assert caught.value.code == "workspace_read_only"
