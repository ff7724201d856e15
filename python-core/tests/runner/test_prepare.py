import os
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from defined import defined
from espalier import Experiment, ScriptRunConfig
from espalier.base.model.job import JobEnv
from espalier.base.paths import RunPaths
from espalier.base.scratch_paths import ScratchPaths
from espalier.base.scripts import input_variable
from espalier.runner.prepare import job_command, job_environment, prepare_folders
from espalier.snapshot import statcache
from scratch import copy_of

SCRATCH = ScratchPaths("/w/0", "p")
Ended = Callable[..., Dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"))
    os.makedirs(paths.root)
    return paths


def environment(run: RunPaths, variables: Dict[str, str], **spec: Any) -> Dict[str, str]:
    return job_environment(run, SCRATCH, "/ws", defined(**spec), JobEnv(variables))


def test_folders_and_links(run: RunPaths, tmp_path: Path) -> None:
    scratch = ScratchPaths(str(tmp_path / "w"), "project/a")
    Path(run.outputs, "sub").mkdir(parents=True)
    Path(run.outputs, "sub", "x").write_text("of an earlier attempt")
    prepare_folders(run, scratch, "/ws", defined(), JobEnv(links={"python/espalier": "/lib/espalier", "R/espalier": "/r"}))
    assert sorted(os.listdir(scratch.job)) == ["logs", "outputs"]
    assert Path(scratch.job, "outputs", "sub", "x").read_text() == "of an earlier attempt"
    assert os.readlink(Path(run.job, "python", "espalier")) == "/lib/espalier"
    assert os.path.isdir(run.events) and os.path.isdir(run.payloads)


def test_documented_variables(run: RunPaths) -> None:
    found = environment(run, {})
    assert found["ESPALIER_RUN_DIR"] == run.root and found["ESPALIER_RUN_ID"] == found["AZUREML_RUN_ID"] == "e_1_abcdef01"
    assert found["ESPALIER_WORKSPACE"] == "/ws" and found["AZUREML_ARM_WORKSPACE_NAME"] == "ws"
    assert (found["AZUREML_OUTPUT_DIRECTORY"], found["AZUREML_LOGDIRECTORY_PATH"]) == (f"{SCRATCH.job}/outputs", f"{SCRATCH.job}/logs")
    assert found["TMPDIR"] == found["TMP"] == found["TEMP"] == "/w/0/tmp"
    assert found["GIT_CEILING_DIRECTORIES"] == "/w/0" and found["ESPALIER_WORK_DIR"] == SCRATCH.job
    assert found["AZUREML_EXPERIMENT_ID"] == found["AZUREML_ARM_PROJECT_NAME"] == found["ESPALIER_EXPERIMENT"] == "e"
    assert "ESPALIER_SEED" not in found and "ESPALIER_PREVIOUS_R_PROFILE_USER" not in found
    protocol = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()
    assert all(f"`{name}`" in protocol for name in found if name.startswith(("ESPALIER_", "AZUREML_")))


def test_seed_and_inputs(run: RunPaths) -> None:
    found = environment(run, {}, seed=0, inputs=[{"name": "train-set.1", "path": "/d"}])
    assert found["ESPALIER_SEED"] == "0" and found["ESPALIER_INPUT_TRAIN_SET_1"] == "/d"
    assert input_variable("a") == "ESPALIER_INPUT_A"


def test_inputs_with_a_digest_are_read_from_their_copies(run: RunPaths) -> None:
    inputs = [{"name": "big", "path": "/d"}, {"name": "x-1", "path": "/data/x.csv", "digest": "sha256:0"}]
    copy = f"{run.root}/.job/inputs/x-1/x.csv"
    found = environment(run, {}, inputs=inputs)
    assert (found["ESPALIER_INPUT_X_1"], found["ESPALIER_ORIGIN_X_1"]) == (copy, "/data/x.csv")
    assert (found["ESPALIER_INPUT_BIG"], found["ESPALIER_ORIGIN_BIG"]) == ("/d", "/d")
    mine = ["prog", "--x-1", "/data/x.csv"]  # what the user gave as an argument stays
    command = [*mine, "--big", "/d", "--x-1", "/data/x.csv"]
    assert job_command(run, defined(command=command, inputs=inputs)) == [*mine, "--big", "/d", "--x-1", copy]
    assert job_command(run, defined(command=mine)) == mine


def test_what_the_definition_sets_is_joined(run: RunPaths) -> None:
    os.makedirs(Path(run.job, "R"))
    found = environment(run, {"PYTHONPATH": "/mine", "R_LIBS": "/lib", "R_PROFILE_USER": "/profile", "PYTHONUNBUFFERED": ""})
    assert found["PYTHONPATH"] == f"{run.job}/python:/mine"
    assert found["R_LIBS"] == f"/lib:{run.job}/R", "the user's libraries come first"
    assert found["ESPALIER_PREVIOUS_R_PROFILE_USER"] == "/profile"
    assert found["R_PROFILE_USER"].endswith("prelude.R") and found["PYTHONUNBUFFERED"] == ""


def test_a_user_may_choose_where_temporary_files_go(run: RunPaths) -> None:
    found = environment(run, {"TMPDIR": "/mine", "GIT_CEILING_DIRECTORIES": "/c"}, environment={"variables": {"TMPDIR": "/mine"}})
    assert found["TMPDIR"] == "/mine" and found["GIT_CEILING_DIRECTORIES"] == "/w/0:/c"
    assert environment(run, {"TMPDIR": "/inherited"})["TMPDIR"] == "/w/0/tmp"


def test_ours_win(run: RunPaths) -> None:
    assert environment(run, {"ESPALIER_RUN_ID": "other"})["ESPALIER_RUN_ID"] == "e_1_abcdef01"


def test_what_a_job_sees(submit: Any, ended: Ended, tmp_path: Path) -> None:
    run = submit("pwd; echo $0; echo $TMPDIR; ls -A; echo x > outputs/f; cat; ls -1 /proc/self/fd")
    assert ended(run)["status"] == "Completed"
    lines = Path(run.run_dir, "user_logs", "std_log.txt").read_text().split("\n")
    scratch = str(copy_of(run).parent)
    assert lines[0] == f"{scratch}/work" and lines[2:5] == [f"{scratch}/tmp", "logs", "outputs"]
    assert lines[5:] == ["0", "1", "2", "3", ""], "stdin is empty, and nothing but ls's own folder is open"
    assert Path(run.run_dir, "outputs", "f").read_text() == "x\n"


def test_python_jobs_log_without_being_installed(experiment: Experiment, project: Path, ended: Ended) -> None:
    (project / "a.py").write_text(
        "from espalier import Run\n"
        "run = Run.get_context(allow_offline=False)\n"
        "run.log('auc', 0.9)\n"
        "print(run.id, run.experiment_name)\n"
    )
    run = experiment.submit(ScriptRunConfig(str(project), "a.py"))
    ended(run)
    assert run.get_metrics() == {"auc": 0.9}
    assert Path(run.run_dir, "user_logs/std_log.txt").read_text() == f"{run.id} exp\n"


def test_a_damaged_snapshot_fails_the_run_and_the_next_submit_heals_it(
    experiment: Experiment, project: Path, ended: Ended, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statcache, "RACY_NS", -(10**15))  # else a folder just written is looked at, and healed, at once
    (project / "a.sh").write_text("echo ran")
    first = experiment.submit(ScriptRunConfig(str(project), "a.sh"))
    ended(first)
    for blob in Path(workspace._paths.blobs).rglob("*"):
        if blob.is_file():
            blob.chmod(0o644)
            blob.write_text("echo bad")  # of the same size
    run = experiment.submit(ScriptRunConfig(str(project), "a.sh"))
    error = ended(run)["error"]
    assert error["code"] == "prepare_failed" and "digest" in error["message"]
    assert error["class"] == ["espalier_error_snapshot_damaged"]
    assert not Path(run.run_dir, "user_logs").exists()
    assert ended(experiment.submit(ScriptRunConfig(str(project), "a.sh")))["status"] == "Completed"


def test_a_program_that_cannot_be_started(submit: Any, ended: Ended, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/nowhere/interpreter\n")
    tool.chmod(0o755)
    run = submit([str(tool)])
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "start_failed")
    assert str(tool) in details["error"]["message"]


@pytest.mark.parametrize("keep", [True, False])
def test_the_working_copy_is_kept_on_request(submit: Any, ended: Ended, keep: bool) -> None:
    run = submit("echo x > left", keep_workdir=keep)
    ended(run)
    assert Path(run.run_dir, "work", "left").exists() == keep
    assert not Path(run.run_dir, ".job").exists()


def test_no_two_runs_share_a_folder(submit: Any, ended: Ended) -> None:
    runs = [submit("test ! -e mark && touch mark && sleep 0.1") for _ in range(3)]
    assert {ended(run)["status"] for run in runs} == {"Completed"}
