import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from defined import defined
from espalier.adapters import posix
from espalier.base.queue_paths import QueuePaths
from espalier.base.resources import Resources
from espalier.queue.home import queue_paths
from espalier.queue.step import step
from espalier.queue.tickets import add_ticket, claim, find_ticket, is_dead, leases, open_lease, remove, tickets

RUN = "e_1_abcdef01"


@pytest.fixture
def queue(home: Path) -> QueuePaths:
    return queue_paths()


def test_first_in_first_out(queue: QueuePaths) -> None:
    ids = [f"e_1_{number:08x}" for number in (5, 3, 9, 1)]
    for run_id in ids:
        add_ticket(queue, "/r/" + run_id, defined())
    assert [(ticket.run_id, ticket.run_dir) for ticket in tickets(queue.tickets)] == [(i, "/r/" + i) for i in ids]


def test_find_ticket(queue: QueuePaths) -> None:
    add_ticket(queue, "/r/" + RUN, defined())
    assert find_ticket(queue, RUN) == os.path.join(queue.tickets, os.listdir(queue.tickets)[0])
    assert find_ticket(queue, "e_1_abcdef02") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"run_id": "../x", "run_dir": "/r"}', '{"run_id": "e_1_abcdef01"}', '{"run_id": 1, "run_dir": "/r"}']
)
def test_unreadable_tickets_are_dropped(queue: QueuePaths, content: str) -> None:
    Path(queue.tickets, "5-1-x.json").write_text(content)
    assert list(tickets(queue.tickets)) == [] and os.listdir(queue.tickets) == []


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "full folder"])
@pytest.mark.parametrize("place", ["tickets", "waiting", "leases"])
def test_what_is_no_file_stops_no_queue(queue: QueuePaths, place: str, kind: str) -> None:
    """It is neither waited for nor followed; a folder is set aside, and reported once."""
    path = Path(getattr(queue, place), f"{RUN}.json" if place == "leases" else f"5-{1:020d}-{RUN}.json")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/nowhere")
    else:
        path.mkdir()
        if kind == "full folder":
            (path / "x").touch()
    step()
    step()
    assert not os.path.lexists(path)
    aside = [name for name in os.listdir(queue.root) if name.startswith("damaged-")]
    assert len(aside) == ("folder" in kind)
    if aside:
        assert Path(queue.keeper_log).read_text().count("not a file") == 1
    add_ticket(queue, "/r/" + RUN, defined())
    (ticket,) = tickets(queue.tickets)
    fd = claim(queue, ticket)
    assert fd is not None
    os.close(fd)


def test_a_claim_turns_the_ticket_into_a_lease(queue: QueuePaths) -> None:
    add_ticket(queue, "/r/" + RUN, defined())
    fd = claim(queue, next(tickets(queue.tickets)))
    assert fd is not None and not os.get_inheritable(fd)
    assert os.listdir(queue.tickets) == []
    (lease,) = leases(queue)
    assert (lease.run_id, lease.run_dir, lease.needs) == (RUN, "/r/" + RUN, Resources())
    assert not is_dead(lease.path)
    os.close(fd)
    assert is_dead(lease.path)


def test_a_second_ticket_of_a_claimed_run_is_dropped(queue: QueuePaths) -> None:
    add_ticket(queue, "/r/" + RUN, defined())
    fd = claim(queue, next(tickets(queue.tickets)))
    assert fd is not None
    add_ticket(queue, "/r/" + RUN, defined())
    assert claim(queue, next(tickets(queue.tickets))) is None
    assert os.listdir(queue.tickets) == [] and not is_dead(queue.lease(RUN))
    os.close(fd)


def test_a_lease_dies_with_its_holder_and_not_before(queue: QueuePaths) -> None:
    code = (
        "import sys, os, fcntl; fd = os.open(sys.argv[1], os.O_RDWR); fcntl.flock(fd, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    os.close(open_lease(queue, RUN, "/r"))
    argv = [sys.executable, "-c", code, queue.lease(RUN)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert not is_dead(queue.lease(RUN))
        holder.send_signal(19)  # STOP: stopped is not dead
        assert not is_dead(queue.lease(RUN))
        holder.kill()
    assert is_dead(queue.lease(RUN))


def test_interactive_leases_take_no_slot(queue: QueuePaths) -> None:
    fd = open_lease(queue, RUN, "/r/" + RUN)
    assert leases(queue)[0].needs == Resources(cpus=0)
    assert os.stat(queue.lease(RUN)).st_mode & 0o077 == 0
    os.close(fd)


def test_a_dead_lease_that_was_cut(queue: QueuePaths) -> None:
    Path(queue.lease(RUN)).write_text('{"run_')
    assert leases(queue) == [] and os.listdir(queue.leases) == []


def test_a_living_lease_that_was_cut_stays(queue: QueuePaths) -> None:
    path = Path(queue.lease(RUN))
    path.write_text("")
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert leases(queue) == [] and path.exists()


def test_no_lease_is_not_dead(queue: QueuePaths) -> None:
    assert not is_dead(queue.lease(RUN))
    remove(queue.lease(RUN))


def test_descriptors_to_hand_on_are_above_stdio(tmp_path: Path) -> None:
    """A session may have closed its stdin; the next file it opens is then number 0."""
    (tmp_path / "f").write_text("")
    code = (
        "import os; os.close(0); from espalier.adapters import posix; import sys; "
        "fd = posix.open_lockable(sys.argv[1]); print(fd, os.get_inheritable(fd), posix.try_lock(fd))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "f")], capture_output=True, text=True, check=True)
    number, inheritable, locked = done.stdout.split()
    assert int(number) > 2 and (inheritable, locked) == ("False", "True")


def test_process_start_knows_the_dead_and_zombies() -> None:
    assert posix.process_start(os.getpid()) is not None
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert posix.process_start(pid) is None
    os.waitpid(pid, 0)
    assert posix.process_start(pid) is None
