"""Outputs that jobs declare."""

from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Experiment, Run, ScriptRunConfig
from espalier.base.errors import EspalierError

Submit = Callable[..., Run]
MODEL = {"model": "outputs/model.rds"}


def test_a_declared_output_is_found_by_its_name(submit: Submit, ended: Any) -> None:
    first = submit("sleep 0.2; echo 1 > outputs/model.rds", outputs=MODEL)
    second = submit('cat "$ESPALIER_INPUT_M"', inputs={"m": first.output("model")})
    assert ended(second)["status"] == "Completed"
    assert Path(second.run_dir, "user_logs", "std_log.txt").read_text() == "1\n"
    details = ended(first)
    assert details["status"] == "Completed" and details["outputDatasets"] == [{"name": "model", "path": "outputs/model.rds"}]
    assert second.get_details()["inputDatasets"][0]["output"] == "outputs/model.rds"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("true", "The run has no files. Write it there, or leave it out of `outputs`."),
        ("echo > outputs/modle.rds", "the job succeeded. Did you mean outputs/modle.rds, which is there?"),
        ("for i in 1 2 3 4 5 6 7; do echo > outputs/x$i; done", "The run has outputs/x1, outputs/x2, outputs/x3, outputs/x4, outputs/x5 and 2 more."),
        ("ln -s /etc/passwd outputs/model.rds", "Can't find"),
        ("mkfifo outputs/model.rds", "Can't find"),
        ("echo > ../m; rm -r outputs; ln -s .. outputs", "Can't find"),
    ],
)
def test_a_run_without_a_declared_output_has_failed(submit: Submit, ended: Any, command: str, said: str) -> None:
    details = ended(submit(command, outputs=MODEL))
    error = details["error"]
    assert (details["status"], error["code"], details["exitCode"]) == ("Failed", "output_missing", 0)
    assert error["class"] == ["espalier_error_output_missing"]
    assert "Can't find outputs/model.rds, the output model, though the job succeeded." in error["message"]
    assert said in f"{error['message']} {error['hint']}"


def test_more_than_one_is_missing(submit: Submit, ended: Any) -> None:
    outputs = {"a": "outputs/a", "folder": "outputs/b", "made": "workdir/made.txt"}
    error = ended(submit("echo > made.txt", outputs=outputs))["error"]
    assert "Can't find outputs/a, the output a, though the job succeeded. 1 more of its outputs is missing." in error["message"]
    complete = ended(submit("echo > made.txt; echo > outputs/a; mkdir outputs/b; echo > outputs/b/c", outputs=outputs))
    assert complete["status"] == "Completed"


def test_a_job_that_failed_says_why_itself(submit: Submit, ended: Any) -> None:
    assert ended(submit("exit 3", outputs=MODEL))["error"]["code"] == "job_failed"


@pytest.mark.parametrize(
    ("outputs", "code"),
    [
        ({"m": "model.rds"}, "bad_argument"),
        ({"m": "/etc/passwd"}, "bad_name"),
        ({"m": "outputs/../spec.json"}, "bad_name"),
        ({"m": ""}, "bad_name"),
        ({"m": 5}, "bad_argument"),
        ({"a b": "outputs/a"}, "bad_name"),
        (["outputs/a"], "bad_argument"),
    ],
)
def test_bad_declarations(submit: Submit, outputs: Dict[str, Any], code: str) -> None:
    with pytest.raises(EspalierError) as caught:
        submit("true", outputs=outputs)
    assert caught.value.code == code


def test_an_equal_run_without_the_output_is_not_reused(experiment: Experiment, ended: Any) -> None:
    run = experiment.submit(ScriptRunConfig(command="echo > outputs/model.rds"))
    ended(run)
    declared = ScriptRunConfig(command="echo > outputs/model.rds", outputs=MODEL)
    other = experiment.submit(declared, reuse=True)
    ended(other)
    assert other != run and experiment.submit(declared, reuse=True) == other
