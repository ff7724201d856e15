import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Run, Workspace

Submit = Callable[..., Run]
Ended = Callable[..., Dict[str, Any]]


def test_details(submit: Submit, ended: Ended) -> None:
    run = submit("echo hi; exit 0", script_params={"a": 1}, display_name="Näme")
    details = ended(run)
    assert details["runId"] == run.id and details["experiment"] == run.experiment_name == "exp"
    assert (details["status"], details["exitCode"], details["error"]) == ("Completed", 0, None)
    assert details["durationSeconds"] > 0 and details["startTimeUtc"] <= details["endTimeUtc"]
    assert details["logFiles"] == {"user_logs/std_log.txt": f"{run.run_dir}/user_logs/std_log.txt"}
    assert details["runDefinition"]["params"] == {"a": {"kind": "integer", "value": 1}}
    json.dumps(details)


def test_logs_as_text(submit: Submit, ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    run = submit(f"echo hi; echo more > logs/a.txt; ln -s {tmp_path}/secret logs/link")
    ended(run)
    logs = run.get_details_with_logs()["logFiles"]
    assert logs["user_logs/std_log.txt"] == "hi\n" and logs["logs/a.txt"] == "more\n"
    assert "no plain file" in logs["logs/link"]


def test_identity(submit: Submit, ended: Ended, workspace: Workspace) -> None:
    run = submit("true")
    same = Run._from_identity(json.loads(json.dumps(run._identity())))
    assert same == run and hash(same) == hash(run) and run != "x"
    assert workspace.get_run(run.id) == run and eval(repr(run)) == run
    ended(run)


def test_a_run_survives_pickling(submit: Submit, ended: Ended) -> None:
    run = submit("true")
    ended(run)
    assert Run._from_identity(pickle.loads(pickle.dumps(run._identity()))).get_status() == "Completed"


def test_tags(submit: Submit, ended: Ended) -> None:
    run = submit("true")
    run.set_tags({"a": "1", "é 😀": "x"})
    run.set_tags({"a": "2"})
    assert run.get_tags() == {"a": "2", "é 😀": "x"} and run.get_properties() == {}
    with pytest.raises(EspalierError) as caught:
        run.set_tags({"ok": "1", "a\n": "1"})
    assert caught.value.code == "bad_name" and run.get_tags() == {"a": "2", "é 😀": "x"}
    ended(run)


def test_tags_set_by_many_at_once(submit: Submit, ended: Ended) -> None:
    run = submit("true")
    ended(run)
    code = "import sys; from espalier import Run; [Run(*sys.argv[1:3]).set_tags({sys.argv[3] + str(n): 'x'}) for n in range(20)]"
    workers = [subprocess.Popen([sys.executable, "-c", code, run.workspace_path, run.id, name]) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert len(run.get_tags()) == 60


VERBS: Dict[str, Callable[[Run], Any]] = {
    "get_status": lambda run: run.get_status(),
    "get_details": lambda run: run.get_details(),
    "get_metrics": lambda run: run.get_metrics(),
    "get_metric_history": lambda run: run.get_metric_history(),
    "get_file_names": lambda run: run.get_file_names(),
    "get_tags": lambda run: run.get_tags(),
    "set_tags": lambda run: run.set_tags({"a": "b"}),
    "cancel": lambda run: run.cancel(),
    "complete": lambda run: run.complete(),
    "follow": lambda run: run.follow(),
    "wait_for_completion": lambda run: run.wait_for_completion(),
    "experiment_name": lambda run: run.experiment_name,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_deleted_run(workspace: Workspace, verb: str) -> None:
    with pytest.raises(EspalierError) as caught:
        VERBS[verb](Run(workspace.path, "exp_1_abcdef01"))
    assert caught.value.code == "run_missing"
    assert os.listdir(workspace.path) == ["workspace.json"], "asking creates nothing"


@pytest.mark.parametrize("verb", ["get_status", "get_details", "get_metrics", "cancel", "follow", "wait_for_completion"])
@pytest.mark.parametrize("content,code", [("{", "damaged"), ('{"format": 9}', "newer_format")])
def test_a_damaged_run(submit: Submit, ended: Ended, verb: str, content: str, code: str) -> None:
    run = submit("true")
    ended(run)
    Path(run.run_dir, "status.json").write_text(content)
    with pytest.raises(EspalierError) as caught:
        VERBS[verb](run)
    assert caught.value.code == code


@pytest.mark.parametrize("verb", ["complete", "fail"])
def test_a_job_is_not_completed_by_hand(submit: Submit, ended: Ended, verb: str) -> None:
    run = submit("sleep 0.2")
    for _ in range(2):
        with pytest.raises(EspalierError) as caught:
            getattr(run, verb)()
        assert caught.value.code == "run_not_active"
        assert ended(run)["status"] == "Completed"


def test_wait_shows_the_log_as_it_grows(submit: Submit, capsys: pytest.CaptureFixture[str]) -> None:
    run = submit("echo one; sleep 0.1; printf '\\033[31mtw\\303\\251\\033[0m\\n'; echo three >&2; printf end")
    assert run.wait_for_completion(show_output=True)["status"] == "Completed"
    assert capsys.readouterr().out == "one\ntwé\nthree\nend"


def test_wait_on_a_terminal_that_is_not_utf_8(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    submit("echo 'é'").wait_for_completion(show_output=True)
    sys.stdout.flush()
    assert buffer.getvalue() == b"\\xe9\n"


def test_a_failed_run_raises_with_its_cause(submit: Submit) -> None:
    run = submit("for i in $(seq 30); do echo line $i; done; printf '\\033]0;title\\007oops\\n'; exit 4")
    with pytest.raises(EspalierError) as caught:
        run.wait_for_completion()
    error = caught.value
    assert error.code == "run_failed" and error.fields["run_id"] == run.id
    assert error.fields["cause"]["code"] == "job_failed"
    text = str(error)
    assert "exit status 4" in text and "  line 30\n  oops" in text and "line 1\n" not in text and "\033" not in text
    assert f"{run.run_dir}/user_logs/std_log.txt" in text
    assert run.wait_for_completion(raise_on_error=False)["exitCode"] == 4


def test_waiting_for_a_canceled_run_raises_nothing(submit: Submit) -> None:
    run = submit("sleep 60")
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"


def test_an_interrupt_stops_the_watching_not_the_job(submit: Submit, ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit("sleep 0.3; echo done")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("espalier.follow.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run.wait_for_completion()
    assert ended(run)["status"] == "Completed"


def test_download(submit: Submit, ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit("mkdir outputs/sub; echo m > outputs/sub/model.rds")
    ended(run)
    monkeypatch.chdir(tmp_path)
    assert run.download_file("outputs/sub/model.rds") == str(tmp_path / "model.rds")
    assert run.download_file("outputs/sub/model.rds", "a/b") == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").read_text() == "m\n"
    with pytest.raises(EspalierError) as caught:
        run.download_file("outputs/gone")
    assert caught.value.code == "artifact_missing"


def outside(code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("ESPALIER_")}
    return subprocess.run([sys.executable, "-c", "from espalier import Run\n" + code], env={**env, **variables}, capture_output=True, text=True)


def test_outside_a_job_it_says_once_that_nothing_is_recorded(tmp_path: Path) -> None:
    done = outside(
        "run = Run.get_context()\nrun.log('a', 1)\nrun.log('b', 2)\nrun.log_list('c', [1])\n"
        "run.log_table('d', {'a': [1]})\nrun.log_image('e', 'p.png')\nrun.flush()\nprint(run.id)"
    )
    assert (done.returncode, done.stdout) == (0, "offline\n")
    assert done.stderr.count("\n") == 1 and "nothing is recorded" in done.stderr


def test_outside_a_job_bad_values_are_refused_all_the_same() -> None:
    assert "bad_argument" in outside("try: Run.get_context().log('a', [1])\nexcept Exception as e: print(e.code)").stdout


def test_outside_a_job_other_verbs_refuse() -> None:
    code = "run = Run.get_context()\nfor call in (run.get_status, run.get_details, run.cancel, run.get_metrics, run.complete):\n"
    done = outside(code + "    try: call()\n    except Exception as e: print(e.code)")
    assert done.stdout.split() == ["run_not_active"] * 5


def test_no_offline_run_on_request() -> None:
    assert "run_not_active" in outside("try: Run.get_context(False)\nexcept Exception as e: print(e.code)").stdout


def test_metrics_are_seen_while_the_job_runs(experiment: Any, project: Path, reach: Any, ended: Ended) -> None:
    (project / "a.py").write_text(
        "import os, time\nfrom espalier import Run\nrun = Run.get_context()\nrun.log('m', 1)\n"
        "while not os.path.exists('outputs/go'): time.sleep(0.01)\nrun.log('m', 2)\n"
    )
    run = experiment.submit({"source_directory": str(project), "entry_script": "a.py"})
    reach(lambda: run.get_metrics() == {"m": 1})
    assert experiment.list_runs().columns["metric_m"] == [1]
    Path(run.run_dir, "outputs", "go").touch()
    ended(run)
    assert run.get_metrics() == {"m": [1, 2]} and experiment.list_runs().columns["metric_m"] == [2]
