"""End to end with real processes: what goes wrong in jobs, runners, submitters and folders."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters import posix
from espalier.adapters.cgroup import make_cgroup
from espalier.queue import spawn
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.step import step
from espalier.runner.ahead import LONG_SECONDS
from scratch import copy_of

Submit = Callable[..., Run]
Ended = Callable[..., Dict[str, Any]]
Reach = Callable[..., None]


def log_of(run: Run) -> bytes:
    return Path(run.run_dir, "user_logs", "std_log.txt").read_bytes()


def started(run: Run, reach: Reach) -> int:
    """Wait until the job says its process id."""
    reach(lambda: b"\n" in log_of(run) if Path(run.run_dir, "user_logs", "std_log.txt").exists() else False)
    return int(log_of(run).split()[0])


def dead(pid: int) -> bool:
    return posix.process_start(pid) is None


def guardian_of(runner: int) -> int:
    """The runner's parent, which waits for it."""
    parent = int(Path("/proc", str(runner), "stat").read_text().rpartition(")")[2].split()[1])
    assert b"__main__.py" in Path("/proc", str(parent), "cmdline").read_bytes(), "the runner has no guardian"
    return parent


def with_children(pid: int) -> List[int]:
    """A process and its children, those first."""
    children = Path("/proc", str(pid), "task", str(pid), "children")
    return [*map(int, children.read_text().split()), pid] if children.exists() else [pid]


# ---- what jobs do


def test_exit_status(submit: Submit, ended: Ended) -> None:
    details = ended(submit("echo oops; exit 3"))
    assert (details["status"], details["exitCode"], details["signal"]) == ("Failed", 3, None)
    assert details["error"]["code"] == "job_failed" and details["error"]["log_tail"] == ["oops"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_killed_by_a_signal(submit: Submit, ended: Ended, number: int) -> None:
    details = ended(submit(f"kill -{int(number)} $$; sleep 5"))
    assert (details["status"], details["exitCode"], details["signal"]) == ("Failed", None, number)
    assert details["error"]["code"] == "job_killed"


def test_exit_status_when_the_submitter_ignores_its_children(submit: Submit, ended: Ended) -> None:
    """With SIGCHLD ignored the kernel keeps no exit status; that must not reach the runner."""
    old = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        run = submit("exit 3")
        assert ended(run)["exitCode"] == 3
    finally:
        signal.signal(signal.SIGCHLD, old)


def test_a_job_that_never_ends_is_canceled_once(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("echo $$; while :; do sleep 0.05; done")
    pid = started(run, reach)
    assert [run.cancel() for _ in range(3)] == [True] * 3
    assert ended(run)["status"] == "Canceled" and run.cancel() is False and dead(pid)


def test_cancel_against_finish(submit: Submit, ended: Ended) -> None:
    """Whoever wins, state, exit status and error agree."""
    runs = [submit("exit 0") for _ in range(12)]
    threads = [threading.Timer(0.004 * i, run.cancel) for i, run in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread, run in zip(threads, runs):
        thread.join()
        details = ended(run)
        if details["status"] == "Completed":
            assert details["exitCode"] == 0 and details["error"] is None
        else:
            assert details["status"] == "Canceled" and details["error"]["code"] == "canceled"


def test_time_limit(submit: Submit, ended: Ended) -> None:
    details = ended(submit("echo begun; sleep 60", max_run_duration_seconds=0.3))
    assert (details["status"], details["error"]["code"]) == ("Canceled", "timed_out")
    assert 0.3 <= details["durationSeconds"] < 3


def test_output_that_is_no_text(submit: Submit, ended: Ended, capsys: pytest.CaptureFixture[str]) -> None:
    run = submit("printf '\\377\\376\\000\\303'; exit 1")
    details = ended(run)
    assert log_of(run) == b"\xff\xfe\0\xc3" and details["error"]["log_tail"] == ["\ufffd\ufffd\ufffd"]
    run.wait_for_completion(show_output=True, raise_on_error=False)
    assert "\ufffd" in capsys.readouterr().out


def test_fifty_megabytes_of_output(submit: Submit, ended: Ended) -> None:
    run = submit("yes 0123456789012345678901234567890123456789012345678 | head -c 50000000; exit 1")
    details = ended(run)
    assert os.path.getsize(Path(run.run_dir, "user_logs", "std_log.txt")) == 50_000_000
    assert len(details["error"]["log_tail"]) == 20
    seen, size = run.follow(), 0
    while seen["log"]:
        size += len(seen["log"])
        seen = run.follow(seen["offset"])
    assert size == 50_000_000


def test_no_output(submit: Submit, ended: Ended) -> None:
    run = submit(["true"])
    assert ended(run)["status"] == "Completed" and log_of(run) == b""
    assert run.follow()["log"] == "" and run.get_file_names() == ["user_logs/std_log.txt"]


def test_stdout_and_stderr_stay_in_order(submit: Submit, ended: Ended) -> None:
    run = submit("for i in 1 2 3; do echo out $i; echo err $i >&2; done")
    ended(run)
    assert log_of(run) == b"".join(b"out %d\nerr %d\n" % (i, i) for i in (1, 2, 3))


@pytest.mark.parametrize(
    "script",
    [
        "rm -r outputs; mkdir outputs; echo early > outputs/early; echo new > outputs/new",
        "mv outputs o; mkdir outputs; mv o/early outputs; echo new > outputs/new; exit 1",
        "rm -r outputs; mkdir -p outputs/sub; echo new > outputs/new; exit 1",
        "mv outputs old_early; cp -r old_early outputs; mkdir -p outputs; echo new > outputs/new; kill -9 $$",
    ],
)
def test_outputs_made_anew_are_kept(submit: Submit, ended: Ended, script: str, reach: Reach) -> None:
    run = submit(f"echo early > outputs/early; {script}")
    ended(run)
    assert Path(run.run_dir, "outputs", "new").read_text() == "new\n"
    assert ("outputs/early" in run.get_file_names()) == ("early" in script)
    assert not copy_of(run).exists()


def test_outputs_made_anew_are_seen_while_it_runs(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("rm -r outputs; mkdir outputs; echo x > outputs/live; while ! test -e outputs/go; do sleep 0.01; done")
    reach(lambda: "outputs/live" in run.get_file_names())
    (copy_of(run) / "outputs" / "go").touch()
    ended(run)
    assert run.get_file_names() == ["outputs/go", "outputs/live", "user_logs/std_log.txt"]


def test_links_planted_in_outputs(submit: Submit, ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    run = submit(f"ln -s {tmp_path}/secret outputs/link; ln -s / outputs/root; rmdir logs; ln -s {tmp_path} logs; mkfifo outputs/fifo")
    details = ended(run)
    assert details["status"] == "Completed"
    assert run.get_file_names() == ["outputs/fifo", "outputs/link", "outputs/root", "user_logs/std_log.txt"]
    for name in ("outputs/link", f"outputs/root{tmp_path}/secret", "outputs/fifo", "logs/secret"):
        with pytest.raises(EspalierError):
            run.download_file(name, str(tmp_path / "copy"))
    assert any(str(tmp_path) in warning for warning in details["warnings"])
    assert (tmp_path / "secret").exists(), "cleaning up follows no link"


def test_a_working_copy_that_became_a_link(submit: Submit, ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").write_text("x")
    run = submit(f'here=$PWD; cd ..; rm -r "$here"; ln -s {tmp_path}/precious "$here"')
    assert ended(run)["status"] == "Completed"
    assert os.listdir(tmp_path / "precious") == ["data"] and not os.path.lexists(copy_of(run))
    assert run.get_file_names() == ["user_logs/std_log.txt"]


def test_a_job_that_spoils_its_own_records(submit: Submit, ended: Ended, experiment: Experiment) -> None:
    run = submit(
        'cd "$ESPALIER_RUN_DIR"; mkfifo events/a.jsonl; ln -s /dev/zero events/rprelude-1-0.jsonl; '
        'rm -r user_logs; mkfifo user_logs; echo "[" > requests; exit 5'
    )
    assert ended(run)["exitCode"] == 5
    listed = experiment.list_runs().columns
    assert listed["status"] == ["Damaged"] and "a.jsonl" in listed["error"][0]
    assert "The run itself ended as Failed" in listed["error"][0] and run.get_status() == "Failed"
    with pytest.raises(EspalierError) as caught:
        run.get_metrics()
    assert caught.value.code == "damaged"


ARGUMENTS = [
    "", " ", "a b", "a\nb", "'", '"', "\\", "$(touch pwned)", "`touch pwned`", "; touch pwned", "| touch pwned", "&& touch pwned",
    "$HOME", "*", "~", "!", "#", "%s", "--", "-rf", "é😀", "\t", "\r\n", "x" * 100_000, "a\x01b", "<img onerror=x>",
]  # fmt: skip


@pytest.mark.parametrize("how", ["script", "command", "shell"])
def test_arguments_arrive_byte_for_byte(experiment: Experiment, project: Path, ended: Ended, how: str) -> None:
    (project / "a.py").write_text("import os, sys\nopen('outputs/argv', 'wb').write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))\n")
    fields: Dict[str, Any] = {"arguments": ARGUMENTS, "script_params": {"p q": "$(touch pwned)\n'", "flag": ""}}
    if how == "script":
        config = ScriptRunConfig(str(project), "a.py", keep_workdir=True, **fields)
    else:
        command: Any = [sys.executable, "a.py"] if how == "command" else f'exec {sys.executable} a.py "$@"'
        config = ScriptRunConfig(str(project), command=command, keep_workdir=True, **fields)
    run = experiment.submit(config)
    assert ended(run)["status"] == "Completed"
    seen = Path(run.run_dir, "outputs", "argv").read_bytes().split(b"\0")
    assert seen == [os.fsencode(text) for text in [*ARGUMENTS, "--p q", "$(touch pwned)\n'", "--flag"]]
    assert not list(Path(run.run_dir).rglob("pwned")) and not os.path.exists("pwned")


def test_open_files_of_the_session_do_not_reach_the_job(submit: Submit, ended: Ended, tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    secret = os.open(tmp_path / "secret", os.O_CREAT | os.O_RDWR)
    for fd in (write_end, secret):
        os.set_inheritable(fd, True)
    run = submit("ls -l /proc/self/fd /proc/$PPID/fd; sleep 0.1")
    os.close(write_end)
    assert os.read(read_end, 1) == b"" and run.get_status() in ("Queued", "Preparing", "Running"), "nobody holds it"
    ended(run)
    assert str(tmp_path / "secret").encode() not in log_of(run)
    for fd in (read_end, secret):
        os.close(fd)


def test_background_children_are_gone_when_the_run_has_ended(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("sleep 60 & echo $!; (trap '' TERM HUP; sleep 60) & echo $!; exit 0")
    assert ended(run)["status"] == "Completed"
    pids = [int(text) for text in log_of(run).split()]
    reach(lambda: all(map(dead, pids)))


def test_a_canceled_job_leaves_nothing_even_outside_its_group(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("setsid sleep 60 & echo $!; wait")
    pid = started(run, reach)
    run.cancel()
    ended(run)
    reach(lambda: dead(pid))


def test_a_deep_tree_in_the_working_copy(experiment: Experiment, project: Path, ended: Ended) -> None:
    (project / "a.py").write_text("import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')\n")
    run = experiment.submit(ScriptRunConfig(str(project), "a.py"))
    assert ended(run)["status"] == "Completed" and not copy_of(run).exists()
    assert not os.path.exists(Path(run.run_dir, "system_logs", "runner.log"))


def test_durations_do_not_come_from_the_wall_clock(submit: Submit, ended: Ended) -> None:
    """(The clock itself cannot be set here: what is compared is the record against a clock that cannot jump.)"""
    before = time.monotonic()
    details = ended(submit("sleep 0.2"))
    assert 0.2 <= details["durationSeconds"] <= time.monotonic() - before


# ---- what happens to runners


def test_a_killed_runner_takes_its_job_with_it(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("echo $$; sleep 60 & wait")
    pid = started(run, reach)
    os.kill(run._status()["pid"], signal.SIGKILL)
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "runner_lost")
    assert details["error"]["log_tail"] == [str(pid)]
    reach(lambda: dead(pid))
    assert os.listdir(queue_paths().leases) == []


def test_a_job_without_environment_dies_with_its_runner(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("echo $$; exec env -i /bin/sleep 60")
    pid = started(run, reach)
    reach(lambda: Path("/proc", str(pid), "environ").read_bytes() == b"")
    os.kill(run._status()["pid"], signal.SIGKILL)
    assert ended(run)["error"]["code"] == "runner_lost"
    reach(lambda: dead(pid))


HIDDEN = "env -i setsid sh -c 'echo $$; exec sleep 60' & "


def aged(run: Run, reach: Reach, seconds: float = 0.5) -> List[int]:
    """The two numbers that a job and its child say, once the job is old enough to have a control group."""
    reach(lambda: len(log_of(run).split()) == 2 if Path(run.run_dir, "user_logs", "std_log.txt").exists() else False)
    time.sleep(seconds)
    return [int(text) for text in log_of(run).split()]


@pytest.mark.parametrize("seconds", [0, 0.5], ids=["at once", "later"])
def test_a_job_that_hides_ends_with_its_run(submit: Submit, ended: Ended, reach: Reach, seconds: float, tmp_path: Path) -> None:
    """No environment, a session of its own, and its parent gone: the sub-reaper knows it."""
    hides = tmp_path / "hides"  # before that the job does not end: what is gone too early says no number
    child = f"env -i setsid sh -c 'echo $$; : > {hides}; exec sleep 60' & "
    run = submit(f"{child} echo $$; until test -e {hides}; do sleep 0.01; done; sleep {seconds}")
    assert ended(run)["status"] == "Completed"
    assert all(map(dead, aged(run, reach, 0)))


def test_a_job_that_hides_is_canceled(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit(f"{HIDDEN} echo $$; sleep 60")
    pids = aged(run, reach, 0)
    run.cancel()
    assert ended(run)["status"] == "Canceled" and all(map(dead, pids))


def needs_control_groups() -> None:
    group = make_cgroup("probe_1_00000000")
    if group is None:
        pytest.skip("no control group can be made here")
    group.remove()


@pytest.mark.parametrize("also_guardian", [False, True])
def test_a_job_that_hides_dies_with_its_runner(submit: Submit, workspace: Workspace, reach: Reach, also_guardian: bool) -> None:
    needs_control_groups()
    run = submit(f"{HIDDEN} echo $$; sleep 60")
    pids = aged(run, reach)
    runner = run._status()["pid"]
    for victim in ([guardian_of(runner)] if also_guardian else []) + [runner]:
        os.kill(victim, signal.SIGKILL)
    reach(lambda: workspace.runs.list().columns["status"] == ["Failed"])
    assert run.get_details()["error"]["code"] == "runner_lost"
    reach(lambda: all(map(dead, pids)))


def test_a_run_that_a_job_started_outlives_it(submit: Submit, ended: Ended, workspace: Workspace, reach: Reach, tmp_path: Path) -> None:
    """Looking at runs moves the queue on, also inside a job: the runner it starts is no part of the job."""
    source = Path(sys.modules["espalier"].__file__ or "").parents[1]
    code = (
        f"import sys, time; sys.path.insert(0, {str(source)!r}); time.sleep(0.5)\n"
        "from espalier import *\n"
        f"run = Experiment(Workspace({workspace.path!r}), 'inner').submit(ScriptRunConfig(command='sleep 1; echo inner'))\n"
        "while run.get_status() != 'Running': time.sleep(0.01)\n"
        "print(run.id)\n"
    )
    (tmp_path / "outer.py").write_text(code)
    state = {"ESPALIER_STATE_DIR": os.environ["ESPALIER_STATE_DIR"]}
    outer = submit([sys.executable, str(tmp_path / "outer.py")], environment_variables=state)
    assert ended(outer)["status"] == "Completed"
    inner = workspace.runs.get(log_of(outer).decode().strip())
    assert inner.get_status() == "Running"
    assert ended(inner)["status"] == "Completed" and log_of(inner) == b"inner\n"


def test_a_killed_runner_does_not_stop_the_queue(submit: Submit, ended: Ended, reach: Reach) -> None:
    set_capacity(queue_paths(), cpus=1)
    first, second = submit("echo $$; sleep 60"), submit("true")
    started(first, reach)
    os.kill(first._status()["pid"], signal.SIGKILL)
    reach(lambda: Path(second.run_dir, "user_logs").exists())  # nobody looked
    assert ended(second)["status"] == "Completed" and first.get_status() == "Failed"


def test_runner_and_guardian_killed(submit: Submit, workspace: Workspace, reach: Reach, tmp_path: Path) -> None:
    count = tmp_path / "count"
    run = submit(f"echo $$; echo x >> {count}; sleep 60")
    pid = started(run, reach)
    runner = run._status()["pid"]
    for victim in (guardian_of(runner), runner):
        os.kill(victim, signal.SIGKILL)
    reach(lambda: dead(runner))
    assert run._status()["state"] == "Running", "nobody is left to say otherwise"
    assert workspace.runs.list().columns["status"] == ["Failed"]
    assert run.get_details()["error"]["code"] == "runner_lost"
    reach(lambda: dead(pid))
    workspace.runs.list()
    assert count.read_text() == "x\n", "never run again by itself"


def test_runner_and_guardian_killed_while_somebody_waits(submit: Submit, reach: Reach) -> None:
    run = submit("echo $$; sleep 60")
    started(run, reach)
    runner = run._status()["pid"]
    for victim in (guardian_of(runner), runner):
        os.kill(victim, signal.SIGKILL)
    with pytest.raises(EspalierError, match="process that ran this job was killed"):
        run.wait_for_completion()


def test_guardian_killed_alone(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("echo $$; sleep 0.2; exit 3")
    started(run, reach)
    os.kill(guardian_of(run._status()["pid"]), signal.SIGKILL)
    assert ended(run)["exitCode"] == 3


def test_job_killed_alone(submit: Submit, ended: Ended, reach: Reach) -> None:
    run = submit("echo $$; sleep 60")
    os.kill(started(run, reach), signal.SIGKILL)
    assert (ended(run)["signal"], run.get_status()) == (9, "Failed")


def test_a_stopped_runner_is_not_dead(submit: Submit, ended: Ended, reach: Reach, workspace: Workspace) -> None:
    run = submit("echo $$; sleep 0.2")
    started(run, reach)
    runner = run._status()["pid"]
    os.kill(runner, signal.SIGSTOP)
    time.sleep(0.3)
    assert workspace.runs.list().columns["status"] == ["Running"]
    os.kill(runner, signal.SIGCONT)
    assert ended(run)["status"] == "Completed"


def test_a_runner_killed_while_it_prepares(submit: Submit, ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reach: Reach) -> None:
    """Stopped at every early moment, then killed: the run goes back to the queue and executes once."""
    count = tmp_path / "count"
    killed = 0
    from espalier.queue import spawn as module

    for pause in (0.0, 0.01, 0.02, 0.03, 0.05):
        run = submit(f"echo x >> {count}")
        time.sleep(pause)
        runner = max(module._children, default=0)
        for pid in with_children(runner) if runner else []:
            os.kill(pid, signal.SIGKILL)
        reach(lambda runner=runner: dead(runner))
        killed += run.get_status() in ("Queued", "Preparing")
        before = len(count.read_text()) if count.exists() else 0
        step()
        details = ended(run)
        lost = details["status"] == "Failed" and details["error"]["code"] == "runner_lost"
        assert details["status"] == "Completed" or (lost and before <= len(count.read_text() if count.exists() else "")), details
    assert killed >= 1, "no runner was hit early enough"
    assert len(count.read_text().split()) <= 5, "none ran twice"


# ---- what happens to submitters

SUBMITTER = """
import os, sys
from espalier import Experiment, ScriptRunConfig, Workspace
from espalier.jobs import commit
folder, mark, at = sys.argv[1:]

def deadly(name, before):
    function = getattr(commit, name)
    def wrapped(*args, **fields):
        if not before:
            function(*args, **fields)
        os.kill(os.getpid(), 9)
    setattr(commit, name, wrapped)

name, _, when = at.partition(":")
if name:
    deadly(name, when == "before")
run = Experiment(Workspace(folder), "exp").submit(ScriptRunConfig(command=f"echo x >> {mark}"))
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    "at,exists",
    [
        ("build_folder:before", False), ("build_folder:after", False), ("add_ticket:after", False),
        ("place_folder:after", True), ("step_locked:before", True), ("step_locked:after", True), (":", True),
    ],
)  # fmt: skip
def test_a_submitter_killed(at: str, exists: bool, workspace: Workspace, tmp_path: Path, ended: Ended) -> None:
    mark = tmp_path / "mark"
    done = subprocess.run([sys.executable, "-c", SUBMITTER, workspace.path, str(mark), at], stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (-9, b"")
    frame = workspace.runs.list()
    assert len(frame) == int(exists)
    if exists:
        assert ended(workspace.runs.get(frame.columns["run_id"][0]))["status"] == "Completed"
    workspace.runs.list()
    assert (mark.read_text() if mark.exists() else "") == "x\n" * exists
    assert os.listdir(queue_paths().tickets) == os.listdir(queue_paths().leases) == []


def test_the_session_may_go_with_its_whole_group(workspace: Workspace, tmp_path: Path, ended: Ended) -> None:
    code = SUBMITTER.replace("echo x >> {mark}", "sleep 0.3; echo x >> {mark}").replace("os.getpid(), 9)\n", "0, 9)\n")
    argv = [sys.executable, "-c", code, workspace.path, str(tmp_path / "mark"), ":"]
    subprocess.run(argv, start_new_session=True)
    assert ended(workspace.runs.get("latest"))["status"] == "Completed" and (tmp_path / "mark").exists()


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_a_session_without_stdin(workspace: Workspace, tmp_path: Path, ended: Ended, closed: str) -> None:
    """Then the first file opened, the lease, has the number 0."""
    mark = tmp_path / "mark"
    line = f'exec "$0" -c "$1" "$2" "$3" : {closed}'
    subprocess.run(["/bin/sh", "-c", line, sys.executable, SUBMITTER, workspace.path, str(mark)])
    assert ended(workspace.runs.get("latest"))["status"] == "Completed" and mark.read_text() == "x\n"


CROWD = """
import sys
from espalier import Experiment, ScriptRunConfig, Workspace
experiment = Experiment(Workspace.open("ws", sys.argv[1]), "exp")
for number in range(50):
    experiment.submit(ScriptRunConfig(command=[sys.argv[3], sys.argv[2], f"{sys.argv[4]}{number}"]))
"""


def test_two_sessions_submit_fifty_runs_each(home: Path, ended: Ended) -> None:
    count = home / "count"
    tool = home / "tool"
    tool.write_text('#!/bin/sh\necho "$2" >> "$1"\n')
    tool.chmod(0o755)
    argv = [sys.executable, "-c", CROWD, str(home), str(count), str(tool)]
    sessions = [subprocess.Popen([*argv, name]) for name in "ab"]
    assert [session.wait(60) for session in sessions] == [0, 0]
    workspace = Workspace.get("ws", str(home))
    frame = workspace.runs.list()
    assert len(frame) == 100
    for run_id in frame.columns["run_id"]:
        assert ended(workspace.runs.get(run_id), 60)["status"] == "Completed"
    assert sorted(count.read_text().split()) == sorted(f"{name}{number}" for name in "ab" for number in range(50))
    assert workspace.get_details()["id"] == workspace.runs.get("latest")._spec().workspace_id


# ---- what happens to folders


def test_state_folder_deleted_while_runs_wait(submit: Submit, ended: Ended, workspace: Workspace, tmp_path: Path, reach: Reach) -> None:
    set_capacity(queue_paths(), cpus=1)
    count = tmp_path / "count"
    first = submit(f"echo $$; echo x >> {count}; sleep 0.3")
    waiting = [submit(f"echo x >> {count}") for _ in range(3)]
    started(first, reach)
    shutil.rmtree(queue_paths().root)
    assert len(workspace.runs.list()) == 4
    for run in [first, *waiting]:
        assert ended(run)["status"] == "Completed"
    assert count.read_text() == "x\n" * 4


def test_state_folder_deleted_while_a_run_starts(submit: Submit, ended: Ended, workspace: Workspace, tmp_path: Path) -> None:
    count = tmp_path / "count"
    runs: List[Run] = []
    for pause in (0.0, 0.01, 0.02, 0.04):
        runs.append(submit(f"echo x >> {count}; sleep 0.1"))
        time.sleep(pause)
        shutil.rmtree(queue_paths().root, ignore_errors=True)
        workspace.runs.list()
    for run in runs:
        assert ended(run)["status"] == "Completed"
    workspace.runs.list()
    assert count.read_text() == "x\n" * 4


def test_run_folder_deleted_while_it_runs(submit: Submit, ended: Ended, workspace: Workspace, reach: Reach, tmp_path: Path) -> None:
    set_capacity(queue_paths(), cpus=1)
    gone, other = submit("echo $$; sleep 0.3"), submit("true")
    started(gone, reach)
    os.rename(gone.run_dir, tmp_path / "trash")  # (its runner may be writing there at this moment)
    while (tmp_path / "trash").exists():
        shutil.rmtree(tmp_path / "trash", ignore_errors=True)
    assert ended(other)["status"] == "Completed", "the queue goes on"
    assert workspace.runs.list().columns["run_id"] == [other.id]
    assert not os.path.exists(gone.run_dir), "nothing is written where the run was"


def test_workspace_deleted_while_runs_wait(submit: Submit, workspace: Workspace, experiment: Experiment, home: Path, ended: Ended, reach: Reach) -> None:
    set_capacity(queue_paths(), cpus=1)
    first = submit("echo $$; sleep 0.3")
    submit("true")
    started(first, reach)
    shutil.rmtree(workspace.path, ignore_errors=True)
    for call in (workspace.runs.list, lambda: experiment.submit({"command": "true"})):
        with pytest.raises(EspalierError) as caught:
            call()
        assert caught.value.code == "workspace_missing"
    elsewhere = Experiment(Workspace.create("other", str(home)), "exp").submit({"command": "true"})
    assert ended(elsewhere)["status"] == "Completed", "the queue serves other workspaces"


def test_newer_workspace_while_runs_wait(submit: Submit, workspace: Workspace, ended: Ended) -> None:
    """An upgrade in another session: what is queued still runs, what is asked is refused."""
    run = submit("sleep 0.1")
    Path(workspace.path, "workspace.json").write_text('{"format": 2}')
    with pytest.raises(EspalierError) as caught:
        workspace.runs.list()
    assert caught.value.code == "newer_format"
    assert ended(run)["status"] == "Completed"


@pytest.mark.parametrize("code,state", [(0, "Completed"), (3, "Failed")])
def test_an_upgrade_in_place_under_a_long_job(
    experiment: Experiment, project: Path, home: Path, reach: Reach, monkeypatch: pytest.MonkeyPatch, code: int, state: str
) -> None:
    """Each file of the old version is replaced. A job that had ended well failed, and what it had written was lost."""
    core, gate = home / "installed" / "espalier", home / "gate"
    shutil.copytree(Path(spawn.RUNNER).parents[1], core, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "a.sh").write_text(f"echo $$; while [ -e {gate} ]; do sleep 0.05; done; echo new > new; echo o > outputs/o; exit {code}")
    gate.touch()
    with monkeypatch.context() as patch:
        patch.setattr(spawn, "RUNNER", str(core / "runner" / "__main__.py"))
        run = experiment.submit(ScriptRunConfig(str(project), "a.sh"))
    started(run, reach)
    time.sleep(LONG_SECONDS + 2)  # (and it looks once a second)
    for path in core.rglob("*.py"):
        path.write_text("raise ImportError('another version')")
    gate.unlink()
    reach(lambda: not os.listdir(queue_paths().leases))  # by its runner, because no session asks for the run
    details = run.get_details()
    assert (details["status"], details["exitCode"], details["warnings"]) == (state, code, [])
    assert {"outputs/o", "workdir/new"} <= set(run.get_file_names()) and not copy_of(run).exists()


@pytest.mark.parametrize("name", ["spec.json", "env.json"])
def test_damaged_while_it_waits(submit: Submit, ended: Ended, workspace: Workspace, name: str) -> None:
    set_capacity(queue_paths(), cpus=1)
    first, damaged, last = submit("sleep 0.2"), submit("true"), submit("true")
    Path(damaged.run_dir, name).write_text("{")
    assert ended(first)["status"] == ended(last)["status"] == "Completed"
    details = damaged._status()
    assert details["state"] == "Failed" and details["error"]["code"] == "prepare_failed"
    assert len(workspace.runs.list()) == 3


def test_snapshots_are_whole_or_refused(experiment: Experiment, project: Path, ended: Ended, workspace: Workspace) -> None:
    (project / "a.sh").write_text("sha256sum data | cut -c1-64")
    data = os.urandom(2_000_000)
    (project / "data").write_bytes(data)
    run = experiment.submit(ScriptRunConfig(str(project), "a.sh"))
    ended(run)
    assert log_of(run).decode().strip() == hashlib.sha256(data).hexdigest()
