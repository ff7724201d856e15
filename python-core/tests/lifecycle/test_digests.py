"""A run whose definition or variables were changed after submit isn't executed."""

import hashlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Experiment, Run, ScriptRunConfig
from espalier.adapters import posix
from espalier.base.paths import SPEC, RunPaths
from espalier.lifecycle.digests import Changed, Frozen, known_digests, record_digests
from espalier.queue.home import queue_paths
from espalier.queue.tickets import find_ticket, read_ticket


def queued(experiment: Experiment, command: str, **fields: Any) -> Run:
    """A run that waits for another one to be started."""
    first = experiment.submit(ScriptRunConfig(command="sleep 1"))
    return experiment.submit(ScriptRunConfig(command=command, depends_on=[first.id], **fields))


def rewrite(path: str, **changes: Any) -> None:
    record = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**record, **changes}))  # (another file would count as a copy)


def refused(run: Run, ended: Callable[[Run], Dict[str, Any]], name: str) -> None:
    details = ended(run)
    error = details["error"]
    assert (details["status"], error["code"]) == ("Failed", "prepare_failed")
    assert error["class"] == ["espalier_error_record_changed"]
    assert os.path.join(run.run_dir, name) in error["message"]


@pytest.mark.parametrize("name", ["spec.json", "env.json"])
def test_a_queued_run_is_changed(experiment: Experiment, ended: Any, tmp_path: Path, name: str) -> None:
    run = queued(experiment, "true")
    reached = str(tmp_path / "reached")
    rewrite(os.path.join(run.run_dir, name), command=["touch", reached], variables={"A": "b"})
    refused(run, ended, name)
    assert not os.path.exists(reached)


@pytest.mark.parametrize("by_rename", [False, True])
def test_the_first_attempt_changes_what_the_second_would_be(
    experiment: Experiment, ended: Any, tmp_path: Path, by_rename: bool
) -> None:
    """One that replaced the file was told that its folder is a copy."""
    reached = tmp_path / "reached"
    change = (
        "import json, os\n"
        "path = os.path.join(os.environ['ESPALIER_RUN_DIR'], 'spec.json')\n"
        "spec = json.load(open(path))\n"
        f"spec['command'] = ['touch', {str(reached)!r}]\n"
        "spec['retry']['attempts'] = 9\n"
        f"aside = path + '-new' if {by_rename} else path\n"
        "with open(aside, 'w') as file: json.dump(spec, file)\n"
        "os.replace(aside, path)\n"
        "raise SystemExit(1)\n"
    )
    run = experiment.submit(ScriptRunConfig(command=["python3", "-c", change], retry=2))
    refused(run, ended, "spec.json")
    assert not reached.exists()


def test_the_definition_of_a_queued_run_is_replaced(experiment: Experiment, ended: Any) -> None:
    run = queued(experiment, "true")
    replace_definition(run)
    refused(run, ended, "spec.json")


def replace_definition(run: Run) -> None:
    """By another file, as an editor does it."""
    aside = run._paths.spec + "-new"
    shutil.copy(run._paths.spec, aside)
    rewrite(aside, command=["false"])
    os.replace(aside, run._paths.spec)


@pytest.mark.parametrize("attempts", [1, 2])
def test_the_definition_of_a_running_run_is_replaced_and_its_runner_dies(
    submit: Any, ended: Any, reach: Any, tmp_path: Path, attempts: int
) -> None:
    """The error named its folder a copy, and its processes went on."""
    run = submit(f"echo x >> {tmp_path}/marks; echo kept > outputs/x; echo $$; sleep 60 & wait", retry=attempts)
    reach(lambda: run.follow()["log"])
    pid = int(run.follow()["log"])
    replace_definition(run)
    runner = int(run._status()["pid"])
    for each in (int(Path(f"/proc/{runner}/stat").read_text().rpartition(")")[2].split()[1]), runner):
        os.kill(each, signal.SIGKILL)
    details = ended(run)
    error = details["error"]
    assert details["status"] == "Failed" and (tmp_path / "marks").read_text() == "x\n"
    if attempts == 1:
        assert error["code"] == "runner_lost" and f"{run._paths.spec} isn't what it was" in details["warnings"][0]
    else:
        assert error["class"] == ["espalier_error_record_changed"]
        assert details["attempts"][0]["error"]["code"] == "runner_lost"
    assert "outputs/x" in run.get_file_names()
    reach(lambda: posix.process_start(pid) is None)


def test_a_replaced_definition_that_no_queue_knows(submit: Any, ended: Any, reach: Any) -> None:
    run = submit("echo on; sleep 60")
    reach(lambda: run.follow()["log"])
    runner = int(run._status()["pid"])
    replace_definition(run)
    os.unlink(queue_paths().lease(run.id))
    error = ended(run)["error"]
    assert error["code"] == "runner_lost" and error["class"] == ["espalier_error_record_changed"]
    assert run._paths.spec in error["message"] and os.path.exists(f"/proc/{runner}"), "nothing is done to processes"


def test_a_replaced_definition_of_a_queued_run_whose_queue_is_lost(experiment: Experiment, ended: Any) -> None:
    run = queued(experiment, "true")
    shutil.rmtree(queue_paths().root)
    replace_definition(run)
    refused(run, ended, "spec.json")


def test_the_ticket_knows_and_the_status_does(experiment: Experiment, ended: Any) -> None:
    run = queued(experiment, "true")
    found = find_ticket(queue_paths(), run.id)
    ticket = read_ticket(str(found))
    assert ticket is not None
    digests = record_digests({name: Path(run.run_dir, name).read_bytes() for name in os.listdir(run.run_dir) if name.endswith(".json")})
    assert sorted(digests) == ["env.json", "spec.json"]
    assert known_digests(ticket.record.digests) == digests == json.loads(Path(run._paths.status).read_text())["digests"]
    assert ended(run)["status"] == "Completed"


def test_a_lost_queue_knows_by_the_status(experiment: Experiment, ended: Any) -> None:
    run = queued(experiment, "true")
    shutil.rmtree(queue_paths().root)
    rewrite(run._paths.env, variables={"PATH": "/nowhere"})
    refused(run, ended, "env.json")


def test_a_lost_queue_takes_no_other_definition(experiment: Experiment, ended: Any) -> None:
    run = queued(experiment, "true")
    shutil.rmtree(queue_paths().root)
    rewrite(run._paths.spec, command=["false"])
    refused(run, ended, "spec.json")


def test_a_lost_queue_executes_what_was_not_changed(experiment: Experiment, ended: Any) -> None:
    run = queued(experiment, "true")
    shutil.rmtree(queue_paths().root)
    assert ended(run)["status"] == "Completed"


def test_what_takes_the_place_of_a_record(tmp_path: Path) -> None:
    run = RunPaths(str(tmp_path))
    Path(run.spec).write_text('{"format": 1, "id": "a"}')
    digests = record_digests({SPEC: Path(run.spec).read_bytes()})
    frozen = Frozen(run, digests)
    os.rename(run.spec, run.spec + "-old")
    assert frozen.record(SPEC)["id"] == "a", "what was checked is what is used"
    for replace in (lambda: os.symlink(run.spec + "-old", run.spec), lambda: os.mkfifo(run.spec)):
        assert changed(run, digests) == run.spec
        replace()
        assert changed(run, digests) == run.spec
        os.unlink(run.spec)


def changed(run: RunPaths, digests: Dict[str, str]) -> str:
    with pytest.raises(Changed) as caught:
        Frozen(run, digests)
    return str(caught.value)


def test_a_digest_is_the_sha256() -> None:
    wanted = {SPEC: hashlib.sha256(b"abc").hexdigest()}
    assert record_digests({SPEC: b"abc", "other.json": b""}) == wanted


@pytest.mark.parametrize("record", [{}, {"digests": None}, {"digests": ["spec.json"]}, {"digests": {"other": "0", "spec.json": 1}}])
def test_what_is_no_digest_is_none(record: Dict[str, Any]) -> None:
    assert known_digests(record) == {}


@pytest.mark.parametrize("what", ["link", "folder link", "folder"])
def test_the_log_is_something_else_in_the_next_attempt(experiment: Experiment, ended: Any, tmp_path: Path, what: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "std_log.txt").write_text("original")
    ways = {
        "link": f"rm user_logs/std_log.txt; ln -s {victim}/std_log.txt user_logs/std_log.txt",
        "folder link": f"rm -r user_logs; ln -s {victim} user_logs",
        "folder": "rm user_logs/std_log.txt; mkdir user_logs/std_log.txt",
    }
    run = experiment.submit(ScriptRunConfig(command=f"cd $ESPALIER_RUN_DIR; {ways[what]}; exit 1", retry=2))
    details = ended(run)
    assert details["error"]["code"] == "job_failed" and details["warnings"], "it goes on, in a log of its own"
    assert not os.path.islink(run._paths.log) and not os.path.islink(os.path.dirname(run._paths.log))
    assert os.listdir(victim) == ["std_log.txt"] and (victim / "std_log.txt").read_text() == "original"
