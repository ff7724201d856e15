"""Each actor is killed -9 before each of its acts in turn: every prefix of what it writes, renames, locks and starts.

A row of ACTORS is an actor: how the stage is set, what it does, and how the run may end. A new actor is a new row.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import pytest
from acts import Acts
from espalier import Run
from espalier.api.requests import carry_out
from espalier.jobs import commit as submission
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.step import step
from world import CANCELED, DONE, LOST, End, World

# The job is told how long to run by the stage.
Stage = Callable[[World], Optional[Run]]
Deed = Callable[[World, Optional[Run]], Any]


class Actor(NamedTuple):
    """Who is killed. `deed` is done in a process of its own, which is the one to die."""

    stage: Stage
    deed: Deed
    ends: Tuple[End, ...]
    # every how many acts it is killed: 1, but for those with many slow ones
    stride: int = 1


def nothing(world: World) -> None:
    return None


def waiting_run(world: World) -> Run:
    """A run that nobody has started: the queue is closed by a run that ends as soon as the deed is over."""
    set_capacity(queue_paths(), cpus=1)
    gate = world.home / "gate"
    gate.touch()
    world.submit(f"while test -e {gate}; do sleep 0.005; done")
    return world.submit()


def dependent_run(world: World) -> Run:
    """A run that waits for another, which waits itself."""
    return world.experiment.submit(replace(world.job(), depends_on=[waiting_run(world).id]))


def dependent_run_with_open_gate(world: World) -> Run:
    """A run that waits for one that has completed, and nobody has looked since."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        first = world.submit()
        run = world.experiment.submit(replace(world.job(), depends_on=[first.id]))
    return run


def open_gate(world: World) -> None:
    (world.home / "gate").unlink(missing_ok=True)


def running_run(world: World) -> Run:
    run = world.submit(f"{world.writes()}; sleep 30")
    until(lambda: world.ends() and os.path.exists(f"{world.marks}-{run.id}"))  # (a look moves the queue on)
    return run


def orphaned_run(world: World) -> Run:
    """Runner and guardian are dead, the job still runs."""
    run = running_run(world)
    for pid in sorted(runner_and_guardian(world, run)):  # the guardian first, who would take over
        os.kill(pid, signal.SIGKILL)
    until(lambda: not runner_and_guardian(world, run))
    return run


def unstarted_run(world: World) -> Run:
    """The runner died while it prepared, and the guardian as it was to take over."""
    world.plan(runner=12, guardian=1)
    run = world.submit()
    until(lambda: not runner_and_guardian(world, run))
    return run


def family(world: World) -> Run:
    """A running run with a running child, a child and a grandchild that wait, and one recorded by hand."""
    set_capacity(queue_paths(), cpus=2)
    parent = running_run(world)
    child = parent.submit_child(world.job("sleep 30"))
    until(lambda: world.executions(child.id) == 1)
    parent.submit_child(world.job())
    child.submit_child(world.job())
    return parent


def runner_and_guardian(world: World, run: Run) -> "list[int]":
    """Those that have its lease open."""
    lease, found = queue_paths().lease(run.id), []
    for pid in world.young_processes():
        with contextlib.suppress(OSError):  # it has ended
            if pid != os.getpid() and lease in (target_of(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")):
                found.append(pid)
    return found


def target_of(link: str) -> str:
    with contextlib.suppress(OSError):  # a file that has been closed just now
        return os.readlink(link)
    return ""


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


ACTORS: Dict[str, Actor] = {
    "submit": Actor(nothing, lambda world, run: world.submit(), (DONE,)),
    "submit_while_others_wait": Actor(waiting_run, lambda world, run: world.submit(), (DONE,)),
    "batch": Actor(nothing, lambda world, run: world.experiment.submit_many(world.job(), [{"n": 1}, {"n": 2}]), (DONE,)),
    "cancel_queued": Actor(waiting_run, lambda world, run: run.cancel(), (DONE, CANCELED)),
    "cancel_running": Actor(running_run, lambda world, run: run.cancel(), (CANCELED,)),
    "cancel_parent": Actor(family, lambda world, run: run.cancel(), (CANCELED,), 3),
    "submit_child": Actor(
        waiting_run, lambda world, run: run.submit_child(world.job()) if not run.get_children() else None, (DONE,)
    ),
    "reap_orphan": Actor(orphaned_run, lambda world, run: world.ends(), (LOST,)),
    "reap_unstarted": Actor(unstarted_run, lambda world, run: world.ends(), (DONE,)),
    "step": Actor(unstarted_run, lambda world, run: step(), (DONE,)),
    "cancel_waiting": Actor(dependent_run, lambda world, run: run.cancel(), (DONE, CANCELED)),
    "admit": Actor(dependent_run_with_open_gate, lambda world, run: world.ends(), (DONE,)),
    "tag": Actor(waiting_run, lambda world, run: run.set_tags({"a": "b"}), (DONE,)),
}


@pytest.mark.parametrize("name", ACTORS)
def test_killed_before_each_act(name: str, world: World) -> None:
    actor, number = ACTORS[name], 0
    world.check((DONE,))
    while True:
        run = actor.stage(world)
        ended = world.forked(Acts(die_before=number), lambda run=run: actor.deed(world, run))
        assert ended in (0, signal.SIGKILL), f"{name} failed before its act {number}: {ended}"
        open_gate(world)
        if name in ("cancel_running", "cancel_parent") and run is not None and not os.path.exists(os.path.join(run.run_dir, "requests", "cancel.json")):
            run.cancel()  # killed before it asked: nobody has, so the run goes on until somebody does
        world.check(actor.ends, proof=number % 5 == 0)
        if ended == 0:
            break
        number += actor.stride
    assert number >= 3, "the actor was never hit"
    print(f"{name}: {number} kills")
    world.check_all()


@pytest.mark.parametrize("wanted", [{"op": "submit"}, {"op": "create", "wanted": [{}, {}]}], ids=["submit", "create"])
def test_a_request_is_carried_out_once(wanted: Dict[str, Any], world: World) -> None:
    """Whoever carries out a request is killed before each act in turn; another one repeats it."""
    number, ended = 0, -1
    while ended != 0:
        parent = world.experiment.start_logging()
        folder = Path(parent.run_dir, "requests")
        folder.mkdir()
        config = {"config": {"command": world.job().command}} if wanted["op"] == "submit" else {}
        (folder / "py-1-00000000-0.json").write_text(json.dumps({"format": 1, **wanted, **config}))
        ended = world.forked(Acts(die_before=number), lambda parent=parent: carry_out(parent._paths))
        assert ended in (0, signal.SIGKILL)
        carry_out(parent._paths)
        answer = json.loads((folder / "py-1-00000000-0.answer.json").read_text())
        assert "run_ids" in answer, (number, answer)
        assert sorted(run.id for run in parent.get_children()) == sorted(answer["run_ids"]), number
        assert len(answer["run_ids"]) == len(wanted.get("wanted", [1]))
        until(lambda parent=parent: not parent.get_children(status="Queued") or world.ends())
        parent.complete()
        seen = world.settle()
        assert {seen[run_id] for run_id in answer["run_ids"]} == {"Completed"}
        assert [world.executions(run_id) for run_id in answer["run_ids"]] == [int(wanted["op"] == "submit")] * len(answer["run_ids"])
        number += 1
    print(f"carry out {wanted['op']}: {number} kills")
    assert number >= 10


def test_whoever_carries_out_is_killed_under_a_job(world: World) -> None:
    """The runner starts another one, and the job gets its answer."""
    program = world.home.parent / "ask.py"
    program.write_text(f"from espalier import Run\nRun.get_context().submit_child({{'command': {world.job().command!r}}})\n")
    for number in range(0, 60, 7):
        world.plan(carrier=number)
        run = world.submit(f"{sys.executable} {program}")
        until(lambda run=run: run.get_status() in ("Completed", "Failed"))
        (child,) = run.get_children()
        assert (run.get_status(), child.get_status()) == ("Completed", "Completed")
        assert world.executions(child.id) == 1
    world.check((DONE,))


def test_runner_killed_before_each_act(world: World) -> None:
    count = world.home / "count"
    world.plan(count_to=str(count))
    world.submit(world.writes())
    world.check((DONE,))
    total, started = int(Path(f"{count}.fork").read_text()), 0
    for number in range(total):
        world.plan(runner=number)
        run = world.submit(world.writes())
        world.check((DONE, LOST), proof=number % 10 == 0)
        started += world.end_of(run.id) == LOST
    print(f"runner: {total} kills, {started} of them lost a job")
    assert 3 <= started < total - 10
    world.check_all()


def test_runner_killed_while_it_copies_home(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scratch folder is on another file system: files are copied, and are in both places for a while."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == world.home.stat().st_dev:
        pytest.skip("there is no other file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        monkeypatch.setenv("ESPALIER_SCRATCH_DIR", folder)
        count = world.home / "count"
        world.plan(count_to=str(count))
        world.submit(world.writes())
        world.check((DONE,))
        total = int(Path(f"{count}.fork").read_text())
        for number in range(total // 2, total):
            world.plan(runner=number)
            run = world.submit(world.writes())
            world.check((DONE, LOST), proof=number % 10 == 0)
            kept = Path(run.run_dir, "outputs", "kept")
            assert not kept.exists() or kept.read_text() == "kept\n"
        print(f"runner that copies: {total - total // 2} kills")
        world.check_all()


def test_guardian_killed_before_each_act(world: World) -> None:
    """It does nothing that the run needs: the runner ends it, whatever becomes of its parent."""
    count = world.home / "count"
    world.plan(count_to=str(count))
    world.submit()
    world.check((DONE,))
    total = int(count.read_text())
    for number in range(total):
        world.plan(guardian=number)
        world.submit(world.writes())
        world.check((DONE,), proof=number % 5 == 0)
    print(f"guardian: {total} kills")
    assert total >= 4
    world.check_all()


def test_guardian_killed_while_it_takes_over(world: World) -> None:
    """The runner is killed while its job runs; then its guardian dies at each act of taking over."""
    number, total = -1, 1
    while number < total:
        count = world.home / "count"
        world.plan(guardian=number, count_to=str(count))
        run = running_run(world)
        os.kill(run._status()["pid"], signal.SIGKILL)
        world.check((LOST,), proof=number % 10 == 0)
        if number < 0:
            total = int(count.read_text())
        number += 1
    print(f"guardian: {total} kills")
    assert total >= 10
    world.check_all()


@pytest.mark.parametrize("fork", [1, 2], ids=["first", "second"])
def test_killed_before_each_act_of_trying_again(fork: int, world: World) -> None:
    """The job fails once, by itself; the runner is killed before, in between or after, in its first attempt or in
    the next. Two further attempts are enough for both, and what the first one wrote is there in the end."""
    again = world.home.parent / "again"
    first = f'echo first > outputs/first; echo new > new; touch {again}-"$ESPALIER_RUN_ID"; exit 1'
    config = world.job(f'test -e {again}-"$ESPALIER_RUN_ID" || {{ {first}; }}')
    config = replace(config, retry=3)
    number, total, lost = -1, 1, 0
    while number < total:
        count = world.home / "count"
        world.plan(runner=number, count_to=str(count), fork=fork)
        run = world.experiment.submit(config)
        world.attempts[run.id] = 3
        world.check((DONE, LOST), proof=number % 10 == 0)
        lost += world.end_of(run.id) == LOST
        assert Path(run.run_dir, "outputs", "first").exists(), f"lost: killed before act {number}"
        assert list(Path(run.run_dir, "attempts").glob("*/workdir/new")), f"lost: killed before act {number}"
        if number < 0:
            total = int(Path(f"{count}.fork").read_text())
        number += 1
    print(f"trying again: {total} kills")
    assert total >= 20
    # its variables go first when a run ends: open, write, fsync and replace later its end is recorded
    assert lost == (0 if fork == 1 else 4)
    world.check_all()
