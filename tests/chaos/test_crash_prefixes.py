"""The machine stops after any act of a submit, of a run, of a cancel: the next call puts right what it finds.

Each sequence is recorded once. Then the folder is made again as it would be had the machine stopped after the first,
the second, ... act: with all that was written, with unsynchronised data lost, and with all lost since the last
synchronisation. Another boot follows: no process lives, no lock is held. A new sequence is a new test of three lines.
"""

import shutil
from pathlib import Path
from typing import Any, Callable, Tuple

import pytest
from acts import Acts
from espalier import Run, ScriptRunConfig
from espalier.adapters.homes import scratch_folder
from espalier.jobs import commit as submission
from espalier.store.objects import MANY, SMALL
from replay import WAYS, Recording
from world import CANCELED, DONE, LOST, End, World

Unharmed = Callable[[], None]


def recorded(world: World, deed: Callable[[], Any]) -> Recording:
    """Record what a process of its own does."""
    base, record = world.home.parent / "base", world.home.parent / "record"
    shutil.copytree(world.home, base, symlinks=True)
    assert world.forked(Acts(record=str(record)), deed) == 0
    world.settle()
    return Recording(base, world.home, record)


def replay(world: World, recording: Recording, run_id: str, way: str, ends: Callable[[int, bool], Tuple[End, ...]]) -> None:
    """Stop the machine after each act that leaves another disk, let a reader look, and judge.

    Args:
        run_id: The run it is about.
        ends: Acts done, whether the job had begun -> how the run may end.
    """
    before, total, stops = dict(world.sealed), len(recording.acts), recording.stops(way)
    known = (recording.base / "ws" / "runs" / run_id[-8:-6] / run_id).exists()
    for count, number in enumerate(stops):
        Path(f"{world.marks}-{run_id}").unlink(missing_ok=True)
        begun = recording.stop_after(number, way)
        world.sealed = dict(before)
        world.marks.write_text("".join(f"{one}\n" for one in [*before, *([run_id] if begun else [])]))
        new = world.check(ends(number, begun), proof=count % 10 == 0 or number == total)
        assert new == [run_id] or (not new and not known and number < total), f"lost: stopped after {number} acts, {way}"
        if new and (begun or world.end_of(run_id) == DONE):
            assert world.executions(run_id) == 1, f"stopped after {number} acts, {way}"
    print(f"{way}: {len(stops)} stops that differ, of {total + 1}")
    world.check_all()


@pytest.mark.parametrize("way", WAYS)
def test_a_run(way: str, world: World, unharmed: Unharmed) -> None:
    """Until its start is on the disk it is executed once, by the queue; from there to its end it is lost. What its job
    wrote is kept."""
    world.check((DONE,))
    base, record = world.home.parent / "base", world.home.parent / "record"
    world.plan(copy=[str(world.home), str(base)], record=str(record))
    run = world.submit(world.writes())
    world.settle()
    unharmed()
    wrote = Path(f"{world.marks}-{run.id}")

    def job() -> None:
        work = Path(scratch_folder(), run.id[-8:], "work")
        (work / "d").mkdir()
        for path in (work / "outputs" / "kept", work / "d" / "new", wrote):
            path.touch()

    recording = Recording(base, world.home, record, job)
    started, ended = recording.when("Running"), recording.when("Completed")

    def ends(number: int, begun: bool) -> Tuple[End, ...]:
        return (LOST,) if started <= recording.reached(number, way) < ended else (DONE,)

    replay(world, recording, run.id, way, ends)


@pytest.mark.parametrize("way", WAYS)
def test_a_submit(way: str, world: World, unharmed: Unharmed) -> None:
    """The run is absent or whole; once submit has returned it is there, and it is executed once."""
    unharmed()
    world.check((DONE,))
    recording = recorded(world, world.submit)
    (run_id,) = set(world.ends()) - set(world.sealed)
    replay(world, recording, run_id, way, lambda number, begun: (DONE,))


@pytest.mark.parametrize("way", WAYS)
def test_a_batch(way: str, world: World, unharmed: Unharmed) -> None:
    """Each of its runs is absent or whole; once the call has returned all are there, and each is executed once."""
    unharmed()
    world.check((DONE,))
    recording = recorded(world, lambda: world.experiment.submit_many(world.job(), [{"n": 1}, {"n": 2}, {"n": 3}]))
    runs = sorted(set(world.ends()) - set(world.sealed))
    before, total, stops = dict(world.sealed), len(recording.acts), recording.stops(way)
    for count, number in enumerate(stops):
        recording.stop_after(number, way)
        world.sealed = dict(before)
        world.marks.write_text("".join(f"{one}\n" for one in before))
        new = world.check((DONE,), proof=count % 10 == 0 or number == total)
        assert set(new) <= set(runs) and (number < total or sorted(new) == runs), f"stopped after {number} acts, {way}"
        assert [world.executions(run_id) for run_id in new] == [1] * len(new), f"stopped after {number} acts, {way}"
    print(f"{way}: {len(stops)} stops that differ, of {total + 1}")
    world.check_all()


@pytest.mark.parametrize("count", [3, MANY])
@pytest.mark.parametrize("way", WAYS)
def test_a_submit_with_a_snapshot(
    way: str, count: int, world: World, unharmed: Unharmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above; with the run there is all of its snapshot, and the same folder can be submitted again in any case."""
    monkeypatch.setenv("ESPALIER_NATIVE", "no")  # what compiled code does cannot be watched
    unharmed()
    world.check((DONE,))
    project = world.home.parent / "project"
    project.mkdir()
    for number in range(count):
        (project / f"part{number}.sh").write_text(f"# {number}\n" * 500)
    (project / "large").write_bytes(b"large" * SMALL)
    (project / "main.sh").write_text(f'cat part*.sh && echo "$ESPALIER_RUN_ID" >> {world.marks}\n')
    config = ScriptRunConfig(str(project), "main.sh")
    recording = recorded(world, lambda: world.experiment.submit(config))
    (run_id,) = set(world.ends()) - set(world.sealed)
    world.proof = lambda: world.experiment.submit(config)
    replay(world, recording, run_id, way, lambda number, begun: (DONE,))


@pytest.mark.parametrize("way", WAYS)
def test_a_cancel(way: str, world: World, unharmed: Unharmed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Canceled or, where nobody had asked yet, executed once."""
    unharmed()
    world.check((DONE,))
    run = queued(world, monkeypatch)
    replay(world, recorded(world, run.cancel), run.id, way, lambda number, begun: (DONE, CANCELED))


def queued(world: World, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that is queued, in a queue that nobody moves until somebody looks."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        return world.submit()
