"""The engine absent, dead, hanging, forbidden, stopped and started again: what is said, and that it is used again."""

import os
from pathlib import Path
from typing import Any

import pytest
from engines import HangingEngine, OwnEngine, as_nobody, dead_socket
from espalier.adapters import docker as adapter
from espalier.base.errors import EspalierError


def _refused() -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        adapter.still_there()
    assert caught.value.code == "docker_unavailable"
    return caught.value


def test_there_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert "Can't find a Docker engine" in _refused().message


def test_an_engine_has_crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", dead_socket(tmp_path))
    assert "isn't running" in _refused().message


def test_an_engine_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = HangingEngine(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", hanging.address)
    monkeypatch.setattr(adapter, "FIRST_ANSWER", 1)
    assert "does not answer" in _refused().message
    hanging.stop()


def test_an_engine_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    hanging = HangingEngine(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", hanging.address)
    threading.Timer(0.5, hanging.stop).start()
    assert "broke the connection off" in _refused().message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_the_socket_is_not_for_this_user(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # (loaded before, for nobody may not read this user's files)
    adapter.still_there()
    monkeypatch.setattr(adapter, "_clients", {})
    with as_nobody():
        refused = _refused()
    assert "permission denied" in refused.message
    assert "group docker" in refused.hint
    adapter.still_there()


def test_an_engine_that_was_stopped_is_used_again(own_engine: OwnEngine) -> None:
    assert adapter.address() == own_engine.address
    adapter.still_there()
    own_engine.stop()
    _refused()
    own_engine.start()
    adapter.still_there()
