"""Jobs that leave their folder in a state nobody expects, and what must survive all the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import Experiment, ScriptRunConfig, Workspace
from espalier.base.errors import DamageWarning, EspalierError
from espalier.base.paths import RunPaths


def run_command(experiment: Experiment, command: str, **fields: Any) -> Any:
    run = experiment.submit(ScriptRunConfig(command=command, **fields))
    return run, run.wait_for_completion(raise_on_error=False)


def test_a_link_in_place_of_the_working_copy_is_not_followed(experiment: Experiment, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "precious").write_text("x")
    _, details = run_command(experiment, f'w="$PWD"; cd /; rm -rf "$w"; ln -s {data} "$w"')
    assert details["status"] == "Completed"
    assert (data / "precious").read_text() == "x"


@pytest.mark.parametrize(
    "mess",
    [
        'w="$PWD"; cd /; rm -rf "$w"; echo x > "$w"',
        'mkdir -p "$ESPALIER_RUN_DIR/events/x.jsonl"',
        'mkdir -p "$ESPALIER_RUN_DIR/events/rprelude-x.jsonl"',
        'mkfifo "$ESPALIER_RUN_DIR/events/x.jsonl"',
        'mkfifo "$ESPALIER_RUN_DIR/events/rprelude-x.jsonl"',
        'ln -s /dev/zero "$ESPALIER_RUN_DIR/events/x.jsonl"',
        'rm -rf "$ESPALIER_RUN_DIR/events" "$ESPALIER_RUN_DIR/outputs"',
    ],
)
def test_the_real_exit_status_is_kept(experiment: Experiment, mess: str) -> None:
    run, details = run_command(experiment, mess + "; exit 7")
    assert (details["status"], details["exitCode"]) == ("Failed", 7)
    assert run.id in experiment.list_runs().columns["run_id"]


def test_an_event_with_an_impossible_time_is_damage_of_its_run_alone(experiment: Experiment) -> None:
    line = '{"type":"metric","seq":0,"time":' + "9" * 400 + ',"name":"a","kind":"double","value":1}'
    run, _ = run_command(experiment, f"echo '{line}' > \"$ESPALIER_RUN_DIR/events/x.jsonl\"")
    run_command(experiment, "true")
    assert len(experiment.list_runs()) == 2
    with pytest.warns(DamageWarning, match="x.jsonl is damaged at line 1"):
        assert run.get_metrics() == {}


def test_a_damaged_status_does_not_jam_the_queue(experiment: Experiment, ended: Callable[..., Any]) -> None:
    run = experiment.submit(ScriptRunConfig(command="sleep 30"))
    while run.get_status() != "Running":
        time.sleep(0.01)
    paths = RunPaths(run.run_dir)
    text = Path(paths.status).read_text().replace('"attempt": 1', '"attempt": "many"').replace('"started_at"', '"x"')
    pid = int(text.split('"pid": ')[1].split(",")[0])
    Path(paths.status).write_text(text)
    os.kill(pid, signal.SIGKILL)
    assert ended(experiment.submit(ScriptRunConfig(command="true")))["status"] == "Completed"


def test_a_record_edited_in_place_is_noticed(experiment: Experiment) -> None:
    run, _ = run_command(experiment, "true")
    assert experiment.list_runs().columns["status"] == ["Completed"]
    time.sleep(2.1)  # the shard is not suspect any more
    experiment.list_runs()
    Path(RunPaths(run.run_dir).status).write_text("garbage")
    experiment.workspace.runs.get(run.id)  # (a list looks at no ended run)
    assert experiment.list_runs().columns["status"] == ["Damaged"]


def test_cancel_never_signals_a_session(experiment: Experiment) -> None:
    run = experiment.start_logging()
    with pytest.raises(EspalierError) as caught:
        run.cancel()
    assert caught.value.code == "run_not_active"
    run.complete()


def test_cancel_reaches_processes_that_left_the_group(experiment: Experiment, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    run = experiment.submit(ScriptRunConfig(command=f"setsid sh -c 'echo $$ > {note}; exec sleep 60' & sleep 60"))
    while not (note.exists() and note.read_text().strip()):
        time.sleep(0.01)
    run.cancel()
    run.wait_for_completion()
    stray = int(note.read_text())
    for _ in range(500):
        try:
            state = Path(f"/proc/{stray}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    pytest.fail("it outlived the cancel")


def test_a_relative_state_folder_is_the_submitters(tmp_path: Path) -> None:
    code = (
        "from espalier import *\n"
        "e = Experiment(Workspace.open('w', 'ws'), 'e')\n"
        "runs = [e.submit(ScriptRunConfig(command='true')) for _ in range(5)]\n"
        "[run.wait_for_completion() for run in runs]\n"
    )
    env = {**os.environ, "ESPALIER_STATE_DIR": "state", "ESPALIER_CACHE_DIR": "cache"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, timeout=30)
    assert (tmp_path / "state" / "queue").is_dir()
    assert not os.path.exists("/state/queue")


def test_inputs(experiment: Experiment, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1\n")
    _, kept = run_command(experiment, 'cat "$ESPALIER_INPUT_DATA"', inputs={"data": str(data)})
    assert kept["warnings"] == []
    mess = 'chmod -R u+w "$PWD/../.job/inputs"; echo 2 >> "$ESPALIER_INPUT_DATA"; mkfifo "${ESPALIER_INPUT_DATA%.csv}"'
    _, changed = run_command(experiment, mess, inputs={"data": str(data)})
    assert changed["status"] == "Completed" and "private copy" in changed["warnings"][0]
    assert data.read_text() == "1\n" and len(changed["warnings"]) == 1
    _, changed = run_command(experiment, f"echo 2 >> {data}", inputs={"data": str(data)})
    assert len(changed["warnings"]) == 1 and "between submit and the end" in changed["warnings"][0]
    with pytest.raises(EspalierError) as caught:
        run_command(experiment, "true", inputs={"x-y": str(data), "X.y": str(data)})
    assert caught.value.code == "bad_name"


def test_two_writers_of_tags_lose_nothing(workspace: Workspace, experiment: Experiment) -> None:
    run, _ = run_command(experiment, "true")
    code = (
        "import sys; from espalier import Run\n"
        "run = Run(sys.argv[1], sys.argv[2])\n"
        "[run.set_tags({f'{sys.argv[3]}{i}': 'x'}) for i in range(50)]\n"
    )
    commands = [[sys.executable, "-c", code, workspace.path, run.id, name] for name in "ab"]
    for process in [subprocess.Popen(command) for command in commands]:
        assert process.wait(30) == 0
    assert len(run.get_tags()) == 100


@pytest.mark.parametrize("put", ['mkfifo "$f"', 'ln -s /dev/zero "$f"'])
def test_a_spoilt_store_stops_no_end_of_a_run(experiment: Experiment, tmp_path: Path, put: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    spoil = f'find "$ESPALIER_WORKSPACE/snapshots" -type f | while read -r f; do rm -f "$f"; {put}; done'
    config = ScriptRunConfig(source_directory=str(source), command=f"{spoil}; echo b > a.txt; echo c > outputs/c")
    run = experiment.submit(config)
    assert run.wait_for_completion()["status"] == "Completed"
    assert "outputs/c" in run.get_file_names()
    again = experiment.submit(config)  # what the store lost is stored again
    assert again.wait_for_completion()["status"] == "Completed"
