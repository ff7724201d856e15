"""Each actor is killed -9 before each of its acts in turn: every prefix of what it writes, renames, locks and starts.

A row of ACTORS is an actor: how the stage is set, what it does, and how the run may end. A new actor is a new row.
"""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import pytest
from acts import Acts
from espalier import Run
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.step import step
from espalier.submission import submit as submission
from world import CANCELED, DONE, LOST, End, World

# The job is told how long to run by the stage.
Stage = Callable[[World], Optional[Run]]
Deed = Callable[[World, Optional[Run]], Any]


class Actor(NamedTuple):
    """Who is killed. `deed` is done in a process of its own, which is the one to die."""

    stage: Stage
    deed: Deed
    ends: Tuple[End, ...]


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
    run = world.submit("sleep 30")
    until(lambda: world.ends() and world.executions(run.id) == 1)
    return run


def orphaned_run(world: World) -> Run:
    """Runner and guardian are dead, the job still runs."""
    run = running_run(world)
    for pid in sorted(runner_and_guardian(run)):  # the guardian first, who would take over
        os.kill(pid, signal.SIGKILL)
    until(lambda: not runner_and_guardian(run))
    return run


def unstarted_run(world: World) -> Run:
    """The runner died while it prepared, and the guardian as it was to take over."""
    world.plan(runner=12, guardian=1)
    run = world.submit()
    until(lambda: not runner_and_guardian(run))
    return run


def runner_and_guardian(run: Run) -> "list[int]":
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
            stat = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if os.fsencode(run.run_dir) in words and stat[0] != b"Z":
            found.append(int(name))
    return found


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


ACTORS: Dict[str, Actor] = {
    "submit": Actor(nothing, lambda world, run: world.submit(), (DONE,)),
    "submit_while_others_wait": Actor(waiting_run, lambda world, run: world.submit(), (DONE,)),
    "cancel_queued": Actor(waiting_run, lambda world, run: run.cancel(), (DONE, CANCELED)),
    "cancel_running": Actor(running_run, lambda world, run: run.cancel(), (CANCELED,)),
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
        if name == "cancel_running" and run is not None and not os.path.exists(os.path.join(run.run_dir, "requests", "cancel.json")):
            run.cancel()  # killed before it asked: nobody has, so the run goes on until somebody does
        world.check(actor.ends, proof=number % 5 == 0)
        if ended == 0:
            break
        number += 1
    assert number >= 3, "the actor was never hit"
    print(f"{name}: {number} kills")
    world.check_all()


def test_runner_killed_before_each_act(world: World) -> None:
    count = world.home / "count"
    world.plan(count_to=str(count))
    world.submit()
    world.check((DONE,))
    total, started = int(Path(f"{count}.fork").read_text()), 0
    for number in range(total):
        world.plan(runner=number)
        run = world.submit("echo kept > outputs/kept")
        world.check((DONE, LOST), proof=number % 10 == 0)
        started += world.end_of(run.id) == LOST
    print(f"runner: {total} kills, {started} of them lost a job")
    assert 3 <= started < total - 10
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
        world.submit("echo kept > outputs/kept")
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


def test_killed_before_each_act_of_trying_again(world: World) -> None:
    """The job fails once, by itself; the runner is killed before, in between or after. Two further attempts are enough
    for both."""
    again = world.home.parent / "again"
    config = world.job(f'test -e {again}-"$ESPALIER_RUN_ID" || {{ touch {again}-"$ESPALIER_RUN_ID"; exit 1; }}')
    config = replace(config, retry=3)
    number, total = -1, 1
    while number < total:
        count = world.home / "count"
        world.plan(runner=number, count_to=str(count))
        run = world.experiment.submit(config)
        world.attempts[run.id] = 3
        world.check((DONE,), proof=number % 10 == 0)
        if number < 0:
            total = int(Path(f"{count}.fork").read_text())
        number += 1
    print(f"trying again: {total} kills")
    assert total >= 20
    world.check_all()
