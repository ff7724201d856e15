import errno
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, Callable, List

import pytest
from defined import defined
from espalier import EspalierError, Host, Run, Workspace
from espalier.adapters import posix
from espalier.adapters.homes import scratch_folder
from espalier.base.paths import RunPaths
from espalier.queue import spawn as spawn_module
from espalier.queue import step as stepping
from espalier.queue.capacity import set_capacity
from espalier.queue.home import allocator, queue_paths
from espalier.queue.spawn import interpreter
from espalier.queue.step import step
from espalier.queue.tickets import add_ticket
from scratch import give_scratch

Submit = Callable[..., Run]


@pytest.fixture
def one_slot(home: Path) -> None:
    set_capacity(queue_paths(), cpus=1)


@pytest.fixture
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that ends before it does anything."""
    monkeypatch.setattr(spawn_module, "interpreter", lambda: "/bin/false")


def test_order_and_limit(one_slot: None, submit: Submit, ended: Any, reach: Any, tmp_path: Path) -> None:
    order = tmp_path / "order"
    runs = [submit(f"echo {number} >> {order}; sleep 0.1") for number in range(4)]
    reach(runs[0], "Running", "Completed")
    assert [run.get_status() for run in runs[1:]] == ["Queued"] * 3
    assert [run.get_detailed_status()["position"] for run in runs[1:]] == [1, 2, 3]
    for run in runs:
        ended(run)
    assert order.read_text() == "0\n1\n2\n3\n"
    spans = [(run.get_details()["startTimeUtc"], run.get_details()["endTimeUtc"]) for run in runs]
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:])), "one at a time"
    reach(lambda: os.listdir(queue_paths().leases) == os.listdir(queue_paths().tickets) == [])


def test_nobody_needs_to_look(one_slot: None, submit: Submit, tmp_path: Path, reach: Any) -> None:
    """A finishing runner starts the next run by itself."""
    marks = [tmp_path / str(number) for number in range(3)]
    for mark in marks:
        submit(f"touch {mark}")
    reach(lambda: all(mark.exists() for mark in marks))


def test_raising_the_limit_starts_runs(one_slot: None, submit: Submit, reach: Any) -> None:
    first, second = submit("sleep 30"), submit("sleep 30")
    reach(first, "Running")
    assert second.get_status() == "Queued"
    Host.resources(cpus=2)
    reach(second, "Running")


def test_a_runner_that_cannot_work_is_not_tried_for_ever(no_runner: None, submit: Submit, reach: Any) -> None:
    run = submit("true")
    reach(lambda: step() or run.get_status() == "Failed")
    error = run.get_details()["error"]
    assert error["code"] == "prepare_failed" and "3 times" in error["message"]
    assert run._status()["runners"] == 3
    assert os.listdir(queue_paths().leases) == os.listdir(queue_paths().tickets) == []


def test_what_a_broken_runner_said_is_in_the_error(submit: Submit, reach: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho libpython is gone\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setattr(spawn_module, "interpreter", lambda: str(broken))
    run = submit("true")
    reach(lambda: step() or run.get_status() == "Failed")
    assert "libpython is gone" in run.get_details()["error"]["log_tail"]


def test_a_runner_that_cannot_be_started(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn_module, "interpreter", lambda: "/nowhere/python")
    run = submit("true")
    assert run.get_status() == "Failed"
    assert run.get_details()["error"]["code"] == "start_failed"
    assert os.listdir(queue_paths().leases) == []


def test_preparing_without_a_runner_goes_back_to_the_queue(
    submit: Submit, ended: Any, reach: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    with monkeypatch.context() as patch:
        patch.setattr(spawn_module, "interpreter", lambda: "/bin/false")
        run = submit(f"echo x >> {count}")
        reach(lambda: not posix.process_start(max(spawn_module._children, default=0)))
    status = Path(run.run_dir, "status.json")
    record = json.loads(status.read_text())
    status.write_text(json.dumps({**record, "state": "Preparing"}))
    give_scratch(RunPaths(run.run_dir), scratch_folder())
    os.makedirs(Path(run.run_dir, ".job", "python"))
    step()
    assert ended(run)["status"] == "Completed"
    assert count.read_text() == "x\n" and run._status()["runners"] == 2


def test_queued_again_it_has_one_ticket(one_slot: None, submit: Submit, reach: Any) -> None:
    blocker, run = submit("sleep 30"), submit("true")
    reach(blocker, "Running")
    Path(queue_paths().lease(run.id)).write_text(json.dumps({"run_id": run.id, "run_dir": run.run_dir}))
    step()
    assert len(os.listdir(queue_paths().tickets)) == 1 and os.listdir(queue_paths().leases) == [f"{blocker.id}.json"]


def test_two_tickets_of_a_run_execute_it_once(submit: Submit, ended: Any, tmp_path: Path, one_slot: None, reach: Any) -> None:
    """Killed between the new ticket and the removal of the dead lease, the step leaves a run with both."""
    count = tmp_path / "count"
    first, run = submit("sleep 0.2"), submit(f"echo x >> {count}; sleep 0.2")
    with allocator(queue_paths()):
        for _ in range(3):
            add_ticket(queue_paths(), run.run_dir, defined())
    set_capacity(queue_paths(), cpus=4)
    step()
    for one in (first, run):
        assert ended(one)["status"] == "Completed"
    reach(lambda: step() or not os.listdir(queue_paths().tickets))
    assert count.read_text() == "x\n"


def test_two_queues_that_know_a_run_execute_it_once(
    submit: Submit, ended: Any, tmp_path: Path, one_slot: None, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    """A session with another state folder finds the run queued and nowhere in its own queue."""
    count = tmp_path / "count"
    blocker, run = submit("sleep 0.3"), submit(f"echo x >> {count}; sleep 0.3")
    with monkeypatch.context() as patch:
        patch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "other-state"))
        for _ in range(5):
            workspace.runs.list()
    for one in (blocker, run):
        assert ended(one)["status"] == "Completed"
    blocker.get_details()
    step()
    assert count.read_text() == "x\n"


def test_what_lies_in_the_way_of_a_run_s_log_does_not_stop_the_queue(
    one_slot: None, submit: Submit, ended: Any, tmp_path: Path, reach: Any
) -> None:
    first, stuck, last = submit("sleep 0.3"), submit("true"), submit("true")
    shutil.rmtree(Path(stuck.run_dir, "system_logs"), ignore_errors=True)
    Path(stuck.run_dir, "system_logs").write_text("in the way")
    for run in (first, stuck, last):
        assert ended(run)["status"] == "Completed"
    assert "system_logs in the run's folder" in stuck.get_details()["warnings"][0]


def test_one_run_that_cannot_be_started_does_not_stop_the_queue(
    submit: Submit, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stepping.spawn_runner

    def refuse_second(run: RunPaths, lease: int) -> None:
        tried.append(run.root)
        if len(tried) == 2:
            raise PermissionError(13, "no")
        real(run, lease)

    tried: List[str] = []
    monkeypatch.setattr(stepping, "spawn_runner", refuse_second)
    first, stuck, last = submit("true"), submit("true"), submit("true")
    for run in (first, last):
        assert ended(run)["status"] == "Completed"
    assert stuck.get_details()["error"]["code"] == "start_failed"


def test_tickets_of_deleted_and_damaged_runs_are_dropped(one_slot: None, submit: Submit, ended: Any) -> None:
    first, gone, damaged, last = (submit("sleep 0.2") for _ in range(4))
    shutil.rmtree(gone.run_dir)
    Path(damaged.run_dir, "status.json").write_text("{")
    for run in (first, last):
        assert ended(run)["status"] == "Completed"
    step()
    assert os.listdir(queue_paths().tickets) == []


def test_runners_leave_no_zombies(submit: Submit, ended: Any, reach: Any) -> None:
    runs = [submit("true") for _ in range(3)]
    for run in runs:
        ended(run)
    children = list(spawn_module._children)
    reach(lambda: all(posix.process_start(pid) is None for pid in children))
    ended(submit("true"))
    assert not set(children) & set(spawn_module._children)


def test_interpreter_is_a_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.path.basename(interpreter()).startswith("python")
    monkeypatch.setattr("sys.executable", "/usr/lib/R/bin/exec/R")
    monkeypatch.setattr("sys._base_executable", "/usr/lib/R/bin/exec/R", raising=False)
    found = interpreter()
    assert os.path.basename(found).startswith("python") and os.access(found, os.X_OK), "R that holds a Python is none"


def test_step_is_cheap_and_harmless_when_nothing_waits(home: Path) -> None:
    for _ in range(20):
        step()
    assert os.listdir(queue_paths().leases) == []


def test_a_lease_of_a_finished_run(submit: Submit, ended: Any) -> None:
    """The runner was killed after the final state and before it released its lease."""
    run = submit("true")
    ended(run)
    with allocator(queue_paths()):  # its own runner, which may be at its last step, would take the lease for a dead one
        Path(queue_paths().lease(run.id)).write_text(json.dumps({"run_id": run.id, "run_dir": run.run_dir}))
        scratch = give_scratch(RunPaths(run.run_dir), scratch_folder())
    step()
    assert run.get_status() == "Completed"
    assert not os.path.exists(scratch.root) and os.listdir(queue_paths().leases) == []


@pytest.mark.parametrize(
    ("error", "settled"),
    [
        (RecursionError(), False), (EspalierError("internal", "x"), False), (OSError(errno.ENOSPC, "full"), False),
        (EspalierError("damaged", "x"), True), (EspalierError("newer_format", "x"), True), (FileNotFoundError(), True),
    ],
)  # fmt: skip
def test_a_run_whose_end_cannot_be_written_keeps_its_lease(
    submit: Submit, ended: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, settled: bool
) -> None:
    """Else it would run for ever: nothing would come back to it."""
    run = submit("true")
    ended(run)

    def settle_left(*given: Any) -> bool:
        raise error

    monkeypatch.setattr("espalier.queue.ends.settle_left", settle_left)
    Path(RunPaths(run.run_dir).work).mkdir(exist_ok=True)  # (what is left to be done)
    lease = Path(queue_paths().lease(run.id))
    with allocator(queue_paths()):
        lease.write_text(json.dumps({"run_id": run.id, "run_dir": run.run_dir}))
    step()
    assert lease.exists() != settled


def test_signals_of_the_submitter_do_not_reach_the_job(submit: Submit, ended: Any) -> None:
    """What a session ignores or blocks is its own: jobs start with the defaults."""
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        run = submit("grep -E 'Sig(Blk|Ign)' /proc/self/status")
    finally:
        signal.signal(signal.SIGUSR1, old)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    ended(run)
    # (glibc ignores its own two, 32 and 33, in whatever it spawns)
    values = [int(line.split()[1], 16) & 0x7FFFFFFF for line in Path(run.run_dir, "user_logs/std_log.txt").read_text().splitlines()]
    assert values == [0, 0]


# ---- what runs need


def test_a_run_takes_as_many_processors_as_it_asks_for(submit: Submit, reach: Any) -> None:
    set_capacity(queue_paths(), cpus=4)
    large, other, small = submit("sleep 30", cpus=3), submit("sleep 30", cpus=2), submit("sleep 30")
    reach(large, "Running")
    assert [other.get_status(), small.get_status()] == ["Queued", "Queued"], "the head keeps what is free"
    large.cancel()
    reach(other, "Running")
    reach(small, "Running")


def test_a_large_run_does_not_starve(submit: Submit, ended: Any) -> None:
    set_capacity(queue_paths(), cpus=2)
    small = [submit("sleep 0.2")]
    large = submit("true", cpus=2)
    small += [submit("sleep 0.2") for _ in range(4)]
    for run in [large, *small]:
        assert ended(run)["status"] == "Completed"
    assert all(large.get_details()["endTimeUtc"] <= run.get_details()["startTimeUtc"] for run in small[1:])


def test_who_needs_something_else_may_go_before(submit: Submit, reach: Any) -> None:
    set_capacity(queue_paths(), cpus=3, gpus=["0"])
    first, second, plain = submit("sleep 30", gpus=1), submit("sleep 30", gpus=1), submit("sleep 30")
    reach(first, "Running")
    reach(plain, "Running")
    assert second.get_status() == "Queued"


def test_memory_is_kept_account_of(submit: Submit, reach: Any) -> None:
    set_capacity(queue_paths(), cpus=4, memory=1000)
    first, second = submit("sleep 30", memory=600), submit("sleep 30", memory="600")
    reach(first, "Running")
    assert second.get_status() == "Queued"
    first.cancel()
    reach(second, "Running")


def test_no_gpu_is_handed_out_twice(submit: Submit, ended: Any) -> None:
    set_capacity(queue_paths(), cpus=8, gpus=["0", "1", "GPU-7"])
    runs = [submit('echo "$CUDA_VISIBLE_DEVICES"; sleep 0.3', gpus=count) for count in (2, 1)]
    later = submit('echo "$CUDA_VISIBLE_DEVICES"', gpus=3)
    logs = []
    for run in [*runs, later]:
        ended(run)
        logs.append(Path(run.run_dir, "user_logs/std_log.txt").read_text().strip())
    assert logs == ["0,1", "GPU-7", "0,1,GPU-7"]


def test_who_asks_for_no_gpu_sees_none(submit: Submit, ended: Any) -> None:
    set_capacity(queue_paths(), gpus=["0"])
    with pytest.warns(UserWarning, match="the job asks for none"):
        run = submit('echo "<${CUDA_VISIBLE_DEVICES-unset}>"')
    own = submit('echo "<$CUDA_VISIBLE_DEVICES>"', environment_variables={"CUDA_VISIBLE_DEVICES": "7"})
    for one, text in ((run, "<>\n"), (own, "<7>\n")):
        ended(one)
        assert Path(one.run_dir, "user_logs/std_log.txt").read_text() == text


def test_more_than_there_is_is_refused(submit: Submit) -> None:
    set_capacity(queue_paths(), cpus=2, gpus=[], memory=1000)
    asked = {"3 processors": {"cpus": 3}, "1 graphics processor": {"gpus": 1}, "1 GB of memory": {"memory": "1 GB"}}
    given = "this host gives runs 2 processors, no graphics processors and 1000 B of memory"
    for lacking, need in asked.items():
        with pytest.raises(EspalierError, match=f"Can't give the job {lacking}: {given}") as caught:
            submit("true", **need)
        assert caught.value.code == "not_enough_resources"


def test_who_no_longer_fits_stops_nobody(one_slot: None, submit: Submit, ended: Any, reach: Any) -> None:
    set_capacity(queue_paths(), cpus=2)
    blocker = submit("sleep 30", cpus=2)
    large, small = submit("true", cpus=2), submit("true")
    set_capacity(queue_paths(), cpus=1)
    blocker.cancel()
    assert ended(small)["status"] == "Completed" and large.get_status() == "Queued"


def test_a_run_of_no_processor_is_always_started(one_slot: None, submit: Submit, ended: Any, reach: Any) -> None:
    blocker = submit("sleep 30")
    reach(blocker, "Running")
    assert ended(submit("true", cpus=0))["status"] == "Completed"


def test_priorities(one_slot: None, submit: Submit, ended: Any, tmp_path: Path) -> None:
    order = tmp_path / "order"
    runs = [submit("sleep 0.3")]
    for name, priority in (("low", 1), ("usual", 5), ("high", 9), ("usual2", 5)):
        runs.append(submit(f"echo {name} >> {order}", priority=priority))
    for run in runs:
        ended(run)
    assert order.read_text().split() == ["high", "usual", "usual2", "low"]


# ---- runners that serve one run after another


def test_short_runs_share_a_runner(one_slot: None, submit: Submit, ended: Any) -> None:
    runs = [submit("true") for _ in range(6)]
    guardians = set()
    for run in runs:
        assert ended(run)["status"] == "Completed"
        assert not Path(run.run_dir, "system_logs", "runner.log").exists()
        guardians.add(run._status()["pid"])
    assert len(guardians) == 6, "each run has a process of its own"


def test_each_run_has_a_log_of_its_own_runner(one_slot: None, submit: Submit, ended: Any) -> None:
    first, broken, last = submit("sleep 0.2"), submit("true"), submit("true")
    Path(broken.run_dir, "env.json").write_text("[]")
    assert ended(first)["status"] == ended(last)["status"] == "Completed"
    assert broken._status()["error"]["code"] == "prepare_failed"


def test_a_job_does_not_start_runners_itself(submit: Submit, ended: Any, experiment: Any, project: Path) -> None:
    """What a job starts is stopped with it."""
    (project / "a.py").write_text(
        "import sys\nsys.path.insert(0, sys.argv[1])\nfrom espalier import Run, Workspace, Experiment\n"
        "me = Run.get_context()\nother = Experiment(Workspace(me.workspace_path), 'exp').submit({'command': 'sleep 0.5; true'})\n"
        "print(other.id)\n"
    )
    set_capacity(queue_paths(), cpus=2)
    source = str(Path(spawn_module.__file__).parents[2])
    run = experiment.submit({"source_directory": str(project), "entry_script": "a.py", "arguments": [source]})
    assert ended(run)["status"] == "Completed", run.get_details()["error"]
    other = Workspace(run.workspace_path).runs.get(Path(run.run_dir, "user_logs/std_log.txt").read_text().strip())
    assert ended(other)["status"] == "Completed"


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENOSPC])
def test_where_no_process_can_be_started_runs_keep_their_places(
    number: int, submit: Submit, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(spawn_module, "_spawn", refuse)
        runs = [submit("true") for _ in range(3)]
        places = sorted(os.listdir(queue_paths().tickets))
        assert len(places) == 3 and os.listdir(queue_paths().leases) == []
        step()
        assert sorted(os.listdir(queue_paths().tickets)) == places
        assert [run._status()["state"] for run in runs] == ["Queued"] * 3
    step()
    assert [ended(run)["status"] for run in runs] == ["Completed"] * 3
