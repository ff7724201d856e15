"""One call from R: a request as JSON text in, a response as JSON text out. Nothing is ever raised to R."""

import json
import sys
import warnings
from typing import Any, Dict, List, Optional

from espalier_bridge.values import carrier

settings: Dict[str, Optional[str]] = {"pycache_prefix": None}


def call(request: str) -> str:
    """Carry out one request: `class`, `member`, `identity` (null for a class method), `args`.

    Returns:
        `{"value": …, "warnings": […]}`, or `{"error": {…}, "warnings": […]}`; nothing where there is no value and no
        warning, so that R has nothing to read.
    """
    carrier.outgoing.clear()
    with Surroundings() as caught:
        try:
            response = {"value": dispatcher().call(json.loads(request))}
        except Exception as error:
            response = {"error": record(error)}
    return answer(response, caught) if caught or response != {"value": None} else ""


class Surroundings:
    """What a call changes of the session while it runs: warnings are recorded, bytecode goes where we may write."""

    def __init__(self) -> None:
        self._prefix: Optional[str] = None
        self._recording = warnings.catch_warnings(record=True)

    def __enter__(self) -> "List[warnings.WarningMessage]":
        self._prefix = sys.pycache_prefix
        if self._prefix is None:
            sys.pycache_prefix = settings["pycache_prefix"]
        caught = self._recording.__enter__()
        warnings.simplefilter("always", UserWarning)
        assert caught is not None  # (it is the very list that fills)
        return caught

    def __exit__(self, *error: object) -> None:
        self._recording.__exit__()
        sys.pycache_prefix = self._prefix


def dispatcher() -> Any:
    """The core's dispatcher for R. The core is loaded by then; this package is loaded before it."""
    global _dispatcher
    if _dispatcher is None:
        from espalier.api.dispatch import Dispatcher

        _dispatcher = Dispatcher(carrier)
    return _dispatcher


_dispatcher: Any = None


def record(error: BaseException) -> Dict[str, Any]:
    """An exception as a JSON record, for R to signal."""
    from espalier.api.wire import error_record

    return error_record(error)


def answer(response: Dict[str, Any], caught: "List[warnings.WarningMessage]") -> str:
    """A response with the warnings of its call, as JSON."""
    response["warnings"] = [
        {"category": item.category.__name__, "message": str(item.message)} for item in caught
    ]
    return _text(response)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _text(response: Dict[str, Any]) -> str:
    text = _encode(response)
    # R has no strings with NUL, and UTF-8 has no lone surrogates (file names that are not UTF-8 have them).
    if "\\u0000" in text:
        text = _encode(_without_nul(response))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value
