import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths


@pytest.fixture
def parent(experiment: Experiment) -> Run:
    return experiment.start_logging()


def test_recorded_by_hand(parent: Run, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x").touch()
    child = parent.child_run("first", "exp_7_0123abcd", str(tmp_path / "results"))
    child.log("m", 1.0)
    child.complete()
    assert (child.id, child.get_file_names(), child.get_metrics()) == ("exp_7_0123abcd", ["outputs/x"], {"m": 1.0})
    details = child.get_details()
    assert (details["displayName"], details["runDefinition"]["parent"]) == ("first", parent.id)
    with pytest.raises(EspalierError, match="it exists already"):
        parent.child_run(run_id="exp_7_0123abcd")


def test_many(parent: Run) -> None:
    assert len(parent.create_children(3)) == 3
    folds = parent.create_children(tag_key="fold", tag_values=["a", "b"])
    assert [run.get_tags() for run in folds] == [{"fold": "a"}, {"fold": "b"}]
    for wrong in ((), (0,), (1001,), (1, "x"), (1, "x", ["a"]), (None, "x"), (None, None, ["a"])):
        with pytest.raises(EspalierError):
            parent.create_children(*wrong)
    assert len(parent.get_children()) == 5


def test_filters(parent: Run, ended: Any) -> None:
    folds = parent.create_children(tag_key="fold", tag_values=["a", "b"])
    job = parent.submit_child(ScriptRunConfig(command="true"), tags={"fold": "a"})
    deep = folds[0].child_run()
    folds[1].complete()
    ended(job)
    assert parent.get_children() == [*folds, job]
    assert parent.get_children(recursive=True) == [*folds, job, deep]
    assert parent.get_children(tags={"fold": "a"}) == [folds[0], job]
    assert parent.get_children(type="command") == [job]
    assert parent.get_children(status="Completed") == [folds[1], job]
    assert parent.get_children(properties={"a": "b"}) == []


def test_lists_show_them_when_asked(parent: Run, experiment: Experiment) -> None:
    child = parent.child_run()
    assert experiment.list_runs().columns["run_id"] == [parent.id]
    assert experiment.list_runs().columns["children"] == [1]
    frame = experiment.list_runs(include_children=True).columns
    assert dict(zip(frame["run_id"], frame["parent"])) == {parent.id: None, child.id: parent.id}
    assert experiment.get_runs() == [parent] and set(experiment.get_runs(include_children=True)) == {parent, child}
    assert experiment.workspace.runs.get("latest") == parent


def test_metrics_of_all_below(parent: Run, ended: Any) -> None:
    parent.log("m", 0.0)
    child = parent.child_run()
    child.log("m", 1.0)
    deep = child.child_run()
    deep.log("n", 2.0)
    job = parent.submit_child({"command": "true"})
    ended(job)
    assert parent.get_metrics(recursive=True) == {parent.id: {"m": 0.0}, child.id: {"m": 1.0}, deep.id: {"n": 2.0}, job.id: {}}
    assert parent.get_metrics("m", recursive=True, run_type="command") == {parent.id: {"m": 0.0}, job.id: {}}


def test_lost_with_the_session_that_records_it(parent: Run, experiment: Experiment) -> None:
    code = "import sys; from espalier import Run; print(Run(*sys.argv[1:]).child_run().id)"
    argv = [sys.executable, "-c", code, parent.workspace_path, parent.id]
    child_id = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    experiment.list_runs()
    (child,) = parent.get_children()
    assert (child.id, child.get_details()["error"]["code"]) == (child_id, "runner_lost")


JOB = """
import os, sys
from espalier import EspalierError, Run, ScriptRunConfig
run = Run.get_context()
os.makedirs("sub"); open("sub/child.py", "w").write("from espalier import Run; Run.get_context().log('x', 1.5)")
first = run.submit_child(ScriptRunConfig("sub", "child.py"), tags={"a": "!b"})
second = run.submit_child({"source_directory": ".", "entry_script": "sub/child.py", "script_params": {"p": 2}})
for child in (first, second):
    assert child.wait_for_completion()["status"] == "Completed"
made = run.create_children(2)
made[0].log("by hand", 1); made[0].complete()
deep = made[1].child_run("deep"); deep.fail("why")
long = run.submit_child({"command": "sleep 30"})
assert long.cancel() is True
for wrong in (lambda: run.submit_child({"source_directory": "gone", "entry_script": "x"}), lambda: run.cancel(),
              lambda: Run(run.workspace_path, sys.argv[1]).child_run()):
    try: wrong(); print("no error")
    except EspalierError as error: print(error.code)
print(run.get_metrics(recursive=True)[first.id], len(os.listdir(run.run_dir + "/requests")))
"""


def test_from_inside_a_job_with_one_slot(
    experiment: Experiment, project: Path, parent: Run, ended: Callable[..., Any]
) -> None:
    set_capacity(queue_paths(), cpus=1)
    (project / "job.py").write_text(JOB)
    run = experiment.submit(ScriptRunConfig(str(project), "job.py", arguments=[parent.id]))
    details = ended(run, 60)
    log = Path(run.run_dir, "user_logs", "std_log.txt").read_text()
    assert details["status"] == "Completed", log
    assert log.splitlines() == ["source_missing", "bad_argument", "bad_argument", "{'x': 1.5} 0"]
    first, second, done, left, long = run.get_children()
    assert [child.get_status() for child in (first, second, done, left)] == ["Completed"] * 4
    assert ended(long)["status"] == "Canceled"
    assert (first.get_tags(), second.get_details()["runDefinition"]["params"]["p"]["value"]) == ({"a": "!b"}, 2)
    (deep,) = left.get_children()
    assert deep.get_details()["error"]["message"] == "why" and parent.get_children() == []
    (kept,) = Path(run.run_dir, "system_logs", "runner.log").read_text().splitlines()
    assert kept.startswith("Kept 1 file (") and kept.endswith("workdir/sub/child.py")
