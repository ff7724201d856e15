import os
from pathlib import Path

import pytest
from espalier import EspalierError
from espalier.base.paths import RunPaths
from espalier.lifecycle import requests
from espalier.lifecycle.requests import error_answer, open_box

NAME = "r-12-00000000-0.json"


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    (tmp_path / "run" / "requests").mkdir(parents=True)
    return RunPaths(str(tmp_path / "run"))


def put(run: RunPaths, text: str, name: str = NAME) -> Path:
    path = Path(run.requests, name)
    path.write_text(text)
    return path


def test_pending_are_requests_without_an_answer_in_their_order(run: RunPaths) -> None:
    for name in ("r-1-00000000-10.json", "r-1-00000000-9.json", "r-1-00000000-2.json", "r-1-00000000-2.answer.json"):
        put(run, "{}", name)
    for name in ("cancel.json", "r-1-0-1.json", "../x.json".replace("/", "_"), "waiting-r-1-00000000.json", ".tmp-1"):
        put(run, "{}", name)
    with open_box(run) as box:
        assert box.pending() == ["r-1-00000000-9.json", "r-1-00000000-10.json"]


def test_an_answer_takes_the_place_of_its_request(run: RunPaths) -> None:
    put(run, '{"format": 1}')
    with open_box(run) as box:
        box.take(NAME)
        box.take(NAME)
        assert box.read(NAME) == {"format": 1}
        box.answer(NAME, error_answer(EspalierError("bad_name", "what", "hint")))
        assert box.pending() == []
    assert os.listdir(run.requests) == ["r-12-00000000-0.answer.json"]
    assert os.stat(Path(run.requests, "r-12-00000000-0.answer.json")).st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "[" * 100_000, '{"format": 1, "x": "' + "x" * (5 << 20) + '"}'])
def test_what_is_no_request(run: RunPaths, text: str) -> None:
    put(run, text)
    with open_box(run) as box, pytest.raises(EspalierError) as caught:
        box.read(NAME)
    assert caught.value.code == "bad_argument"


def test_no_link_is_followed(run: RunPaths, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"format": 1}')
    os.symlink(secret, Path(run.requests, NAME))
    os.mkfifo(Path(run.requests, "r-12-00000000-1.json"))
    with open_box(run) as box:
        for name in (NAME, "r-12-00000000-1.json"):
            with pytest.raises(EspalierError, match="isn't a plain file"):
                box.read(name)
    os.rename(run.requests, tmp_path / "real")
    os.symlink(tmp_path / "real", run.requests)
    with pytest.raises(OSError), open_box(run):
        pass


def test_a_folder_is_no_request_and_no_descriptor_stays(run: RunPaths) -> None:
    Path(run.requests, NAME).mkdir()
    with open_box(run) as box:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(EspalierError, match="isn't a plain file"):
                box.read(NAME)
        assert len(os.listdir("/proc/self/fd")) == before


def test_one_at_a_time(run: RunPaths) -> None:
    with open_box(run) as one, open_box(run) as two:
        assert one.alone() and not two.alone()


def test_of_very_many_names_some_are_looked_at(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_NAMES", 5)
    for number in range(20):
        Path(run.requests, f"py-1-00000000-{number}.json").touch()
    with open_box(run) as box:
        assert len(box.pending()) == 5
