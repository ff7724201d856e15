"""The engine's interface, spoken to something that only says what it was told to."""

import json
import socket
import threading
from pathlib import Path
from typing import Iterator, List

import pytest
from espalier.adapters.engine import Engine, EngineError, address, engine_variables, wait_for_engine
from espalier.adapters.engine_stream import EngineGone


class Fake:
    """Answers each connection with the next of some texts, and keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.asked: List[bytes] = []
        self.answers: List[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(8)
        self.engine = Engine({"DOCKER_HOST": f"unix://{path}"}, seconds=0.5)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(65536))
                answer = self.answers.pop(0)
                for piece in (answer[i : i + 7] for i in range(0, len(answer), 7)):
                    connection.sendall(piece)
                if not answer:  # it never answers
                    connection.recv(1)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # (closed alone it would be accepted from for ever)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    made = Fake(tmp_path / "s")
    yield made
    made.close()


def said(status: int, body: object, chunked: bool = False) -> bytes:
    data = json.dumps(body).encode()
    if chunked:
        body_of = b"%x\r\n%s\r\n" % (5, data[:5]) + b"%x;x=y\r\n%s\r\n0\r\n\r\n" % (len(data) - 5, data[5:])
        return b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n" % status + body_of
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_in_pieces(fake: Fake, chunked: bool) -> None:
    fake.answers.append(said(200, {"State": {"Pid": 7}}, chunked))
    assert fake.engine.inspect("a/../b") == {"State": {"Pid": 7}}
    assert fake.asked[0].startswith(b"GET /containers/a/../b/json HTTP/1.1\r\n")


def test_names_cannot_leave_their_place(fake: Fake) -> None:
    fake.answers += [said(201, {"Id": "c"}), said(200, {})]
    assert fake.engine.create("x&y=z\r\nA: b", {}) == "c"
    fake.engine.inspect("a b\r\nX: y?all=1")
    heads = [asked.split(b"\r\n\r\n")[0] for asked in fake.asked]
    assert b"name=x%26y%3Dz%0D%0AA%3A%20b" in heads[0] and b"\r\nA: b" not in heads[0]
    assert b"\r\nX: y" not in heads[1] and b"?" not in heads[1].split(b"\r\n")[0]


def test_what_it_refuses(fake: Fake) -> None:
    fake.answers += [said(404, {"message": "No such image: a"}), b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\noops"]
    with pytest.raises(EngineError, match="No such image") as caught:
        fake.engine.create("a", {})
    assert caught.value.status == 404
    with pytest.raises(EngineError, match="oops"):
        fake.engine.start("a")


def test_what_is_gone_is_no_error_to_remove_or_kill(fake: Fake) -> None:
    fake.answers += [said(404, {"message": "gone"}), said(409, {"message": "not running"}), said(500, {"message": "no"})]
    fake.engine.remove("a")
    fake.engine.kill("a")
    with pytest.raises(EngineError):
        fake.engine.remove("a")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"what?\r\n\r\n",
                                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"])  # fmt: skip
def test_one_that_hangs_hangs_up_or_is_no_engine(fake: Fake, answer: bytes) -> None:
    fake.answers.append(answer)
    with pytest.raises(EngineGone):
        fake.engine.inspect("a")


def test_nobody_is_there(tmp_path: Path) -> None:
    for where in (f"unix://{tmp_path}/none", "tcp://127.0.0.1:1", "ssh://host", "tcp://nonsense"):
        engine = Engine({"DOCKER_HOST": where}, seconds=0.5)
        with pytest.raises(EngineGone):
            engine.ping()
    assert not wait_for_engine(engine, 0)


def test_frames_of_output_are_taken_apart_wherever_they_are_cut(fake: Fake) -> None:
    frames = b"".join(
        bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text
        for stream, text in ((1, b"one\n"), (2, b""), (2, b"two \xe9\n"), (1, b"x" * 100))
    )
    fake.answers.append(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n" + frames)
    stream = fake.engine.attach("a")
    assert b"".join(iter(stream.read, None)) == b"one\ntwo \xe9\n" + b"x" * 100
    stream.close()


def test_where_it_is() -> None:
    assert address({"DOCKER_HOST": "tcp://h:1"}) == "tcp://h:1"
    assert address({}).startswith("unix:///")
    assert engine_variables({"DOCKER_HOST": "a", "PATH": "b", "DOCKER_CERT_PATH": ""}) == {"DOCKER_HOST": "a"}
