"""Executors that other packages register: found at submit, found again where the run is executed, and held to the
contract, so that one that fails, hangs or contradicts itself fails its run and nothing else.

The part that the runner needs takes the standard library alone.
"""

import contextlib
import os
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from espalier.adapters.inside import replace_inside
from espalier.adapters.tree import Tree
from espalier.base.errors import EspalierError
from espalier.base.model.job import ExecutorCode, JobSpec
from espalier.base.model.status import Status
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import dump_record
from espalier.executors.code import failed, file_of, imported, registered
from espalier.executors.contract import Capabilities, Executor, Interruption, Job, Reconciled, TooWide
from espalier.executors.limit import Canceled, TooLong, insisting, limit
from espalier.executors.meter import Meter
from espalier.lifecycle.status import Outcome

if TYPE_CHECKING:
    from espalier.base.config import ScriptRunConfig
    from espalier.environment.definition import Environment
    from espalier.executors.contract import Launch, MakeMeter

# With this exit status the process that stands for a job says that it doesn't know how the job ended.
UNKNOWN = 125
# So long an executor may take to find out what became of a job that has ended, seconds.
_FIND_SECONDS = 60.0
_DAY = 86400.0
# No job has ended after this, seconds since 1970 (and NaN isn't before it).
_FOREVER = 1e11
# How much of a traceback a run's error holds.
_FRAMES, _LINES, _LINE_LENGTH = 20, 100, 500


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
        raise EspalierError("not_supported", f"Can't find the compute target {name!r:.100}.", hint)
    target, folders = entries[name]
    for folder in folders:
        path = file_of(folder, target)
        if path is not None:
            return _made(name, target, imported(name, target, folder, path)), ExecutorCode(target, folder)
    raise failed(name, f"its code, {target}, isn't in {' or '.join(folders)}")


def recorded_executor(spec: JobSpec, seconds: Optional[float], run: Optional[RunPaths]) -> Executor:
    """The executor of a run, from where it was at submit. See `executor_of`."""
    name, code = spec.target, spec.executor
    hint = "Install the package again, and submit the run again."
    if code is None or not os.path.isdir(code.folder):
        where = "" if code is None else f", which was in {code.folder}"
        raise EspalierError("executor_missing", f"Can't find the executor {name!r:.100} on this machine{where}.", hint)
    path = file_of(code.folder, code.object)
    if path is None:
        message = f"Can't find the executor {name!r} in {code.folder}, where it was at submit."
        raise EspalierError("executor_missing", message, hint)
    if code.folder not in sys.path:
        sys.path.append(code.folder)  # (the standard library, and espalier, come first)
    try:
        with limit(seconds), _insisting(run, name, "its module"):
            module = imported(name, code.object, code.folder, path)
    except TooLong:
        raise failed(name, f"its module takes longer than {seconds} seconds to load") from None
    return _made(name, code.object, module)


class ForeignExecutor(Executor):
    """Another package's executor, held to the contract."""

    def __init__(self, name: str, executor: Executor) -> None:
        self.name, self._executor = name, executor
        self.capabilities, self._launch_seconds = executor.capabilities, executor.launch_seconds
        self._hide: Callable[[str], str] = str

    def check(self, config: "ScriptRunConfig") -> List[str]:
        """See `Executor`."""
        return list(self._call("check", config))

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
        if job.secrets is not None:
            self._hide = job.secrets.hide
        if self.capabilities.may_outlive:  # (first: when all of us die, it says that there may be something)
            replace_inside(job.run.root, job.run.executor, dump_record({"format": FORMAT, "executor": self.name}))
            job.undo.callback(self.reconcile, job.run, Status())
        seconds = min(self._launch_seconds, job.spec.max_run_duration_seconds or _DAY)
        with _insisting(job.run, self.name, "its `prepare`"):
            launch = self._call("prepare", job)
        return partial(self._launch, launch, seconds)

    def _launch(self, launch: "Launch", seconds: float, run: RunPaths) -> int:
        try:
            pid: int = self._call("launch", run, call=launch, seconds=seconds)
        except BaseException:
            Tree(os.path.basename(run.root), None, os.getpid()).kill()  # (no process watches what it has started)
            if self.capabilities.may_outlive:
                self.reconcile(run, Status())
            raise
        return pid

    def measure(self, run: RunPaths) -> "Optional[MakeMeter]":
        """See `Executor`."""
        try:
            made: Optional[MakeMeter] = self._call("measure", run, seconds=_FIND_SECONDS)
        except EspalierError as error:
            _note(error)
            return None
        return None if made is None else partial(_meter, made)

    def outcome(self, run: RunPaths, ended: "Outcome") -> "Outcome":
        """See `Executor`."""
        try:
            found: Outcome = self._call("outcome", run, ended, seconds=_FIND_SECONDS)
            self._refuse_contradiction(ended, found)
        except EspalierError as error:
            return ended._replace(cause=(error.code, error.message), traceback=_traceback_of(error))
        changes = {name: getattr(found, name) for name in ("exit_code", "signal", "cause", "hint", "warnings")}
        return ended._replace(**changes)

    def _refuse_contradiction(self, ended: "Outcome", found: "Outcome") -> None:
        if ended.exit_code in (None, UNKNOWN) or (found.exit_code, found.signal) == (ended.exit_code, ended.signal):
            return
        seen = f"signal {found.signal}" if found.exit_code is None else f"exit status {found.exit_code}"
        why = f"it reports {seen}, and the process that stood for the job had exit status {ended.exit_code}"
        raise failed(self.name, why, _place_of(self._executor.outcome, why))

    def release(self, run: RunPaths) -> "Optional[Callable[[RunPaths], None]]":
        """See `Executor`. Raises EspalierError: it failed. (What it still holds is looked for once more.)"""
        return partial(self._released, self._give_up(run))

    def _released(self, wait: "Optional[Callable[[RunPaths], None]]", run: RunPaths) -> None:
        def waited(run: RunPaths) -> None:
            if wait is not None:
                wait(run)

        self._give_up(run, waited)
        with contextlib.suppress(OSError):
            os.unlink(run.executor)

    def _give_up(self, run: RunPaths, call: "Optional[Callable[[RunPaths], None]]" = None) -> Any:
        try:
            return self._call("release", run, call=call, seconds=_FIND_SECONDS)
        except EspalierError as error:
            _note(error)
            raise

    def reconcile(self, run: RunPaths, status: Status) -> Reconciled:
        """See `Executor`."""
        try:
            found: Reconciled = self._call("reconcile", run, status, seconds=_FIND_SECONDS)
        except EspalierError as error:
            _note(error)
            return Reconciled(cause=(error.code, error.message), is_gone=False)
        cause = found.cause and (found.cause[0], found.cause[1])
        return Reconciled(found.exit_code, found.ended_at, cause, found.hint, found.is_gone is True)

    def _call(
        self,
        act: str,
        *arguments: Any,
        call: Optional[Callable[..., Any]] = None,
        seconds: Optional[float] = None,
    ) -> Any:
        """Call one of its methods, and hold the result to the contract.

        Args:
            *arguments: What it gets.
            call: What to call in its place: a function that it had returned.
            seconds: It may take no longer; None: there is a limit already, or none is needed.

        Raises:
            EspalierError: `executor_failed`, with the `traceback`; or what the method raised.
        """
        fits, kind = _KINDS[act]
        run = arguments[0] if act == "launch" else None
        late = f"its `{act}` took longer than {seconds:g} seconds" if seconds else ""
        try:
            with limit(seconds, run, partial(_leave_note, run, self.name, late)):
                result = (call or getattr(self._executor, act))(*arguments)
            if fits(result):
                return result
        except TooWide:
            raise
        except EspalierError as error:
            if act in _REFUSING:
                raise
            message = f"The executor {self.name!r:.100} failed in `{act}`: {self._hide(error.message)}"
            raise EspalierError(error.code, message, self._hide(error.hint), **error.fields) from error
        except Canceled:
            raise failed(self.name, f"its `{act}` was interrupted, because the run was canceled") from None
        except TooLong as error:
            raise failed(self.name, late, self._hidden(_frames(error))) from None
        except Interruption:
            raise
        except BaseException as error:
            if seconds is None and isinstance(error, KeyboardInterrupt):  # (the user's)
                raise
            why = f"its `{act}` raised {self._hide(_words(error))}"
            raise failed(self.name, why, self._hidden(_frames(error))) from None
        method = getattr(self._executor, act)
        is_own = getattr(method, "__func__", method) is not getattr(Executor, act)
        why = f"its `{act}` returned {self._hide(_shown(result))}, not {kind}"
        raise failed(self.name, why, _place_of(method if is_own else call, why))

    def _hidden(self, lines: Sequence[str]) -> List[str]:
        return self._hide("\n".join(lines)).split("\n")


def _leave_note(run: Optional[RunPaths], name: str, why: str) -> None:
    """What the process that reconciles the run is to say, because this one is about to be killed."""
    if run is not None:
        note = {"format": FORMAT, "executor": name, "failed": failed(name, why).message}
        replace_inside(run.root, run.executor, dump_record(note))


def _insisting(run: Optional[RunPaths], name: str, what: str) -> "contextlib.AbstractContextManager[None]":
    """Of what a runner does before the job starts, which is interrupted from outside of this file."""
    if run is None:
        return contextlib.nullcontext()
    return insisting(partial(_leave_note, run, name, f"{what} goes on when it is interrupted"))


def _meter(made: "MakeMeter", path: str, tree: Tree, started: float) -> Meter:
    """The meter that an executor makes; one that measures processes where it makes none."""
    try:
        meter = made(path, tree, started)
        if isinstance(meter, Meter):
            return meter
    except Exception:
        traceback.print_exc()
    return Meter(path, tree, started)


def _is_child(pid: Any) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (OSError, OverflowError, TypeError):
        return False
    return type(pid) is int and pid > 1


def _are_texts(found: Any) -> bool:
    return isinstance(found, (list, tuple)) and all(isinstance(text, str) for text in found)


def _is_mapping(found: Any) -> bool:
    return isinstance(found, Mapping) and all(isinstance(name, str) for name in found)


def _may_be_called(found: Any) -> bool:
    return found is None or callable(found)


def _is_cause(found: Any) -> bool:
    return found is None or (_are_texts(found) and len(found) == 2)


def _is_outcome(found: Any) -> bool:
    if not isinstance(found, Outcome) or (found.exit_code is None) == (found.signal is None):
        return False
    number = found.signal if found.exit_code is None else found.exit_code
    return type(number) is int and _is_cause(found.cause) and isinstance(found.hint, str) and _are_texts(found.warnings)


def _is_reconciled(found: Any) -> bool:
    if not isinstance(found, Reconciled) or type(found.hint) is not str:
        return False
    code, ended, cause = found.exit_code, found.ended_at, found.cause
    is_code = code is None or (type(code) is int and abs(code) < 1 << 31)
    is_moment = ended is None or (type(ended) in (int, float) and 0 <= ended < _FOREVER)
    return is_code and is_moment and _is_cause(cause) and (cause is None or all(cause))


# What the methods return: how that is seen, and in words.
_KINDS: Mapping[str, Tuple[Callable[[Any], bool], str]] = {
    "check": (_are_texts, "a list of texts"),
    "inherits": (_is_mapping, "a dict of variables"),
    "narrowed": (_is_mapping, "a dict of fields"),
    "prepare": (callable, "a function that launches the job"),
    "launch": (_is_child, "a child process of the runner"),
    "measure": (_may_be_called, "a function or None"),
    "outcome": (_is_outcome, "an outcome with an exit code or a signal"),
    "release": (_may_be_called, "a function or None"),
    "reconcile": (_is_reconciled, "a Reconciled that can be recorded"),
}
# In these an error is what the user is to read, of the job.
_REFUSING = ("check", "narrowed")


def _words(error: BaseException) -> str:
    """Type and text of an exception."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()[:300]


def _shown(found: Any) -> str:
    try:
        return repr(found)[:100]
    except Exception:
        return f"a {type(found).__name__}"


def _frames(error: BaseException) -> List[str]:
    """The lines of a traceback, without the frame that is ours."""
    below = error.__traceback__.tb_next if error.__traceback__ is not None else None
    lines = traceback.format_exception(type(error), error, below, limit=-_FRAMES)
    return [line[:_LINE_LENGTH] for line in "".join(lines).splitlines()[-_LINES:]]


def _place_of(function: Any, why: str) -> List[str]:
    """What stands for a traceback where nothing was raised: the function, and what is wrong with it."""
    code = getattr(function, "__code__", None)
    place = [] if code is None else [f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}']
    return [*place, why[0].upper() + why[1:]]


def _traceback_of(error: EspalierError) -> List[str]:
    return list(error.fields.get("traceback", []))


def _note(error: EspalierError) -> None:
    """Write what failed to the log of this process: no error of a run has room for it."""
    print("\n".join([*_traceback_of(error), error.message]), file=sys.stderr, flush=True)


def _made(name: str, target: str, module: Any) -> Executor:
    cls = getattr(module, target.partition(":")[2], None)
    if not isinstance(cls, type) or not issubclass(cls, Executor):
        raise failed(name, f"{target} isn't a class that extends espalier.executors.contract.Executor")
    try:
        executor = cls()
    except (Interruption, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise failed(name, f"it can't be made, {_words(error)}", _frames(error)) from error
    if executor.name != name:
        raise failed(name, f"its `name` is {_shown(executor.name)}, and its entry point's {name!r:.100}")
    if not isinstance(executor.capabilities, Capabilities):
        raise failed(name, f"its `capabilities` are {_shown(executor.capabilities)}, not Capabilities")
    seconds = executor.launch_seconds
    if type(seconds) not in (int, float) or not 0 < seconds <= _DAY:
        raise failed(name, f"its `launch_seconds` is {_shown(seconds)}, not a number above 0 and up to {_DAY:g}")
    if cls.launch is Executor.launch and cls.prepare is Executor.prepare:
        raise failed(name, "it has no method `launch`")
    return ForeignExecutor(name, executor)
