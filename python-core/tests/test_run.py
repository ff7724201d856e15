import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Run, Workspace
from scratch import copy_of

Submit = Callable[..., Run]
Ended = Callable[..., Dict[str, Any]]


def test_identity(submit: Submit, ended: Ended, workspace: Workspace) -> None:
    run = submit("true")
    same = Run._from_identity(json.loads(json.dumps(run._identity())))
    assert same == run and hash(same) == hash(run) and run != "x"
    assert workspace.runs.get(run.id) == run and eval(repr(run)) == run
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


def test_waiting_for_a_canceled_run_raises_nothing(submit: Submit) -> None:
    run = submit("sleep 60")
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"


def test_an_interrupt_stops_the_watching_not_the_job(submit: Submit, ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit("sleep 0.3; echo done")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("espalier.api.follow.time.sleep", interrupt)
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
    assert caught.value.code == "artifact_missing" and caught.value.message == "Can't find 'outputs/gone' among the run's files."


def test_a_run_whose_job_never_began_says_so_of_its_files(submit: Submit, ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "given").touch()
    run = submit("true", inputs={"given": str(tmp_path / "given")}, depends_on=[submit("sleep 0.2").id])
    with pytest.raises(EspalierError) as caught:
        run.get_log()
    assert caught.value.message == "Can't find 'user_logs/std_log.txt' among the run's files yet."
    (tmp_path / "given").unlink()
    why = ended(run)["error"]["message"]
    for act in (run.get_log, lambda: run.download_file("outputs/m"), run.download_files):
        with pytest.raises(EspalierError) as caught:
            act()
        assert caught.value.code == "artifact_missing"
        assert "because its job never began: Can't read the input given" in caught.value.message and "yet" not in str(caught.value)
    assert why.startswith("Can't read the input given")


def test_metrics_are_seen_while_the_job_runs(experiment: Any, project: Path, reach: Any, ended: Ended) -> None:
    (project / "a.py").write_text(
        "import os, time\nfrom espalier import Run\nrun = Run.get_context()\nrun.log('m', 1)\n"
        "while not os.path.exists('outputs/go'): time.sleep(0.01)\nrun.log('m', 2)\n"
    )
    run = experiment.submit({"source_directory": str(project), "entry_script": "a.py"})
    reach(lambda: run.get_metrics() == {"m": 1})
    assert experiment.list_runs().columns["metric_m"] == [1]
    (copy_of(run) / "outputs" / "go").touch()
    ended(run)
    assert run.get_metrics() == {"m": [1, 2]} and experiment.list_runs().columns["metric_m"] == [2]


@pytest.mark.parametrize("name", ["status.json", "spec.json", "meta.json"])
def test_a_missing_record_is_damage_in_the_words_of_lists(submit: Submit, ended: Ended, name: str) -> None:
    run = submit("true")
    ended(run)
    path = Path(run.run_dir, name)
    path.unlink()
    with pytest.raises(EspalierError) as caught:
        run.get_details()
    assert caught.value.code == "damaged" and caught.value.message == f"Can't read the run {run.id}: {path} is missing."
