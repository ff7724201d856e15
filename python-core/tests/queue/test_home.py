import os
import shutil
import socket
import threading
from pathlib import Path
from typing import Any, List

import pytest
from espalier import Workspace
from espalier.adapters.homes import state_folder
from espalier.base.errors import EspalierError
from espalier.queue.home import allocator, queue_paths
from espalier.vault.encryption import key_path, make_key


def test_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_STATE_DIR", "/s")
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    monkeypatch.setenv("HOME", "/h")
    assert state_folder() == "/s"
    monkeypatch.delenv("ESPALIER_STATE_DIR")
    assert state_folder() == "/x/espalier"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_folder() == "/h/.local/state/espalier"


def test_a_folder_a_host_private_to_the_user(home: Path) -> None:
    paths = queue_paths()
    assert os.path.basename(paths.root) == socket.gethostname()
    for folder in (paths.tickets, paths.leases):
        assert os.stat(folder).st_mode & 0o077 == 0





def test_modes_do_not_depend_on_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "a" / "state"))
    old = os.umask(0)
    try:
        paths = queue_paths()
        make_key("id")
    finally:
        os.umask(old)
    folders = [tmp_path / "a", *(tmp_path / "a").rglob("*")]
    assert {oct(path.stat().st_mode & 0o777) for path in folders if path.is_dir()} == {"0o700"}
    assert os.stat(key_path("id")).st_mode & 0o777 == 0o600 and os.path.isdir(paths.leases)


def test_a_queue_that_others_can_write_to(home: Path) -> None:
    """What lies there is executed."""
    paths = queue_paths()
    os.chmod(paths.tickets, 0o770)
    with pytest.raises(EspalierError, match="chmod go-w") as caught:
        queue_paths()
    assert caught.value.code == "not_permitted"


def test_the_lock_is_exclusive(home: Path) -> None:
    paths = queue_paths()
    inside: List[int] = []
    most: List[int] = []

    def work() -> None:
        for _ in range(50):
            with allocator(paths):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(most) == 200


def test_the_lock_is_freed_after_an_error(home: Path) -> None:
    paths = queue_paths()
    with pytest.raises(RuntimeError), allocator(paths):
        raise RuntimeError
    done: List[bool] = []

    def enter() -> None:
        with allocator(paths):
            done.append(True)

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join(5)
    assert done


def test_no_place_for_a_queue(workspace: Workspace, experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "file"))
    with pytest.raises(EspalierError, match="ESPALIER_STATE_DIR") as caught:
        experiment.submit({"command": "true"})
    assert caught.value.code == "not_supported"
    assert len(workspace.runs.list()) == 0, "reading needs no queue"
    assert not os.path.exists(workspace._paths.runs)



def test_many_begin_at_once(home: Path) -> None:
    """The first runs of several sessions: all make the folders, none stumbles over the other."""
    failed: List[BaseException] = []

    def begin() -> None:
        try:
            queue_paths()
        except BaseException as error:
            failed.append(error)

    for _ in range(20):
        threads = [threading.Thread(target=begin) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shutil.rmtree(state_folder())
    assert failed == []


def test_a_handler_that_interrupted_a_holder_of_the_lock_does_not_wait_for_it(tmp_path, monkeypatch):
    """It would wait for ever, and with it all other sessions of this user."""
    paths = queue_paths()
    with allocator(paths), pytest.raises(EspalierError) as caught, allocator(paths):
        pass
    assert caught.value.code == "not_supported" and "signal handler" in str(caught.value)
    with allocator(paths):
        pass
    others = []
    with allocator(paths):
        thread = threading.Thread(target=lambda: others.append(use(paths)))
        thread.start()
        assert others == [], "another thread waits"
    thread.join()
    assert others == [True]


def use(paths):
    with allocator(paths):
        return True
