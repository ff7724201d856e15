"""One call from R: a request as JSON text in, a response as JSON text out. Nothing is ever raised to R."""

import json
import os
import sys
import warnings
from typing import Any, Callable, Dict, List, Optional, Tuple

from espalier_bridge import errors, values

# class -> member -> {"kind", "params", "returns"}: what R may call, and nothing else. Generated.
api: Dict[str, Dict[str, Dict[str, Any]]] = {}
settings: Dict[str, Optional[str]] = {"pycache_prefix": None}


def call(request: str) -> str:
    """Carry out one request: `class`, `member`, `identity` (null for a class method), `args`.

    Returns:
        `{"value": …, "warnings": […]}`, or `{"error": {…}, "warnings": […]}`; nothing where there is no value and no
        warning, so that R has nothing to read.
    """
    values.outgoing.clear()
    with Surroundings() as caught:
        try:
            function, given, returns = prepared(request)
            response = {"value": values.result(function(**given), returns)}
        except Exception as error:
            response = {"error": errors.record(error)}
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


def prepared(request: str) -> "Tuple[Callable[..., Any], Dict[str, Any], Dict[str, Any]]":
    """What a request asks for: a function, its arguments by name, the declared type of its result.

    Raises:
        LookupError: it is not part of the described API.
    """
    asked = json.loads(request)
    if not api:
        _read_api()
    name = asked["member"]
    member = api.get(asked["class"], {}).get(name)
    if member is None:
        raise LookupError(f"{asked['class']}.{name} is not part of the described API")
    target = values.facade(asked["class"])
    if member["kind"] != "classmethod":
        target = target._from_identity(asked["identity"])
    if member["kind"] == "property":
        return lambda: getattr(target, name), {}, member["returns"]
    return getattr(target, name), _arguments(member["params"], asked["args"] or {}, name), member["returns"]


def answer(response: Dict[str, Any], caught: "List[warnings.WarningMessage]") -> str:
    """A response with the warnings of its call, as JSON."""
    response["warnings"] = [
        {"category": item.category.__name__, "message": str(item.message)} for item in caught
    ]
    return _text(response)


def _arguments(params: Dict[str, Any], given: Dict[str, Any], member: str) -> Dict[str, Any]:
    unknown = sorted(set(given) - set(params))
    if unknown:
        raise LookupError(f"{member}() has no argument {', '.join(unknown)}")
    return {name: values.argument(value, params[name], name) for name, value in given.items()}


def _read_api() -> None:
    with open(os.path.join(os.path.dirname(__file__), "api.json"), encoding="utf-8") as file:
        api.update(json.load(file)["classes"])


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
