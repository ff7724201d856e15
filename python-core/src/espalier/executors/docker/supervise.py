"""The supervisor of a job's container, a fork of the run's runner.

It copies what the container prints, which the runner has had started, to its own output, hands TERM on, notes how it
ended, and ends with its exit status. So to the runner it is the job; the runner removes the container, or the
supervisor does if the runner has died. Standard library only.

Descriptors: 0 is the runner's word, which ends when the runner has died; 1 the job's log, 2 the runner's.
"""

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any, List, Optional, Tuple

from espalier.adapters.engine import Engine, EngineError
from espalier.adapters.engine_stream import EngineGone, Stream
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.base.records import write_all
from espalier.executors.docker.config import Order, container_config, container_name
from espalier.executors.docker.record import Box, write_box
from espalier.executors.docker.unseen import Unseen, Written
from espalier.lifecycle.place import Place

if TYPE_CHECKING:
    from _socket import socket as Socket

    # Where what a container prints comes, and the answer to its start.
    Begun = Tuple[Stream, Socket]

# Prints `R` if there is any. R that waits for a program ignores INT, so that program is ended first.
_SCRIPT = """
for p in /proc/[0-9]*; do
  read -r name < "$p/comm" && [ "$name" = R ] && r="$r ${p#/proc/}"
done 2>/dev/null
[ "$r" ] || exit 0
echo R
for round in 1 2 3 4 5 6 7 8 9 10; do
  later=
  for pid in $r; do
    ignored=
    while read -r key value; do [ "$key" = SigIgn: ] && ignored=$value; done < /proc/$pid/status
    case $ignored in
      *[2367abef]) later="$later $pid" ;;
      ?*) kill -INT $pid ;;
    esac
  done 2>/dev/null
  r=$later
  [ "$r" ] || exit 0
  for p in /proc/[0-9]*; do
    while read -r key value; do
      [ "$key" = PPid: ] && case "$r " in *" $value "*) kill ${p#/proc/} ;; esac
    done < "$p/status"
  done 2>/dev/null
  sleep 0.1
done
"""


def interrupt_r(engine: Engine, container: str) -> bool:
    """Send INT to every R in a container, without waiting for what becomes of it.

    Returns:
        Whether there is any. False too where the container has no shell.
    """
    try:
        stream = engine.execute(container, ["/bin/sh", "-c", _SCRIPT])
        with contextlib.closing(stream):
            said: Optional[bytes] = b""
            while said == b"":  # a piece may be empty, and None is the end
                said = stream.read()
            return said is not None and said.startswith(b"R\n")
    except (EngineError, EngineGone):
        return False


# A container that is to end is killed after that; less than the runner waits before it kills us. Seconds.
GRACE_SECONDS = 8.0
# The part of it that R in a container, which gets INT first, has to clean up. Seconds.
_R_SECONDS = 6.0
# How long an engine may be away, being restarted, before the job counts as lost. Seconds.
AWAY_SECONDS = 60.0
# The end of a job comes that soon after that of its output, unless it closed that or the engine went away. Seconds.
_END_SECONDS = 1.0
# What the log of a job says that may lack something.
_GAP = b"espalier: the connection to the Docker engine broke off; what the job printed until it was back is missing.\n"
_WORD, _LOG = 0, 1
# Our own exit status when the engine fails us, as docker's own program has it.
FAILED = 125
_CANNOT_START = 127
_STOPPERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def supervise(run: RunPaths, spec: JobSpec, order: Order, container: str, begun: "Optional[Begun]") -> int:
    """Supervise the container of one run to its end.

    Args:
        begun: What comes of it; None where it is not started yet.

    Returns:
        What to exit with.
    """
    woken = _wake_by_signals()
    return _Job(run, spec, order, woken).execute(container, begun)


class _Job:
    def __init__(self, run: RunPaths, spec: JobSpec, order: Order, woken: int) -> None:
        self._run, self._spec, self._order, self._woken = run, spec, order, woken
        self._place = Place(run)  # (its workspace may be moved)
        self._engine = Engine(order.engine)
        self.box = Box(engine=order.engine, image=order.image, name=container_name(run), masked=order.masked)
        self._written = Written()
        self._stopping: Optional[Socket] = None
        self._stop_at: Optional[float] = None  # R has been interrupted, and may take so long
        self._is_orphan = False  # the runner is dead

    def execute(self, container: str, begun: "Optional[Begun]") -> int:
        """See it to its end. See `supervise`."""
        self._note(id=container)
        with contextlib.suppress(OSError):
            self.box = self.box._replace(log_start=os.path.getsize(self._run.log))
        stream = self._start(begun)
        if stream is None:
            self.remove()
            return _CANNOT_START
        try:
            self._copy(stream)
            if not self._wait(_END_SECONDS):
                self._go_on(was_away=False)
        except (EngineError, EngineGone) as error:
            if not self._found_again(error):
                return FAILED
        return self._end()

    def _start(self, begun: "Optional[Begun]") -> Optional[Stream]:
        for in_order in (True, False):
            try:
                stream, answer = begun or (self._engine.attach(self.box.id), self._engine.begin_start(self.box.id))
                begun = None
                self._engine.started(answer)
                break
            except (EngineError, EngineGone) as error:
                no_shell = isinstance(error, EngineError) and '"/bin/sh"' in str(error)
                if in_order and no_shell:
                    self._engine.remove(self.box.id)
                    image = self._engine.image(self._order.image)
                    config = container_config(self._run, self._spec, self._order, image, in_order=False)
                    self._note(id=self._engine.create(self.box.name, config))
                    continue
                self._note(start_error=str(error))
                self._pass_on(f"espalier: the container could not be started: {error}\n".encode())
                return None
        pid = 0
        with contextlib.suppress(EngineError, EngineGone):
            pid = int(self._engine.inspect(self.box.id)["State"]["Pid"])
        self._note(pid=pid, state="running")
        return stream

    def _copy(self, stream: Stream, unseen: Optional[Unseen] = None) -> None:
        """What it prints, as it comes, to its end; or what of that has not been seen."""
        with contextlib.closing(stream):
            while True:
                if stream.is_waiting or stream.connection in self._ready(stream.connection):
                    data = stream.read()
                    if data is None:
                        return
                    self._pass_on(unseen.of(data) if unseen else data)

    def _wait(self, seconds: Optional[float] = None) -> bool:
        """Wait for its end, which is not the end of its output when it has closed that.

        Args:
            seconds: Wait no longer.

        Returns:
            Whether it has ended.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with contextlib.closing(self._engine.wait(self.box.id)) as connection:
            said = b""
            while b"StatusCode" not in said:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                if connection in self._ready(connection, left):
                    said += _more(connection)
        return True

    def _ready(self, connection: "Socket", seconds: Optional[float] = None) -> List[Any]:
        """Wait until there is something to read, and hand on what is asked of the job meanwhile."""
        listened: List[Any] = [connection, self._woken]
        if not self._is_orphan:
            listened.append(_WORD)
        until_stop = None if self._stop_at is None else max(self._stop_at - time.monotonic(), 0.0)
        pauses = [pause for pause in (seconds, until_stop) if pause is not None]
        ready = select.select(listened, [], [], min(pauses, default=None))[0]
        if self._woken in ready:
            os.read(self._woken, 512)
            self._begin_to_stop()
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self._stop_at = None
            self._stop(GRACE_SECONDS - _R_SECONDS)
        if _WORD in ready and not os.read(_WORD, 64):
            self._is_orphan = True
            self._note(state="stopped")  # first: when we are killed, too, what is found would seem its own end
            self._stop(0)
        return ready

    def _begin_to_stop(self) -> None:
        if self._stop_at is None and self._stopping is None and interrupt_r(self._engine, self.box.id):
            self._stop_at = time.monotonic() + _R_SECONDS
        if self._stop_at is None:
            self._stop(GRACE_SECONDS)

    def _stop(self, grace: float) -> None:
        """Ask the engine to end it, without waiting for that."""
        if self._stopping is None or grace == 0:
            with contextlib.suppress(EngineGone):
                self._stopping = self._engine.begin_stop(self.box.id, grace)

    def _found_again(self, error: Exception) -> bool:
        """The engine went away under the job: wait until it is back, and the job has ended."""
        self._note(engine_error=str(error))
        deadline = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < deadline:
            is_running = False
            try:
                is_running = bool(self._engine.inspect(self.box.id)["State"]["Running"])
                self._go_on(was_away=True)
                if is_running:  # the engine has not taken it along
                    self._note(engine_error=None)
                return True
            except (EngineError, EngineGone) as lost:  # it is away, is starting, or has forgotten the container
                if self._is_asked_to_end(0.25):
                    return False
                if is_running and isinstance(lost, EngineGone):  # it had been back
                    deadline = time.monotonic() + AWAY_SECONDS
        return False

    def _go_on(self, was_away: bool) -> None:
        """Copy what it prints from where that broke off, to its end, by what the engine keeps; of a job with secrets it
        keeps nothing."""
        if self.box.masked:
            stream = self._engine.attach(self.box.id)
            if was_away:
                self._pass_on(b"\n" * bool(self._written.line) + _GAP)
            # (one that ended before we listened would never say so)
            if self._engine.inspect(self.box.id)["State"]["Running"]:
                self._copy(stream)
            else:
                stream.close()
        else:
            self._copy(self._engine.follow(self.box.id), Unseen(self._written))
        self._wait()

    def _is_asked_to_end(self, seconds: float) -> bool:
        ready = select.select([self._woken, _WORD], [], [], seconds)[0]
        return self._woken in ready or (_WORD in ready and not os.read(_WORD, 64))

    def _end(self) -> int:
        try:
            state = self._engine.inspect(self.box.id)["State"]
        except (EngineError, EngineGone) as error:
            self._note(engine_error=str(error))
            return FAILED
        code = int(state["ExitCode"])
        ended = "stopped" if self._is_orphan else "ended"
        is_noted = self._note(state=ended, exit_code=code, oom_killed=bool(state.get("OOMKilled")), pid=0)
        if self._is_orphan or not is_noted:  # (nobody else would)
            self.remove()
        return code

    def remove(self) -> None:
        """Remove it. A container that is left is found by its label."""
        try:
            self._engine.remove(self.box.id or self.box.name)
            self._note(removed=True)
        except (EngineError, EngineGone) as error:
            self._note(engine_error=str(error))

    def _note(self, **changes: Any) -> bool:
        self.box = self.box._replace(**changes)
        return write_box(self._place.now(), self.box)

    def _pass_on(self, data: bytes) -> None:
        self._written.add(data)
        with contextlib.suppress(OSError):  # a full disk does not end the job
            write_all(_LOG, data)


def _more(connection: "Socket") -> bytes:
    try:
        data = connection.recv(65536)
    except OSError as error:  # it was killed
        raise EngineGone(0, f"the engine hung up: {error.strerror or error}") from error
    if not data:
        raise EngineGone(0, "the engine hung up")
    return data


def _wake_by_signals() -> int:
    """A descriptor that has something to read when we are asked to end."""
    ours, theirs = os.pipe()
    for fd in (ours, theirs):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(theirs)
    for number in _STOPPERS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # (the runner has blocked them)
    return ours
