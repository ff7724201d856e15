"""The supervisor of a container, with an engine that says what the test wants, and goes away."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import espalier
import pytest
from espalier.base.paths import RunPaths
from espalier.base.records import dump_record
from espalier.executors.docker.config import Order
from espalier.executors.docker.container import Removal, true_outcome
from espalier.executors.docker.record import Box, read_box
from espalier.lifecycle.status import Outcome

GONE = b""  # it hangs up without an answer
KILLED = b"\0"  # it is killed before it has read the question, and the connection is reset
WAITS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"  # and says no more
LISTENS = b"HTTP/1.1 101 UPGRADED\r\n\r\n"  # the same, until it is started
WHOLE = b"one\ntwo\nthree\n"
# A runner that does nothing but start a supervisor, and waits for its end.
RUNNER = """
import json, os, sys
sys.path.append(sys.argv[1])
from espalier.adapters.engine import Engine
from espalier.executors.docker.config import Order
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.runner.patience import block_signals
from espalier.executors.docker.container import start_supervisor
block_signals()
order = Order(**json.loads(sys.argv[3]))
engine = Engine(order.engine)
begun = (engine.attach("id"), engine.begin_start("id")) if sys.argv[4] == "begun" else None
run = RunPaths(sys.argv[2])
pid = start_supervisor(run, read_as(JobSpec, run.spec), order, "id", begun, 1)
os._exit(os.waitpid(pid, 0)[1] >> 8)
"""


def frame(text: bytes) -> bytes:
    return b"\1\0\0\0" + len(text).to_bytes(4, "big") + text


def attached(text: bytes) -> bytes:
    return b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n" + (frame(text) if text else b"")


def kept(*pieces: bytes) -> bytes:
    """What the engine has kept, some chunks of which come at once."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(frame(one)), frame(one)) for one in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def said(body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data


RUNS, ENDED = said({"State": {"Running": True, "Pid": 7}}), said({"State": {"Running": False, "ExitCode": 3}})
STATUS = said({"StatusCode": 3})


class Fake:
    """Answers each kind of question by what was prepared for it, one after the other; the last one stays."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        self.answers: Dict[str, List[bytes]] = {"start": [said({})], "DELETE": [said({})]}
        self.before: Dict[str, Callable[[], object]] = {}  # what happens when it is asked that
        self.asked: List[str] = []
        self._held: List[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            self._held.append(connection)
            method, path = connection.recv(65536, socket.MSG_PEEK).decode().split()[:2]
            kind = method if method == "DELETE" else path.partition("?")[0].rpartition("/")[2]
            self.asked.append(kind)
            self.before.get(kind, lambda: None)()
            answers = self.answers[kind]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer != KILLED:
                connection.recv(65536)
                connection.sendall(answer)
            if answer not in (WAITS, LISTENS):
                connection.close()

    def print(self, text: bytes) -> None:
        """As the first that was attached to a container hears it, to its end."""
        self._held[0].sendall(frame(text))
        self._held[0].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for one in (self._socket, *self._held):
            one.close()
        self._thread.join(5)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Fake]:
    made = Fake(tmp_path / "s")
    yield made
    made.close()


Supervised = Callable[..., str]


@pytest.fixture
def supervised(engine: Fake, tmp_path: Path) -> Supervised:
    """The log that a supervisor makes of a container."""
    run = RunPaths(str(tmp_path / "run"))
    Path(run.job).mkdir(parents=True)
    Path(run.spec).parent.mkdir(parents=True, exist_ok=True)
    Path(run.spec).write_bytes(dump_record({"format": 1}))

    def supervise(masked: bool = False, begun: bool = False) -> str:
        order = Order({"DOCKER_HOST": engine.address}, "sha256:a", ["x"], {}, {}, [], "1:1", {"path": "/w/0", "directory": ""}, masked)
        core = str(Path(espalier.__file__).parent.parent)
        told = [core, run.root, json.dumps(order._asdict()), "begun" if begun else "created"]
        process = subprocess.run([sys.executable, "-I", "-S", "-c", RUNNER, *told], stdout=subprocess.PIPE, timeout=60)
        assert process.returncode == 3
        return process.stdout.decode()

    supervise.box = lambda: read_box(run)  # type: ignore[attr-defined]
    return supervise


def box_of(supervised: Supervised) -> Box:
    found: Box = supervised.box()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("begun", [True, False])
def test_it_goes_on_with_what_its_runner_has_begun(engine: Fake, supervised: Supervised, begun: bool) -> None:
    """Or begins itself, where its runner could not."""
    engine.answers.update(attach=[LISTENS], wait=[STATUS], json=[RUNS, ENDED])
    engine.before["start"] = lambda: engine.print(WHOLE)
    assert supervised(begun=begun) == WHOLE.decode()
    assert engine.asked[:2] == ["attach", "start"] and engine.asked.count("start") == 1
    assert (box_of(supervised).id, box_of(supervised).exit_code) == ("id", 3)


def test_the_engine_comes_back_and_the_job_had_gone_on(engine: Fake, supervised: Supervised) -> None:
    engine.answers.update(
        attach=[attached(b"one\ntw")], wait=[GONE, STATUS], json=[RUNS, RUNS, ENDED], logs=[kept(b"one\n", b"two\n", b"three\n")]
    )
    assert supervised() == WHOLE.decode()
    assert box_of(supervised).engine_error is None  # its end was its own


def test_the_engine_comes_back_and_goes_again(engine: Fake, supervised: Supervised) -> None:
    broken = kept(b"one\n", b"two\n")[: -len(b"0\r\n\r\n")]
    engine.answers.update(
        attach=[attached(b"one\n")], wait=[GONE, STATUS], json=[RUNS, GONE, RUNS, RUNS, ENDED], logs=[broken, GONE, kept(WHOLE)]
    )
    assert supervised() == WHOLE.decode()


@pytest.mark.parametrize("end", [GONE, KILLED])
def test_the_engine_comes_back_and_took_the_job_along(engine: Fake, supervised: Supervised, end: bytes) -> None:
    engine.answers.update(attach=[attached(b"one\n")], wait=[end, STATUS], json=[RUNS, ENDED], logs=[kept(WHOLE)])
    assert supervised() == WHOLE.decode()
    assert box_of(supervised).engine_error


def test_the_engine_had_come_back_before_that_was_seen(engine: Fake, supervised: Supervised) -> None:
    """Where systemd holds the engine's socket, who asks waits for it."""
    engine.answers.update(attach=[attached(b"one\n")], wait=[WAITS, STATUS], json=[RUNS, ENDED], logs=[kept(WHOLE)])
    assert supervised() == WHOLE.decode()


def test_the_workspace_is_renamed(engine: Fake, supervised: Supervised, tmp_path: Path) -> None:
    engine.answers.update(attach=[attached(WHOLE)], wait=[STATUS], json=[RUNS, ENDED])
    engine.before["wait"] = lambda: os.rename(tmp_path / "run", tmp_path / "moved")
    assert supervised() == WHOLE.decode()
    box = read_box(RunPaths(str(tmp_path / "moved")))
    assert box is not None and (box.state, box.exit_code, box.removed) == ("ended", 3, False)


def test_of_a_job_with_secrets_the_engine_keeps_nothing(engine: Fake, supervised: Supervised) -> None:
    engine.answers.update(
        attach=[attached(b"one\ntw"), attached(b"three\n")], wait=[GONE, STATUS], json=[RUNS, RUNS, RUNS, ENDED]
    )
    text = supervised(masked=True)
    assert text.startswith("one\ntw\nespalier: the connection to the Docker engine broke off")
    assert text.endswith(" is missing.\nthree\n") and text.count("espalier:") == 1


def test_one_with_secrets_that_has_ended_is_not_waited_for(engine: Fake, supervised: Supervised) -> None:
    engine.answers.update(attach=[attached(b"one\n"), attached(b"")], wait=[GONE, STATUS], json=[RUNS, ENDED])
    assert supervised(masked=True).count("espalier:") == 1


def test_where_its_note_cannot_be_written_it_removes_the_container(engine: Fake, supervised: Supervised, tmp_path: Path) -> None:
    """Nobody would find it: somebody deleted the run's folder."""
    engine.answers.update(attach=[attached(WHOLE)], wait=[STATUS], json=[RUNS, ENDED])
    engine.before["wait"] = lambda: shutil.rmtree(tmp_path / "run")
    assert supervised() == WHOLE.decode()
    assert "DELETE" in engine.asked
    assert not (tmp_path / "run").exists()


def test_the_runner_removes_it_while_it_records_the_end(engine: Fake, supervised: Supervised, tmp_path: Path) -> None:
    engine.answers.update(attach=[attached(WHOLE)], wait=[STATUS], json=[RUNS, ENDED])
    assert supervised() == WHOLE.decode()
    assert "DELETE" not in engine.asked
    run = RunPaths(str(tmp_path / "run"))
    outcome = Outcome(3, None, None, 1.0)
    assert true_outcome(run, outcome) == outcome
    removal = Removal(run)
    removal.finish(run)
    assert engine.asked.count("DELETE") == 1 and box_of(supervised).removed
    Removal(run).finish(run)
    assert engine.asked.count("DELETE") == 1
