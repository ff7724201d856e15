"""Outputs of runs as inputs of others."""

import os
import re
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec

WRITE = "echo made > outputs/data.csv"
READ = 'cat "$ESPALIER_INPUT_DATA"'
Submit = Callable[..., Run]


def said(run: Run) -> str:
    return Path(run.run_dir, "user_logs", "std_log.txt").read_text()


def test_a_job_waits_for_the_run_that_writes_its_input(submit: Submit, ended: Any) -> None:
    first = submit("sleep 0.2; " + WRITE)
    second = submit(READ, inputs={"data": first.output("outputs/data.csv")})
    assert read_as(JobSpec, second._paths.spec).depends_on == (first.id,)
    assert ended(second)["status"] == "Completed" and said(second) == "made\n"
    assert second.get_details()["warnings"] == []


def test_an_output_that_is_there_is_an_input_like_others(submit: Submit, ended: Any) -> None:
    first = submit(WRITE)
    ended(first)
    second = submit(READ, inputs={"data": first.output("outputs/data.csv")})
    (item,) = read_as(JobSpec, second._paths.spec).inputs
    assert item.is_copied and (item.run, item.output) == (first.id, "outputs/data.csv")
    assert ended(second)["status"] == "Completed" and said(second) == "made\n"
    assert ended(submit('cat "$ESPALIER_INPUT_DATA"/data.csv', inputs={"data": first.output("outputs")}))["status"] == "Completed"


def test_what_it_does_to_its_copy_stays_there(submit: Submit, ended: Any) -> None:
    first = submit("sleep 0.2; " + WRITE)
    second = submit('chmod -R u+w "$(dirname "$ESPALIER_INPUT_DATA")"; echo changed > "$ESPALIER_INPUT_DATA"', inputs={"data": first.output("outputs/data.csv")})
    ended(second)
    assert Path(first.run_dir, "outputs", "data.csv").read_text() == "made\n"


@pytest.mark.parametrize(
    ("command", "why"),
    [("true", "no such file"), ("echo x > outputs/date.csv", "Did you mean outputs/date.csv"), ("ln -s /etc/passwd outputs/data.csv", "no such file|a link"), ("mkfifo outputs/data.csv", "isn't a plain file")],
)
def test_an_output_that_never_came(submit: Submit, ended: Any, command: str, why: str) -> None:
    first = submit("sleep 0.2; " + command)
    second = submit(READ, inputs={"data": first.output("outputs/data.csv")})
    error = ended(second)["error"]
    assert error["code"] == "prepare_failed" and error["class"] == ["espalier_error_input_missing"]
    assert re.search(why, error["message"]) and first.id in error["message"]


@pytest.mark.parametrize("to_come", [False, True])
def test_what_links_in_a_folder_lead_to_is_not_copied(submit: Submit, ended: Any, tmp_path: Path, to_come: bool) -> None:
    """A job in a container may put them there, which can't read it, as can't the next job."""
    Path(tmp_path, "secret").write_text("secret")
    first = submit(f"sleep {0.2 * to_come}; ln -s {tmp_path}/secret outputs/stolen; ln -s stolen outputs/again; " + WRITE)
    if not to_come:
        ended(first)
    second = submit('readlink "$ESPALIER_INPUT_DATA/stolen"; test ! -e "$ESPALIER_RUN_DIR/.job/inputs"', inputs={"data": first.output("outputs")})
    assert ended(second)["status"] == "Completed" and said(second) == f"{tmp_path}/secret\n"
    third = submit('cat "$ESPALIER_INPUT_DATA/again"; test -e "$ESPALIER_RUN_DIR/.job/inputs"', inputs={"data": submit("echo in > outputs/a; ln -s a outputs/again").output("outputs")})
    assert ended(third)["status"] == "Completed" and said(third) == "in\n"


def test_an_output_moves_with_its_workspace(submit: Submit, ended: Any, workspace: Workspace, monkeypatch: Any) -> None:
    first = submit(WRITE)
    ended(first)
    monkeypatch.setattr("espalier.jobs.commit.step_locked", lambda queue: None)
    waiting = submit(READ, inputs={"data": first.output("outputs/data.csv")})
    os.rename(workspace.path, workspace.path + "-moved")
    moved = Run(workspace.path + "-moved", waiting.id)
    assert ended(moved)["status"] == "Completed" and said(moved) == "made\n"


def test_a_run_that_fails_fails_those_that_wait_for_its_output(submit: Submit, ended: Any) -> None:
    first = submit("sleep 0.2; exit 3")
    second = submit(READ, inputs={"data": first.output("outputs/data.csv")})
    assert ended(second)["error"]["code"] == "dependency_failed"
    with pytest.raises(EspalierError, match="ended as Failed") as error:
        submit(READ, inputs={"data": first.output("outputs/data.csv")})
    assert error.value.code == "input_missing"


def test_runs_of_other_workspaces_and_deleted_ones(submit: Submit, ended: Any, home: Path) -> None:
    other = Experiment(Workspace.create("other", str(home)), "exp").submit(ScriptRunConfig(command=WRITE))
    ended(other)
    gone = submit(WRITE)
    ended(gone)
    shutil.rmtree(gone.run_dir)
    for run in (other, gone):
        with pytest.raises(EspalierError, match="Can't find the run") as error:
            submit(READ, inputs={"data": run.output("outputs/data.csv")})
        assert error.value.code == "run_missing"


@pytest.mark.parametrize("given", [{"run": "x"}, {}, {"run": "../x", "output": "a"}, {"run": 1, "output": "a"}, {"run": "exp_1_00000000", "output": "a", "more": "b"}])
def test_what_names_no_output(submit: Submit, given: Any) -> None:
    with pytest.raises(EspalierError) as error:
        submit(READ, inputs={"data": given})
    assert error.value.code in ("bad_argument", "run_missing")


@pytest.mark.parametrize("name", ["../spec.json", "/etc/passwd", "", "a\nb"])
def test_names_that_no_file_has(submit: Submit, ended: Any, name: str) -> None:
    run = submit("true")
    with pytest.raises(EspalierError) as error:
        run.output(name)
    assert error.value.code == "bad_name"
    ended(run)
    with pytest.raises(EspalierError) as error:
        submit(READ, inputs={"data": {"run": run.id, "output": name}})
    assert error.value.code == "bad_name"


def test_a_child_cannot_wait_for_what_waits_for_it(submit: Submit, experiment: Experiment, ended: Any, reach: Any) -> None:
    parent = submit("sleep 30")
    reach(parent, "Running")
    for fields in ({"inputs": {"data": parent.output("outputs/data.csv")}}, {"depends_on": [parent.id]}):
        with pytest.raises(EspalierError, match="is above it") as error:
            parent.submit_child(ScriptRunConfig(command=READ, **fields))
        assert error.value.code == "bad_argument"
    assert not os.path.exists(parent._paths.children)
    parent.cancel()
