"""Operations: what espalier offers to R, the command line, HTTP and jobs, declared once, where the method is.

`api/describe.py` reads the declarations and the signatures into `api.json`, from which all of these are derived. A
public method without a declaration is for Python alone.
"""

import functools
import re
import warnings
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    _Arguments = ParamSpec("_Arguments")

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Owner = TypeVar("_Owner")
_Result = TypeVar("_Result")


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


def for_python(
    values: "Callable[Concatenate[_Owner, _Arguments], Any]",
) -> "Callable[[Callable[[_Owner, Any], _Result]], Callable[Concatenate[_Owner, _Arguments], _Result]]":
    """Make the form of an operation that Python's users call: `notes` and `warnings` of the result become warnings.

    Args:
        values: The operation, whose arguments it takes; the method makes of its result what users get.
    """

    def declare(shape: Callable[[_Owner, Any], _Result]) -> "Callable[Concatenate[_Owner, _Arguments], _Result]":
        @functools.wraps(values)
        def method(owner: _Owner, /, *args: Any, **named: Any) -> _Result:
            result = getattr(owner, values.__name__)(*args, **named)
            for text in [*result["notes"], *result.get("warnings", ())]:
                warnings.warn(text, stacklevel=3)
            return shape(owner, result)

        del method.__operation__  # type: ignore[attr-defined]
        method.__name__, method.__qualname__ = shape.__name__, shape.__qualname__
        method.__annotations__ = {**values.__annotations__, "return": shape.__annotations__["return"]}
        returns = rf"\g<1>{shape.__doc__}"
        method.__doc__ = re.sub(r"(?s)(Returns:\n\s+).*?(?=\n\s*\n|\s*$)", returns, values.__doc__ or "")
        return method

    return declare
