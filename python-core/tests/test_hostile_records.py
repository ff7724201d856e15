"""What a job may put in the place of its run's records and logs: no reader waits, follows, or takes in more than it can."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Experiment, ScriptRunConfig, Workspace
from espalier.base.errors import DamageWarning, EspalierError
from espalier.base.paths import RunPaths
from espalier.base.records import RECORD_BYTES, RECORD_DEPTH, read_plain, read_record, replace_record
from espalier.executors.docker.record import read_box
from espalier.lifecycle.ask import canceled_message
from espalier.lifecycle.failure import job_error
from espalier.lifecycle.waiting import waited_for
from espalier.tracking import metrics, run_rows
from espalier.tracking.sessions import read_sessions
from hanging import not_hanging


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # (a socket's path is short)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def link_to_fifo(path: Path) -> None:
    os.mkfifo(f"{path}.pipe")
    path.symlink_to(f"{path}.pipe")


def link_to_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def link_to_record(path: Path) -> None:
    other = path.with_name("other.json")
    other.write_text('{"format": 1, "state": "Completed"}')
    path.symlink_to(other)


def folder(path: Path) -> None:
    path.mkdir()


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def huge(path: Path) -> None:
    path.write_bytes(b" " * (RECORD_BYTES + 1))


def deep(path: Path) -> None:
    path.write_bytes(b"[" * 1_000_000)


def nested(path: Path) -> None:
    """What `json` reads, and nobody can walk through."""
    path.write_text('{"format": 1, "state": "Running", "tags": {}, "properties": {}, "zzz": ' + '{"a":' * 900 + "1" + "}" * 901)


def nothing(path: Path) -> None:
    path.touch()


def long_number(path: Path) -> None:
    path.write_text('{"format": ' + "9" * 100_000 + "}")


KINDS: Dict[str, Callable[[Path], None]] = {
    function.__name__: function
    for function in (
        *(fifo, listening, link_to_fifo, link_to_zero, link_to_itself, link_to_record),
        *(folder, sparse, huge, deep, nested, nothing, long_number),
    )
}


@pytest.fixture
def run(experiment: Experiment, ended: Callable[..., Any]) -> Any:
    found = experiment.submit(ScriptRunConfig(command="echo printed"))
    ended(found)
    return found


@pytest.fixture(autouse=True)
def in_time() -> Any:
    with not_hanging():
        yield


def put(path: str, kind: str) -> Path:
    place = Path(path)
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.unlink()
    KINDS[kind](place)
    return place


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("record", ["spec.json", "status.json", "meta.json"])
def test_one_run_never_stops_a_listing(workspace: Workspace, run: Any, record: str, kind: str) -> None:
    other = Experiment(workspace, "exp").start_logging()
    other.complete()
    put(os.path.join(run.run_dir, record), kind)
    rows = workspace.runs.list()
    states = dict(zip(rows.columns["run_id"], rows.columns["status"]))
    assert states == {run.id: "Damaged", other.id: "Completed"}
    shown = dict(zip(rows.columns["run_id"], rows.columns["error"]))[run.id]
    assert record in shown


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("fifo", "it is a named pipe"),
        ("listening", "it is a socket"),
        ("link_to_zero", "it is a link"),
        ("folder", "it is a folder"),
        ("sparse", "1099511627776 bytes"),
        ("huge", f"{RECORD_BYTES} are the most"),
    ],
)
def test_the_error_names_what_lies_there(run: Any, kind: str, words: str) -> None:
    place = put(RunPaths(run.run_dir).meta, kind)
    with pytest.raises(EspalierError) as caught:
        run.get_tags()
    assert caught.value.code == "damaged"
    assert str(place) in caught.value.message and words in caught.value.message


@pytest.mark.parametrize("name", ["", "events"])
def test_a_folder_on_another_disk_is_to_be_put_back(run: Any, tmp_path: Path, name: str) -> None:
    """The advice was to delete it."""
    place = Path(run.run_dir, name)
    os.rename(place, tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    for read in (run.get_metrics, *([run.get_tags] if not name else [])):
        with pytest.raises(EspalierError) as caught:
            read()
        assert caught.value.code == "damaged" and caught.value.hint == f"Put the folder itself in the link's place: {place}."


READS: Dict[str, Callable[[Any], Any]] = {
    "details": lambda run: run.get_details(),
    "environment": lambda run: run.get_environment(),
    "traceback": lambda run: run.get_traceback(),
    "tags": lambda run: run.get_tags(),
    "properties": lambda run: run.get_properties(),
    "set_tags": lambda run: run.set_tags({"a": "b"}),
}
FIELDS = [
    ("status", "warnings", "details"), ("status", "error", "details"), ("status", "error", "traceback"),
    ("status", "attempts", "details"), ("spec", "environment", "details"), ("spec", "environment", "environment"),
    ("meta", "tags", "details"), ("meta", "tags", "tags"), ("meta", "tags", "set_tags"),
    ("meta", "properties", "details"), ("meta", "properties", "properties"),
]  # fmt: skip


@pytest.mark.parametrize("value", [-1, ["a"], "x"])
@pytest.mark.parametrize("field", ["digests", "logs", "usage", "metrics", "error", "state"])
def test_one_run_never_stops_verify(workspace: Workspace, run: Any, experiment: Experiment, ended: Callable[..., Any], field: str, value: Any) -> None:
    other = experiment.submit(ScriptRunConfig(command="true"))
    ended(other)
    Path(other.run_dir, "meta.json").unlink()
    path = Path(run.run_dir, "status.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    found = workspace.verify().columns
    problems = dict(zip(found["run_id"], found["problem"]))
    assert other.id in problems
    if field in ("digests", "error", "state"):
        assert run.id in problems


@pytest.mark.parametrize("value", [None, 5, "x", [5], {}, {"kind": "double", "value": {}}, {"kind": "integer", "value": 10**400}, {"kind": "double"}])
def test_a_parameter_that_is_none(workspace: Workspace, run: Any, value: Any) -> None:
    path = Path(run.run_dir, "spec.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "params": {"lr": value}}))
    with pytest.raises(EspalierError) as caught:
        run.get_details()
    assert caught.value.code == "damaged" and "'lr'" in caught.value.message
    found = workspace.verify().columns
    assert found["file"] == [str(path)] and "'lr'" in found["problem"][0]


@pytest.mark.parametrize("value", [None, 5, "x", True])
@pytest.mark.parametrize(("record", "field", "read"), FIELDS)
def test_a_field_of_another_kind(run: Any, record: str, field: str, read: str, value: Any) -> None:
    """What is null counts as empty, and of everything else the file is named."""
    path = Path(run.run_dir, f"{record}.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    if value is None:
        READS[read](run)
        return
    with pytest.raises(EspalierError) as caught:
        READS[read](run)
    assert caught.value.code == "damaged" and str(path) in caught.value.message and f"`{field}`" in caught.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_to_cancel_that_is_none(experiment: Experiment, ended: Callable[..., Any], kind: str) -> None:
    run = experiment.submit(ScriptRunConfig(command="sleep 60"))
    paths = RunPaths(run.run_dir)
    while run.get_status() != "Running":
        time.sleep(0.01)
    put(paths.cancel, kind)
    if kind in ("link_to_itself",):  # (it isn't there for whoever looks)
        run.cancel()
    assert ended(run)["status"] == "Canceled"
    assert canceled_message(paths).startswith("Canceled")


@pytest.mark.parametrize("kind", KINDS)
def test_what_else_is_read_of_a_run(run: Any, kind: str) -> None:
    paths = RunPaths(run.run_dir)
    writer = "py-1-abcdef01"
    put(paths.event_log(writer), kind)
    put(paths.event_log("rprelude-1-abcdef01"), kind)
    put(paths.part_log(writer), kind)
    put(paths.usage, kind)
    put(paths.session(writer), kind)
    put(paths.container, kind)
    put(paths.environment_record, kind)
    put(paths.diff, kind)
    put(os.path.join(paths.requests, "waiting-py-1-abcdef01.json"), kind)
    put(paths.log, kind)
    for read in (run.get_metrics, run.list_parts, run.get_usage, run.get_log):
        try:
            read()
        except EspalierError as error:
            assert error.code in ("damaged", "newer_format", "artifact_unsafe")
    assert run.follow(0, 0.0)["status"] == "Completed"
    assert read_sessions(paths) == [] and read_box(paths) is None and list(waited_for(paths)) == []
    assert job_error(paths, 3, None)["message"]
    run.get_details_with_logs()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "nothing"])
def test_a_payload_that_is_none(run: Any, kind: str) -> None:
    paths = RunPaths(run.run_dir)
    writer = "py-1-abcdef01"
    put(os.path.join(paths.payloads, f"{writer}-0.json"), kind)
    event = f'{{"type":"table","seq":0,"time":1,"name":"t","payload":"payloads/{writer}-0.json"}}\n'
    Path(paths.event_log(writer)).write_text(event)
    if kind in ("link_to_record", "nested"):  # (a payload that is there, and has no columns)
        run.get_metrics("t")
        return
    with pytest.warns(DamageWarning, match=f"{writer}-0.json"):
        assert run.get_metrics() == {}


@pytest.mark.parametrize("folder_name", ["events", "parts", "payloads", "provenance", "requests", "usage", "user_logs"])
def test_nothing_is_read_behind_a_link(run: Any, tmp_path: Path, folder_name: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    event = '{"type":"metric","seq":0,"time":1,"name":"stolen","kind":"double","value":1}\n'
    for name in ("py-1-abcdef01.jsonl", "samples.jsonl", "std_log.txt"):
        (other / name).write_text(event)
    place = Path(run.run_dir, folder_name)
    if place.exists():
        place.rename(tmp_path / "was")
    place.symlink_to(other)
    for read in (run.get_metrics, run.list_parts, run.get_usage, run.get_log):
        try:
            assert "stolen" not in str(read())
        except EspalierError as error:
            assert error.code in ("damaged", "artifact_unsafe", "artifact_missing")
    assert "stolen" not in run.follow(0, 0.0)["log"]


def test_no_record_is_written_that_could_not_be_read(run: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        run.set_tags({"long": "x" * RECORD_BYTES})
    assert caught.value.code == "bad_argument" and "long" not in run.get_tags()
    with pytest.raises(EspalierError):
        replace_record(RunPaths(run.run_dir).meta, {"format": 1, "x": "x" * RECORD_BYTES}, run.run_dir)


def test_depth(tmp_path: Path) -> None:
    """As deep as may be written it can be read, and not one level deeper; brackets in texts are no levels."""
    path = str(tmp_path / "record.json")
    value: Any = "[{" * 500
    for level in range(2, RECORD_DEPTH + 1):
        value = {"a": value} if level % 2 else [value, 1]
    replace_record(path, {"format": 1, "x": value}, str(tmp_path))
    record = read_record(path)
    assert record["x"] == value
    record["x"] = [record["x"]]
    with pytest.raises(EspalierError) as caught:
        replace_record(path, record, str(tmp_path))
    assert caught.value.code == "bad_argument"
    for text in (json.dumps(record), json.dumps(record).encode("utf-16").decode("latin-1")):
        Path(path).write_text(text, encoding="latin-1")
        with pytest.raises(EspalierError, match="nested deeper than 100 levels"):
            read_record(path)


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.write_bytes(b"x" * 100)
    with pytest.raises(OSError, match="the most that are read"):
        read_plain(str(place), limit=99)
    assert len(read_plain(str(place), limit=100)) == 100


def test_a_job_that_leaves_its_state_as_a_folder(experiment: Experiment, ended: Callable[..., Any]) -> None:
    line = 'cd "$ESPALIER_RUN_DIR"; rm status.json; mkdir status.json; touch status.json/x'
    run = experiment.submit(ScriptRunConfig(command=line))
    status = Path(RunPaths(run.run_dir).status)
    deadline = time.monotonic() + 20
    while not (status.is_file() and "Completed" in status.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ended(run)["status"] == "Completed"


def test_a_list_reads_a_part_of_what_is_logged(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many parameters that name one long payload, then a log without an end."""
    monkeypatch.setattr(metrics, "RECORD_BYTES", 1000)
    monkeypatch.setattr(run_rows, "_LOG_BYTES", 1 << 20)
    paths, writer = RunPaths(run.run_dir), "py-1-abcdef01"
    os.makedirs(paths.payloads, exist_ok=True)
    Path(paths.payloads, f"{writer}-0.json").write_text('{"kind":"string","value":"%s"}' % ("x" * 400))
    event = '{"type":"param","seq":0,"time":1,"name":"p%s","payload":"payloads/%s-0.json"}\n'
    filler = '{"type":"other","seq":1,"time":1,"z":"%s"}\n' % ("x" * 1000)
    late = '{"type":"param","seq":0,"time":1,"name":"late","kind":"string","value":"x"}\n'
    Path(paths.event_log(writer)).write_text("".join(event % (n, writer) for n in range(9)) + filler * 3000 + late)
    row = run_rows.summarise(run.run_dir)
    assert list(row["params"]) == ["p0", "p1"] and row["status"] == "Damaged"
