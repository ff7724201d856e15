"""Executors that other packages register: found at submit, found again where the run is executed, and held to the
contract, so that one that fails, hangs or contradicts itself fails its run and nothing else.

The part that the runner needs takes the standard library alone.
"""

import contextlib
import os
import signal
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from espalier.adapters.inside import replace_inside
from espalier.adapters.tree import Tree
from espalier.base.errors import EspalierError
from espalier.base.model.job import ExecutorCode, JobSpec
from espalier.base.model.status import Status
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import dump_record
from espalier.executors.code import failed, file_of, imported, registered
from espalier.executors.contract import Capabilities, Executor, Interruption, Job, Reconciled, TooWide
from espalier.executors.meter import Meter

if TYPE_CHECKING:
    from espalier.base.config import ScriptRunConfig
    from espalier.environment.definition import Environment
    from espalier.executors.contract import Launch, MakeMeter
    from espalier.lifecycle.status import Outcome

# With this exit status the process that stands for a job says that it doesn't know how the job ended.
UNKNOWN = 125
# So long an executor may take to find out what became of a job that has ended, seconds.
_FIND_SECONDS = 60.0
# What takes too long is interrupted, and then, this many ticks apart, so often again before its process is killed.
_TICK_SECONDS, _AGAIN, _TIMES = 1.0, 10, 4
_DAY = 86400.0
# No job has ended after this, seconds since 1970 (and NaN isn't before it).
_FOREVER = 1e11


def registered_executor(name: str, known: Tuple[str, ...]) -> Tuple[Executor, ExecutorCode]:
    """The executor that an installed package registers under a name, and where its code is.

    Args:
        known: The names of those that need not be registered.

    Raises:
        EspalierError: `not_supported`: there is none; `executor_failed`: it can't be loaded; `writable_by_others`.
    """
    entries = registered()
    if name not in entries:
        names = " or ".join(f'"{each}"' for each in (*known, *sorted(entries)))
        hint = f"Use {names}, or install the package that provides it."
        raise EspalierError("not_supported", f"There is no compute target {name!r:.100}.", hint)
    target, folders = entries[name]
    for folder in folders:
        path = file_of(folder, target)
        if path is not None:
            return _made(name, target, imported(name, target, folder, path)), ExecutorCode(target, folder)
    raise failed(name, f"its code, {target}, isn't in {' or '.join(folders)}")


def recorded_executor(spec: JobSpec, seconds: Optional[float]) -> Executor:
    """The executor of a run, from where it was at submit. Raises as `executor_of`."""
    name, code = spec.target, spec.executor
    hint = "Install the package again, and submit the run again."
    if code is None or not os.path.isdir(code.folder):
        where = "" if code is None else f", which was in {code.folder}"
        raise EspalierError("executor_missing", f"There is no executor {name!r:.100} here{where}.", hint)
    path = file_of(code.folder, code.object)
    if path is None:
        message = f"The executor {name!r} isn't in {code.folder} any more, where it was when the run was submitted."
        raise EspalierError("executor_missing", message, hint)
    if code.folder not in sys.path:
        sys.path.append(code.folder)  # (the standard library, and espalier, come first)
    try:
        with _limit(seconds):
            module = imported(name, code.object, code.folder, path)
    except _TooLong:
        raise failed(name, f"its module takes longer than {seconds} seconds to load") from None
    return _made(name, code.object, module)


class ForeignExecutor(Executor):
    """Another package's executor, held to the contract.

    Args:
        name: Its name.
        executor: The executor.
    """

    def __init__(self, name: str, executor: Executor) -> None:
        self.name, self._executor = name, executor
        self.capabilities, self._launch_seconds = executor.capabilities, executor.launch_seconds

    def check(self, config: "ScriptRunConfig") -> List[str]:
        """See `Executor`."""
        return [str(warning) for warning in self._call("check", config)]

    def specify(self, spec: JobSpec, config: "ScriptRunConfig", environment: "Optional[Environment]") -> JobSpec:
        """See `Executor`. (The definition of a run has no place for what another package needs.)"""
        return spec

    def inherits(self, variables: Mapping[str, str]) -> Dict[str, str]:
        """See `Executor`."""
        found = self._call("inherits", variables)
        return {name: variables[name] for name in found if name in variables}

    def narrowed(self, asked: Mapping[str, Any], spec: JobSpec) -> Dict[str, Any]:
        """See `Executor`."""
        return dict(self._call("narrowed", asked, spec))

    def prepare(self, job: Job) -> "Launch":
        """See `Executor`."""
        if self.capabilities.may_outlive:  # (first: when all of us die, it says that there may be something)
            replace_inside(job.run.root, job.run.executor, dump_record({"format": FORMAT, "executor": self.name}))
            job.undo.callback(self.reconcile, job.run, Status())
        launch = self._call("prepare", job)
        if not callable(launch):
            raise failed(self.name, f"its `prepare` returned {launch!r:.100}, which can't be called")
        return partial(self._launch, launch, min(self._launch_seconds, job.spec.max_run_duration_seconds or _DAY))

    def _launch(self, launch: "Launch", seconds: float, run: RunPaths) -> int:
        try:
            pid = self._limited("launch", seconds, launch, run)
            if type(pid) is not int or not _is_child(pid):
                raise failed(self.name, f"its `launch` returned {pid!r:.100}, which is no child process of the runner")
        except BaseException:
            Tree(os.path.basename(run.root), None, os.getpid()).kill()  # (what it has started, nobody watches)
            if self.capabilities.may_outlive:
                self.reconcile(run, Status())
            raise
        return pid

    def measure(self, run: RunPaths) -> "Optional[MakeMeter]":
        """See `Executor`."""
        try:
            made: Optional[MakeMeter] = self._call("measure", run)
        except EspalierError:
            traceback.print_exc()
            return None
        return None if made is None else partial(_meter, made)

    def outcome(self, run: RunPaths, ended: "Outcome") -> "Outcome":
        """See `Executor`."""
        try:
            return self._checked(ended, self._limited("outcome", _FIND_SECONDS, self._executor.outcome, run, ended))
        except EspalierError as error:
            return ended._replace(cause=(error.code, error.message))

    def _checked(self, ended: "Outcome", found: "Outcome") -> "Outcome":
        code, number = getattr(found, "exit_code", None), getattr(found, "signal", None)
        if (code is None) == (number is None) or type(number if code is None else code) is not int:
            raise failed(self.name, f"its `outcome` returned {found!r:.200}")
        if ended.exit_code not in (None, UNKNOWN) and (code, number) != (ended.exit_code, ended.signal):
            seen = f"exit status {code}" if number is None else f"signal {number}"
            why = f"it reports {seen}, and the process that stood for the job had exit status {ended.exit_code}"
            raise failed(self.name, why)
        cause = found.cause if found.cause is None else (str(found.cause[0]), str(found.cause[1]))
        warnings = [str(warning) for warning in found.warnings]
        return ended._replace(exit_code=code, signal=number, cause=cause, hint=str(found.hint), warnings=warnings)

    def release(self, run: RunPaths) -> "Optional[Callable[[RunPaths], None]]":
        """See `Executor`."""
        try:
            return partial(self._released, self._limited("release", _FIND_SECONDS, self._executor.release, run))
        except EspalierError:  # (what it still holds is looked for once more)
            return None

    def _released(self, wait: "Optional[Callable[[RunPaths], None]]", run: RunPaths) -> None:
        with contextlib.suppress(EspalierError, OSError):
            if wait is not None:
                self._limited("release", _FIND_SECONDS, wait, run)
            os.unlink(run.executor)

    def reconcile(self, run: RunPaths, status: Status) -> Reconciled:
        """See `Executor`."""
        try:
            return self._limited("reconcile", _FIND_SECONDS, self._found, run, status)  # type: ignore[no-any-return]
        except EspalierError as error:
            return Reconciled(cause=(error.code, error.message), is_gone=False)

    def _found(self, run: RunPaths, status: Status) -> Reconciled:
        """What became of a job, each field of a kind that can be recorded."""
        found = self._executor.reconcile(run, status)
        if not isinstance(found, Reconciled):
            raise failed(self.name, f"its `reconcile` returned {found!r:.200}")
        code, ended, cause, hint = found.exit_code, found.ended_at, found.cause, found.hint
        wrong = {
            "exit_code": code is not None and not (type(code) is int and abs(code) < 1 << 31),
            "ended_at": ended is not None and not (type(ended) in (int, float) and 0 <= ended < _FOREVER),
            "cause": cause is not None and not _is_cause(cause),
            "hint": type(hint) is not str,
        }
        for name in filter(wrong.get, wrong):
            raise failed(self.name, f"its `reconcile` returned {name} = {getattr(found, name)!r:.200}")
        return Reconciled(code, ended, cause and (cause[0], cause[1]), hint, found.is_gone is True)

    def _call(self, act: str, *arguments: Any) -> Any:
        try:
            return getattr(self._executor, act)(*arguments)
        except (EspalierError, TooWide):
            raise
        except (Exception, SystemExit) as error:
            raise failed(self.name, f"its `{act}` raised {type(error).__name__}: {error!s:.300}") from error

    def _limited(self, act: str, seconds: float, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call something of it, for no longer than so many seconds."""
        run = next(argument for argument in arguments if isinstance(argument, RunPaths))
        why = f"its `{act}` took longer than {seconds:g} seconds"

        def leave_note() -> None:  # (for who reconciles the run)
            note = {"format": FORMAT, "executor": self.name, "failed": failed(self.name, why).message}
            replace_inside(run.root, run.executor, dump_record(note))

        is_launch = act == "launch"
        try:
            with _limit(seconds, run if is_launch else None, leave_note if is_launch else lambda: None):
                return call(*arguments)
        except _Canceled:
            raise failed(self.name, f"its `{act}` was interrupted, for the run was canceled") from None
        except _TooLong:
            traceback.print_exc()
            raise failed(self.name, why) from None
        except (EspalierError, Interruption):
            raise
        except BaseException as error:
            traceback.print_exc()
            raise failed(self.name, f"its `{act}` raised {type(error).__name__}: {error!s:.300}") from error


def _is_cause(cause: Any) -> bool:
    return type(cause) in (tuple, list) and len(cause) == 2 and all(type(text) is str and text for text in cause)


def _meter(made: "MakeMeter", path: str, tree: Tree, started: float) -> Meter:
    """The meter that an executor makes; one that measures processes where it makes none."""
    try:
        meter = made(path, tree, started)
        if isinstance(meter, Meter):
            return meter
    except Exception:
        traceback.print_exc()
    return Meter(path, tree, started)


class _TooLong(Interruption):
    """Raised out of what an executor does."""


class _Canceled(Interruption):
    """The same, where the run is to be canceled."""


@contextlib.contextmanager
def _limit(
    seconds: Optional[float], run: Optional[RunPaths] = None, last_words: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Interrupt what is done inside after so many seconds, and again, for it may swallow that. Then kill this process.

    Args:
        run: It is interrupted too when a cancel of this run is asked for.
        last_words: Called before this process is killed.
    """
    if seconds is None:
        yield
        return
    ticks = int(-(-seconds // _TICK_SECONDS))
    over, raised, counted = ticks, 0, 0

    def ticked(*_: Any) -> None:
        nonlocal over, raised, counted
        counted += 1
        is_canceled = not raised and run is not None and os.path.exists(run.cancel)
        if counted < over and not is_canceled:
            return
        if raised == _TIMES:
            try:
                last_words()
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        raised += 1
        over = counted + min(ticks, _AGAIN)
        raise _Canceled if is_canceled else _TooLong

    old = signal.signal(signal.SIGALRM, ticked)
    signal.setitimer(signal.ITIMER_REAL, seconds / ticks, seconds / ticks)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # (a tick may have come on the way there)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (OSError, OverflowError):
        return False
    return pid > 1


def _made(name: str, target: str, module: Any) -> Executor:
    cls = getattr(module, target.partition(":")[2], None)
    if not isinstance(cls, type) or not issubclass(cls, Executor):
        raise failed(name, f"{target} is no class that extends espalier.executors.contract.Executor")
    if not isinstance(cls.capabilities, Capabilities):
        raise failed(name, "its `capabilities` are none")
    try:
        executor = cls()
        seconds = executor.launch_seconds
    except (Interruption, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise failed(name, f"it can't be made, {type(error).__name__}: {error!s:.300}") from error
    if type(seconds) not in (int, float) or not 0 < seconds <= _DAY:
        raise failed(name, f"its `launch_seconds` is {seconds!r:.100}, and not a number above 0 and up to {_DAY:g}")
    return ForeignExecutor(name, executor)
