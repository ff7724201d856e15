"""The mode of a run's folder while its job's container runs. What such a job leaves: tests/docker/test_confined.py."""

import os
import socket
import stat
from pathlib import Path
from typing import Any, Dict, List

import pytest
from espalier.adapters.engine import EngineError
from espalier.adapters.engine_stream import EngineGone
from espalier.base.paths import RunPaths
from espalier.executors.docker.container import Container
from espalier.executors.docker.record import Box
from espalier.lifecycle.set_ids import close_to_others, open_to_others


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    made = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "exp_1_abcdef01"))
    os.makedirs(made.outputs)
    os.chmod(made.shard, 0o755)
    return made


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("shard", [0o755, 0o700, 0o750, 0o777])
def test_it_gets_the_mode_of_what_is_above_it(run: RunPaths, shard: int) -> None:
    os.chmod(run.shard, shard)
    close_to_others(run)
    assert mode_of(run.root) == 0o700
    open_to_others(run, None)
    assert mode_of(run.root) == shard & 0o755


def test_links_are_not_followed_and_other_modes_stay(run: RunPaths, tmp_path: Path) -> None:
    theirs, plain, marked = tmp_path / "su", Path(run.outputs, "plain"), Path(run.outputs, "d", "marked")
    marked.parent.mkdir()
    for path, mode in ((theirs, 0o4755), (plain, 0o751), (marked, 0o6751)):
        path.touch()
        path.chmod(mode)
    os.symlink(theirs, Path(run.outputs, "link"))
    os.mkfifo(Path(run.outputs, "pipe"))
    open_to_others(run, None)
    assert [mode_of(str(path)) for path in (theirs, plain, marked)] == [0o4755, 0o751, 0o751]


class Engine:
    """Refuses once, as an engine does that may not enter the run's folder, or that has a container of the name."""

    def __init__(self, error: EngineError) -> None:
        self.errors, self.removed = [error], []  # type: ignore[var-annotated]

    def begin_create(self, name: str, config: Any) -> socket.socket:
        asked, answer = socket.socketpair()
        answer.close()  # so that there is something to read
        return asked

    def created(self, answer: socket.socket) -> str:
        answer.close()
        if self.errors:
            raise self.errors.pop()
        return "new"

    def begin_attach(self, container: str) -> socket.socket:
        raise EngineGone(0, "not of interest here")

    def labelled(self, label: str) -> List[Dict[str, str]]:
        return [{"Id": "old"}]

    def remove(self, container: str) -> None:
        self.removed.append(container)


@pytest.mark.parametrize("status, text, mode, removed", [
    (400, "invalid mount config: stat /x: Permission denied", 0o755, []),
    (409, "the name is in use", 0o700, ["old"]),
])  # fmt: skip
def test_an_engine_that_may_not_enter_it(run: RunPaths, status: int, text: str, mode: int, removed: List[str]) -> None:
    close_to_others(run)
    container = Container.__new__(Container)
    container._run, container._config, container._id = run, {}, ""
    container._idle = lambda: iter(())
    container._box = Box(engine={}, image="i", name="n", masked=False)
    container._engine = Engine(EngineError(status, text))  # type: ignore[assignment]
    container._ask()
    container.wait_until_created()
    assert (container._id, mode_of(run.root)) == ("new", mode)
    assert container._engine.removed == removed  # type: ignore[attr-defined]
