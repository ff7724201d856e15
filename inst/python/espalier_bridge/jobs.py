"""Long calls: the core works on a thread of its own while R looks at it again and again, and can call it off.

R's thread does all that concerns R: it reads the arguments, turns the result into a response, and holds what a call
changes of the session. So the worker runs the core's code alone. It never calls R.
"""

import json
import threading
import warnings
from typing import Any, Callable, Dict, List

from espalier_bridge import calls
from espalier_bridge.values import carrier

# How long a look waits for the end, and how long calling off waits for the worker to reach a point where it can stop.
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 0.2

_jobs: "List[_Job]" = []
# The answer to the call that ended last, by its token: a time limit of R may end the look that was to bring it.
_answers: Dict[int, str] = {}


class _Job:
    """One call, its thread, and how it ended."""

    def __init__(self, token: int) -> None:
        from espalier.base.progress import Listener

        self.token = token
        self.listener = Listener()
        self.ended = threading.Event()
        self._surroundings = calls.Surroundings()
        self._caught: List[warnings.WarningMessage] = []
        self._outcome: Dict[str, Any] = {}
        self._returns: Dict[str, Any] = {}

    def begin(self, request: str) -> None:
        self._caught = self._surroundings.__enter__()
        try:
            function, given, self._returns = calls.dispatcher().prepared(json.loads(request))
        except Exception as error:
            self._outcome = {"error": error}
            self.ended.set()
            return
        # (a daemon: the end of R does not wait for it)
        threading.Thread(target=self._work, args=(function, given), name="espalier", daemon=True).start()

    def _work(self, function: Callable[..., Any], given: Dict[str, Any]) -> None:
        from espalier.base.progress import listening

        try:
            with listening(self.listener):
                self._outcome = {"value": function(**given)}
        except BaseException as error:  # whatever it is: whoever looks must see the end
            self._outcome = {"error": error}
        finally:
            self.ended.set()

    def response(self) -> str:
        """The answer to R, after the end."""
        error = self._outcome.get("error")
        if error is None:
            try:
                value = calls.dispatcher().result(self._outcome["value"], self._returns)
                return calls.answer({"value": value}, self._caught)
            except Exception as failure:
                error = failure
        return calls.answer({"error": calls.record(error)}, self._caught)

    def succeeded(self) -> bool:
        """Whether it ended with a value."""
        return self.ended.is_set() and "value" in self._outcome

    def leave(self) -> None:
        """Give the session back what the call changed of it."""
        _jobs.remove(self)
        self._surroundings.__exit__()


def start(request: str, token: int) -> str:
    """Begin a call, and look at it once. For R it differs from `calls.call` in nothing else.

    Args:
        token: Identifies the call in `cancel`.
    """
    _answers.clear()
    carrier.outgoing.clear()
    job = _Job(token)
    _jobs.append(job)
    job.begin(request)
    return look()


def look() -> str:
    """Wait a moment for the end of the call.

    Returns:
        The response; before the end `{"running": true, "progress": [stage, done, total]}`.
    """
    job = _jobs[-1]
    if not job.ended.wait(LOOK_SECONDS):
        return json.dumps({"running": True, "progress": job.listener.seen})
    response = _answers[job.token] = job.response()
    job.leave()
    return response


def cancel(token: int) -> str:
    """Call the call off, and wait a moment until it has stopped.

    Returns:
        `{"running": true}` while it is at something that must not be left half-made: ask again. The response of a call
        that was carried out after all, also if a look had returned it. Else `{}`: it has stopped, or will where it next
        can.
    """
    if not _jobs or _jobs[-1].token != token:
        return _answers.get(token, "{}")
    job = _jobs[-1]
    job.listener.cancelled = True
    job.ended.wait(PATIENCE_SECONDS)
    if job.listener.indivisible and not job.ended.is_set():
        return json.dumps({"running": True})
    response = job.response() if job.succeeded() else "{}"
    job.leave()
    return response


def abandon() -> None:
    """Call the call off and forget it, whatever it is at."""
    if _jobs:
        _jobs[-1].listener.cancelled = True
        _jobs[-1].leave()
