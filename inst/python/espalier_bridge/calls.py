"""One call from R: a request as JSON text in, a response as JSON text out. Nothing is ever raised to R."""

import json
import os
import sys
import warnings
from typing import Any, Dict, List, Optional

from espalier_bridge import errors, values

# class -> member -> {"kind", "params", "returns"}: what R may call, and nothing else. Generated.
api: Dict[str, Dict[str, Dict[str, Any]]] = {}
settings: Dict[str, Optional[str]] = {"pycache_prefix": None}


def call(request: str) -> str:
    """Carry out one request: `class`, `member`, `identity` (null for a class method), `args`.

    Returns:
        `{"value": …, "warnings": […]}`, or `{"error": {…}, "warnings": […]}`.
    """
    values.outgoing.clear()
    before = sys.pycache_prefix
    if before is None:
        sys.pycache_prefix = settings["pycache_prefix"]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                response = {"value": _carry_out(json.loads(request))}
            except Exception as error:
                response = {"error": errors.record(error)}
        said: List[Dict[str, str]] = [
            {"category": item.category.__name__, "message": str(item.message)} for item in caught
        ]
        response["warnings"] = said
        return _text(response)
    finally:
        sys.pycache_prefix = before


def _carry_out(request: Dict[str, Any]) -> Any:
    if not api:
        _read_api()
    member = api.get(request["class"], {}).get(request["member"])
    if member is None:
        raise LookupError(f"{request['class']}.{request['member']} is not part of the described API")
    target = values.facade(request["class"])
    if member["kind"] != "classmethod":
        target = target._from_identity(request["identity"])
    result = getattr(target, request["member"])
    if member["kind"] != "property":
        result = result(**_arguments(member["params"], request["args"] or {}, request["member"]))
    return values.result(result, member["returns"])


def _arguments(params: Dict[str, Any], given: Dict[str, Any], member: str) -> Dict[str, Any]:
    unknown = sorted(set(given) - set(params))
    if unknown:
        raise LookupError(f"{member}() has no argument {', '.join(unknown)}")
    return {name: values.argument(value, params[name], name) for name, value in given.items()}


def _read_api() -> None:
    with open(os.path.join(os.path.dirname(__file__), "api.json"), encoding="utf-8") as file:
        api.update(json.load(file)["classes"])


def _text(response: Dict[str, Any]) -> str:
    text = json.dumps(response, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # R has no strings with NUL, and UTF-8 has no lone surrogates (file names that are not UTF-8 have them).
    if "\\u0000" in text:
        text = json.dumps(_without_nul(response), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
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
