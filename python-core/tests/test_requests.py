"""What a job asks for, carried out without a runner: the run that asks is recorded by this process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Optional

import pytest
from espalier import Experiment, Run
from espalier.api import requests
from espalier.api.dispatch import member_of
from espalier.api.requests import carry_out
from espalier.base.paths import is_run_id
from espalier.lifecycle.ask import ask_to_cancel

NAME = "py-1-00000000-0"
HELLO = {"command": ["sh", "-c", "echo hello"]}


@pytest.fixture
def parent(experiment: Experiment) -> Run:
    return experiment.start_logging()


def ask(parent: Run, /, **record: Any) -> Dict[str, Any]:
    """Put a request, have it carried out, and take the answer."""
    folder = Path(parent.run_dir, "requests")
    folder.mkdir(exist_ok=True)
    # (another time, another name: what is made is told by both)
    name = f"py-1-00000000-{len(parent.get_children())}"
    (folder / f"{name}.json").write_text(json.dumps({"format": 1, **record}))
    carry_out(parent._paths)
    answer = folder / f"{name}.answer.json"
    record = json.loads(answer.read_text())
    answer.unlink()
    assert os.listdir(folder) == []
    return record


def refused(parent: Run, /, **record: Any) -> str:
    before = parent.get_children(recursive=True)
    error = ask(parent, **record)["error"]
    assert parent.get_children(recursive=True) == before
    return f"{error['code']}: {error['message']}"


def child_of(parent: Run, answer: Dict[str, Any]) -> Run:
    (run_id,) = answer["run_ids"]
    return Run(parent.workspace_path, run_id)


def test_submit(parent: Run, ended: Any) -> None:
    child = child_of(parent, ask(parent, op="submit", config=HELLO, tags={"a": "!!b"}))
    details = ended(child)
    assert (details["status"], details["tags"], details["runDefinition"]["parent"]) == ("Completed", {"a": "!b"}, parent.id)
    assert parent.get_children() == [child]


def test_repeated_it_makes_no_second_child(parent: Run, ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever carried it out was killed before the answer was written."""
    for record in ({"op": "submit", "config": HELLO}, {"op": "create", "wanted": [{"name": "x"}, {}]}):
        name = f"py-1-00000000-{len(parent.get_children())}"
        folder = Path(parent.run_dir, "requests")
        with monkeypatch.context() as patch:
            patch.setattr(requests.RequestBox, "answer", lambda *args: None)
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.json").write_text(json.dumps({"format": 1, **record}))
            carry_out(parent._paths)
        made = {run.id for run in parent.get_children()}
        carry_out(parent._paths)
        answer = folder / f"{name}.answer.json"
        assert set(json.loads(answer.read_text())["run_ids"]) <= made == {run.id for run in parent.get_children()}
        answer.unlink()


def test_create_and_end(parent: Run, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "model").write_text("m")
    chosen = "exp_1_0123abcd"
    wanted = [{"name": "first", "tags": {"fold": "1"}}, {"run_id": chosen, "collect_from": str(tmp_path / "results")}]
    assert ask(parent, op="create", wanted=wanted)["run_ids"][1] == chosen
    first, second = sorted(parent.get_children(), key=lambda run: run.id == chosen)
    assert (first.get_tags(), first.get_details()["displayName"], first.get_status()) == ({"fold": "1"}, "first", "Running")
    ask(parent, op="complete", run=chosen)
    assert second.get_status() == "Completed" and second.get_file_names() == ["outputs/model"]
    assert ask(parent, op="complete", run=chosen)["run_ids"] == [chosen], "once more is no error"
    assert refused(parent, op="fail", run=chosen).startswith("run_not_active: ")
    ask(parent, op="fail", run=first.id, message="no convergence")
    assert first.get_details()["error"]["message"] == "no convergence"
    assert refused(parent, op="create", wanted=[{"run_id": chosen}]).startswith("run_exists: ")


def test_a_created_child_lives_as_long_as_its_parent(parent: Run, experiment: Experiment) -> None:
    child = child_of(parent, ask(parent, op="create", wanted=[{}]))
    deep = child_of(parent, ask(parent, op="create", parent=child.id, wanted=[{}]))
    experiment.list_runs()
    assert (child.get_status(), deep.get_status()) == ("Running", "Running")
    parent.complete()
    assert (child.get_status(), deep.get_status()) == ("Completed", "Completed")


def test_left_open_by_a_parent_that_has_ended(parent: Run, experiment: Experiment) -> None:
    """Whoever ended the parent was killed, or the child came too late: a listing ends it."""
    child = child_of(parent, ask(parent, op="create", wanted=[{}]))
    os.rename(Path(parent.run_dir, "children"), Path(parent.run_dir, "hidden"))
    parent.fail("x")
    assert child._status()["state"] == "Running"
    experiment.list_runs()
    assert child.get_status() == "Failed"


def test_cancel(parent: Run, reach: Any) -> None:
    child = child_of(parent, ask(parent, op="submit", config={"command": "sleep 30"}))
    assert ask(parent, op="cancel", run=child.id)["canceled"] is True
    reach(child, "Canceled")
    assert ask(parent, op="cancel", run=child.id)["canceled"] is False


def test_only_to_its_own(parent: Run, experiment: Experiment) -> None:
    other = experiment.start_logging()
    below = other.child_run()
    for named in (other.id, below.id, "../../x", "exp_1_00000000"):
        for record in ({"op": "submit", "config": HELLO}, {"op": "create", "wanted": [{}]}):
            assert "neither this job's run nor below it" in refused(parent, parent=named, **record)
        for op in ("complete", "fail", "cancel"):
            assert "neither this job's run nor below it" in refused(parent, op=op, run=named)
    assert "a job's own run" in refused(parent, op="cancel", run=parent.id)
    assert other.get_children() == [below] and below.get_status() == "Running"


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"op": 1},
        {"op": "delete"},
        {"op": "submit"},
        {"op": "submit", "config": []},
        {"op": "submit", "config": {**HELLO, "parent": "x"}},
        {"op": "submit", "config": HELLO, "tags": {"a": 1}},
        {"op": "submit", "config": HELLO, "tags": {"a\n": "1"}},
        {"op": "submit", "config": HELLO, "parent": 5},
        {"op": "submit", "config": {**HELLO, "source_directory": "relative"}},
        {"op": "submit", "config": {**HELLO, "source_directory": "/a\0b"}},
        {"op": "submit", "config": {**HELLO, "inputs": {"a": "relative"}}},
        {"op": "submit", "config": {**HELLO, "inputs": ["/x"]}},
        {"op": "submit", "config": {**HELLO, "arguments": "x"}},
        {"op": "submit", "config": {**HELLO, "script_params": []}},
        {"op": "submit", "config": {**HELLO, "environment_variables": {"A": 1}}},
        {"op": "submit", "config": {**HELLO, "children": "kill"}},
        {"op": "submit", "config": {**HELLO, "session": {"library_paths": "x"}}},
        {"op": "submit", "config": {**HELLO, "display_name": "!unknown tag"}},
        {"op": "create"},
        {"op": "create", "wanted": []},
        {"op": "create", "wanted": [1]},
        {"op": "create", "wanted": [{}] * 1001},
        {"op": "create", "wanted": [{"run_id": "../x"}]},
        {"op": "create", "wanted": [{"run_id": "other_1_00000000"}]},
        {"op": "create", "wanted": [{"name": 1}]},
        {"op": "complete"},
    ],
    ids=lambda record: json.dumps(record)[:60],
)
def test_hostile(parent: Run, record: Dict[str, Any]) -> None:
    assert refused(parent, **record).split(":")[0] in ("bad_argument", "bad_name")


def test_a_defect_is_told_too(parent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(requests._DEEDS, "submit", lambda *args: 1 // 0)
    assert refused(parent, op="submit").startswith("internal: Can't carry out the request py-1-00000000-0.json: ZeroDivisionError")


def test_nothing_is_begun_for_a_run_that_is_being_canceled(parent: Run) -> None:
    ask_to_cancel(parent._paths)
    os.rename(parent._paths.cancel, Path(parent.run_dir, "cancel.json"))
    assert "run_ids" in ask(parent, op="create", wanted=[{}])
    (Path(parent.run_dir) / "requests" / "cancel.json").touch()
    folder = Path(parent.run_dir, "requests")
    (folder / f"{NAME}.json").write_text('{"format": 1, "op": "create", "wanted": [{}]}')
    carry_out(parent._paths)
    assert json.loads((folder / f"{NAME}.answer.json").read_text())["error"]["code"] == "run_not_active"


def call(run: Run, member: str, on: Optional[Run] = None, of: str = "Run", **args: Any) -> Dict[str, Any]:
    """A request for an operation of the catalogue."""
    return {"op": "call", "class": of, "member": member, "identity": {"id": (on or run).id}, "args": args}


def test_operations_on_its_own_runs(parent: Run, experiment: Experiment) -> None:
    child, other = parent.child_run(), experiment.start_logging()
    assert ask(parent, **call(parent, "set_tags", tags={"a": "1", "b": "!!x"})) == {"format": 1, "value": None}
    ask(parent, **call(parent, "set_tags", child, tags={"a": "2"}))
    assert (parent.get_tags(), child.get_tags()) == ({"a": "1", "b": "!x"}, {"a": "2"})
    assert ask(parent, **call(parent, "get_tags", child))["value"] == {"a": "2"}
    child.log("auc", 0.5)
    (column,) = ask(parent, **call(parent, "get_metric_frames", child, name="auc"))["value"]["auc"]["columns"]
    assert column == {"name": "", "kind": "double", "values": [0.5]}
    assert refused(parent, **call(parent, "set_tags", other, tags={"a": "3"})).startswith("bad_argument")
    assert refused(parent, **call(parent, "set_tags", tags={"": "3"})).startswith("bad_name")
    assert other.get_tags() == {}


@pytest.mark.parametrize(
    "of, member, args",
    [
        ("Run", "download_file", {"name": "x", "output_file_path": "/tmp/x"}),
        ("Run", "get_secrets", {"names": ["x"]}),
        ("Run", "cancel", {}),
        ("Run", "__init__", {}),
        ("Run", "get_context", {}),
        ("Run", "get_tags", {"x": 1}),
        ("Run", "get_log", {"n": "many"}),
        ("Keyvault", "get_secrets", {"names": ["x"]}),
        ("Workspace", "delete", {}),
        ("os", "system", {}),
    ],
)
def test_operations_that_jobs_may_not_ask_for(parent: Run, of: str, member: str, args: Dict[str, Any]) -> None:
    assert refused(parent, **call(parent, member, of=of, **args)).startswith("bad_argument")


def test_an_answer_that_no_reader_would_take(parent: Run) -> None:
    Path(parent.run_dir, "outputs").mkdir(exist_ok=True)
    Path(parent.run_dir, "outputs", "lines").write_bytes(b"\n" * (8 << 20))
    assert refused(parent, **call(parent, "get_log", name="outputs/lines")).startswith("bad_argument: Can't return")
    assert len(refused(parent, **call(parent, "get_log", name="x" * 100_000))) < 5_000


def test_what_a_request_of_its_own_is_for_is_in_the_catalogue() -> None:
    assert all(member_of("Run", name)["in_job"] for name in requests._BY_REQUEST)


@pytest.fixture
def confined(parent: Run) -> Run:
    """The same, as one whose job is in a container."""
    os.mkdir(parent._paths.recorded)
    spec = Path(parent.run_dir, "spec.json")
    docker = {"shm_size": None, "network": "none", "mounts": {}, "init": True, "user": None}
    environment = {"name": "base", "version": "1"}
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "target": "docker", "docker": docker, "environment": environment}))
    return parent


def seen_by(run: Run) -> Any:
    """What a job in a container sees of the runs."""
    return sorted(path.name for path in Path(run.run_dir, ".job", "view", "runs").glob("*/*"))


@pytest.mark.parametrize("place", ["{outputs}/evil", "{up}/evil", "{outputs}/evil/.", "../../x"])
def test_a_chosen_id_is_no_path(confined: Run, tmp_path: Path, place: str) -> None:
    """The job puts there what says that this very request has made it."""
    outputs = Path(confined.run_dir, "outputs")
    evil = outputs / "evil"
    evil.mkdir()
    settled = requests.settled_id("exp", 5, f"{confined.id}/{NAME}.json/0")
    for name, content in (("spec.json", {"request": settled, "parent": confined.id}), ("status.json", {"state": "Running"})):
        (evil / name).write_text(json.dumps({"format": 1, **content}))
    chosen = place.format(outputs=outputs, up=f"../{os.path.basename(os.path.dirname(confined.run_dir))}/{confined.id}/outputs")
    folder = Path(confined.run_dir, "requests")
    folder.mkdir(exist_ok=True)
    (folder / f"{NAME}.json").write_text(json.dumps({"format": 1, "op": "create", "wanted": [{"run_id": chosen}]}))
    os.utime(folder / f"{NAME}.json", (5, 5))
    carry_out(confined._paths)
    assert json.loads((folder / f"{NAME}.answer.json").read_text())["error"]["code"] == "bad_name"
    assert seen_by(confined) == [] and confined.get_children() == []


@pytest.mark.parametrize("record", [{"op": "submit", "config": HELLO}, {"op": "create", "wanted": [{}]}])
def test_an_id_that_is_that_of_another_run(
    confined: Run, experiment: Experiment, record: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what an id is made the job chooses the name and the time of its request: it can try until one fits."""
    other = experiment.start_logging()
    monkeypatch.setattr(requests, "settled_id", lambda *args: other.id)
    assert refused(confined, **record).startswith("run_exists")
    assert seen_by(confined) == []


def test_the_time_of_a_request_may_be_any(parent: Run) -> None:
    for seconds in (-5, 0, 10**15):
        assert is_run_id(requests.settled_id("exp", seconds, "x"))


def test_a_confined_job_waits_for_no_other_run(confined: Run, experiment: Experiment) -> None:
    other = experiment.start_logging()
    assert refused(confined, op="submit", config={**HELLO, "depends_on": [other.id]}).startswith(f"bad_argument: Can't use {other.id} in `depends_on`")


def test_nobody_else_enters_a_child_that_a_confined_job_logs_into(confined: Run) -> None:
    child = child_of(confined, ask(confined, op="create", wanted=[{}]))
    assert os.stat(child.run_dir).st_mode & 0o777 == 0o700


def test_what_a_confined_job_has_the_host_read_takes_no_more_than_a_part_of_its_memory(confined: Run, parent: Run) -> None:
    folder = Path(confined.run_dir, "requests")
    folder.mkdir()
    # an event whose values take far more memory than its text
    Path(confined._paths.events).mkdir(exist_ok=True)
    Path(confined._paths.event_log("py-1-abcdef01")).write_text('{"type":"metric","seq":0,"time":1,"name":"x","value":[%s[]]}' % ("[]," * 4_000_000) + "\n")
    (folder / f"{NAME}.json").write_text(json.dumps({"format": 1, **call(confined, "get_metric_frames")}))
    code = "import sys\nfrom espalier.base.paths import RunPaths\nfrom espalier.api import requests\n"
    code += "run = RunPaths(sys.argv[1])\nrequests._MEMORY_BYTES = 1 << 28\nrequests.bound_memory(run)\nrequests.carry_out(run)\n"
    subprocess.run([sys.executable, "-c", code, confined.run_dir], check=True, stderr=subprocess.DEVNULL)
    assert json.loads((folder / f"{NAME}.answer.json").read_text())["error"]["code"] == "out_of_memory"
