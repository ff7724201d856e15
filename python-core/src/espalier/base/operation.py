"""Operations: what espalier offers to R, the command line, HTTP and jobs, declared once, where the method is.

`api/describe.py` reads the declarations and the signatures into `api.json`, from which all of these are derived. A
public method without a declaration is for Python alone.
"""

from typing import Any, Callable, NamedTuple, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Operation(NamedTuple):
    """What is declared of an operation beside its signature.

    Attributes:
        route: HTTP verb and path below the workspace: `GET /runs/{id}/metrics`.
        long: Whether it may take long. Clients run it on a thread, show its progress and can interrupt it.
        in_job: Whether a job may ask for it, about its own run and the runs below.
        command: Its word at the command line; empty for none.
    """

    route: str
    long: bool
    in_job: bool
    command: str


def operation(
    route: str, *, long: bool = False, in_job: bool = False, command: str = "-"
) -> Callable[[_Function], _Function]:
    """Declare a method of a façade an operation.

    Args:
        route, long, in_job: See `Operation`.
        command: Its word at the command line; empty for none. Default: the method's name without `get_`.
    """

    def declare(function: _Function) -> _Function:
        word = function.__name__[4 * function.__name__.startswith("get_") :].replace("_", "-")
        declared = Operation(route, long, in_job, word if command == "-" else command)
        function.__operation__ = declared  # type: ignore[attr-defined]
        return function

    return declare
