"""Jobs of files, submitted."""

from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Run, Workspace, read_job

Ended = Callable[..., Dict[str, Any]]


def test_a_file_is_submitted_with_other_values(workspace: Workspace, ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "train.sh").write_text('echo "$@"\n')
    path = tmp_path / "job.yml"
    path.write_text("experiment: pima\nscript: train.sh\nparams: {trees: 100, rate: 0.10}\ntags: {stage: dev}\n")
    jobs = workspace.job
    run = jobs.submit(str(path), ["params.trees=500"], tags={"by": "me"})
    assert ended(run)["status"] == "Completed" and run.get_log() == ["--trees 500 --rate 0.1"]
    assert run.id.startswith("pima_") and run.get_tags() == {"stage": "dev", "by": "me"}
    again = jobs.submit_values(str(path), ["params.trees=500"], reuse=True)
    assert again["run_id"] == run.id and again["reused"] is True
    other = jobs.submit_values(str(path), experiment="other")
    assert other["run_id"].startswith("other_")
    ended(Run(workspace.path, other["run_id"]))


def test_what_is_left_out_is_told(workspace: Workspace, ended: Ended, tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_text("type: command\ncommand: echo ${{inputs.x}}\ninputs: {x: a  b}\nexperiment_name: pima\ncompute: azureml:big\n")
    with pytest.warns(UserWarning, match="no meaning on this machine and were left out: compute"):
        run = workspace.job.submit(str(path))
    ended(run)
    assert run.get_log() == ["a  b"]


def test_a_job_needs_an_experiment(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text("command: 'true'\n")
    with pytest.raises(EspalierError, match="without an experiment"):
        workspace.job.submit(str(tmp_path / "job.yml"))
    assert workspace.experiments.list().columns["experiment"] == []


def test_plain_values_for_other_languages(workspace: Workspace, tmp_path: Path) -> None:
    path = str(tmp_path / "job.yml")
    config = {"command": ["ls"], "environment": {"r": {"urls": ["https://x.org/a_1.tar.gz"]}}}
    assert type(workspace.job).write(config, path, "pima", {"a": 1}) == []
    assert type(workspace.job).read(path, values={"params.n": 5}) == {
        "config": {"command": ["ls"], "script_params": {"n": 5}}, "environment": '{"r":{"urls":["https://x.org/a_1.tar.gz"]}}',
        "experiment": "pima", "tags": {"a": "1"}, "notes": [],
    }  # fmt: skip
    assert read_job(path).config.environment == config["environment"]
