"""Who holds the store's objects, and who has them alone."""

import os
import threading
import time

import pytest
from espalier.adapters import posix
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import Cancelled, Listener, listening
from espalier.snapshot.hold import alone_with_objects, holding_objects
from hanging import not_hanging

SCANS = False


class Other(threading.Thread):
    """Somebody else who takes the lock, holds it until told, and notes when it was had."""

    def __init__(self, block):
        super().__init__(daemon=True)
        self.block, self.has, self.may_go = block, threading.Event(), threading.Event()
        self.start()

    def run(self):
        with self.block:
            self.has.set()
            self.may_go.wait(20)

    def leave(self):
        self.may_go.set()
        self.join(20)
        assert not self.is_alive()


def test_holders_share_and_the_collector_waits_for_all(paths):
    first, second = Other(holding_objects(paths)), Other(holding_objects(paths))
    assert first.has.wait(10) and second.has.wait(10)
    alone = Other(alone_with_objects(paths))
    first.leave()
    assert not alone.has.wait(0.2)
    second.leave()
    assert alone.has.wait(10)
    late = Other(holding_objects(paths))
    assert not late.has.wait(0.2)
    alone.leave()
    assert late.has.wait(10)
    late.leave()


def test_steady_holders_do_not_starve_the_collector(paths):
    end = threading.Event()
    held = []

    def hold_again_and_again():
        while not end.is_set():
            with holding_objects(paths):
                time.sleep(0.01)
                held.append(1)

    threads = [threading.Thread(target=hold_again_and_again) for _ in range(4)]
    for thread in threads:
        thread.start()
    with not_hanging():
        for _ in range(3):
            with alone_with_objects(paths):
                before = len(held)
                time.sleep(0.05)
                assert len(held) == before
    end.set()
    for thread in threads:
        thread.join()
    assert len(held) > 4


def test_one_who_holds_for_long_keeps_newcomers_waiting_only_for_a_turn(paths):
    first = Other(holding_objects(paths))
    assert first.has.wait(10)
    alone = Other(alone_with_objects(paths))
    time.sleep(0.05)
    late = Other(holding_objects(paths))
    assert late.has.wait(5)
    assert not alone.has.is_set()
    first.leave()
    late.leave()
    assert alone.has.wait(10)
    alone.leave()


def test_waiting_can_be_called_off(paths):
    other = Other(alone_with_objects(paths))
    assert other.has.wait(10)
    listener = Listener()
    threading.Timer(0.1, setattr, (listener, "cancelled", True)).start()
    with listening(listener), pytest.raises(Cancelled), holding_objects(paths):
        pass
    assert listener.seen[0] == "Waiting for others who use the snapshots"
    other.leave()
    with holding_objects(paths):
        pass


def test_nothing_stays_open(paths):
    before = len(os.listdir("/proc/self/fd"))
    with holding_objects(paths), holding_objects(paths):
        pass
    with alone_with_objects(paths):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_locks_holders_go_on_and_collectors_refuse(paths, monkeypatch):
    def no_locks(fd, shared=False):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(posix, "try_lock", no_locks)
    with holding_objects(paths):
        done = True
    assert done
    with pytest.raises(EspalierError) as caught, alone_with_objects(paths):
        pass
    assert caught.value.code == "not_supported"


def test_a_store_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EspalierError) as caught, holding_objects(WorkspacePaths(str(tmp_path / "file"))):
        pass
    assert caught.value.code == "workspace_read_only"


@pytest.mark.parametrize("lock", ["hold", "hold_turn"])
@pytest.mark.parametrize("what", ["link", "dangling link", "pipe", "folder"])
def test_what_a_job_put_in_place_of_a_lock_is_set_aside(paths, tmp_path, lock, what):
    """A link was followed: a file of the user's was locked, or made where there was none."""
    with holding_objects(paths):
        place = getattr(paths, lock)
    os.unlink(place)
    target = tmp_path / "target"
    if what == "link":
        target.touch()
    {"pipe": os.mkfifo, "folder": os.mkdir}.get(what, lambda path: os.symlink(target, path))(place)
    first, second = Other(holding_objects(paths)), Other(holding_objects(paths))
    assert first.has.wait(10) and second.has.wait(10)
    late = Other(alone_with_objects(paths))
    assert not late.has.wait(0.1)
    for other in (first, second):
        other.leave()
    assert late.has.wait(10)
    late.leave()
    assert os.path.isfile(place) and not os.path.islink(place)
    assert target.exists() == (what == "link")
    assert any(f"{os.path.basename(place)}.replaced-" in name for name in os.listdir(os.path.dirname(place)))


def test_the_lock_of_another_user_can_be_held(paths, monkeypatch):
    with holding_objects(paths):
        pass
    opened = posix.open_lockable

    def only_to_read(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(posix, "open_lockable", only_to_read)
    with holding_objects(paths):
        monkeypatch.setattr(posix, "open_lockable", opened)
        fd = posix.open_lockable(paths.hold)
        assert not posix.try_lock(fd)
        os.close(fd)
