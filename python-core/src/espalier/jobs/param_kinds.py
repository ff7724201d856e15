"""Values that an R script's `job_params()` would refuse: of another type than the default, where that is a literal."""

import os
import re
from typing import Any, Dict, Mapping, Optional

from espalier.base.errors import EspalierError
from espalier.jobs.known_params import calls_of, name_of, text_of, without_comments

# What R reads as a number, and its words for logicals.
_NUMBER = r"(?i)\s*[-+]?(0x[0-9a-f.]+(p[-+]?\d+)?|(\d+\.?\d*|\.\d+)([ed][-+]?\d+)?|inf(inity)?|nan)\s*"
_FLAGS = ("true", "t", "yes", "on", "1", "false", "f", "no", "off", "0")
_DEFAULTS = {
    "whole number": r"-?\d+L",
    "number": r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?",
    "TRUE or FALSE": r"TRUE|FALSE",
    "string": r""""[^"\\]*"|'[^'\\]*'|NULL""",
}
_WANTED = {"whole number": "a whole number", "number": "a number", "string": "a string"}


def kinds_of_params(source: str, script: str) -> Dict[str, str]:
    """The kind of each parameter whose default is one literal in the one call of `job_params()`; else none."""
    code = without_comments((text_of(os.path.join(source, script)) if script.lower().endswith(".r") else None) or "")
    calls = list(calls_of(code, "job_params"))
    if len(calls) != 1 or code.count("job_params") != 1:
        return {}
    kinds: Dict[str, str] = {}
    for argument in calls[0]:
        default = argument.partition("=")[2].strip()
        found = [kind for kind, pattern in _DEFAULTS.items() if re.fullmatch(pattern, default)]
        name = name_of(argument)
        if name and found:
            kinds[_loose(name)] = found[0]
    return kinds


def refuse_values(kinds: Mapping[str, str], script: str, params: Mapping[str, Any]) -> None:
    """Raise EspalierError `bad_argument` for the first value that the script would refuse.

    Args:
        kinds: What `kinds_of_params` returned.
        params: The parameters of one job.
    """
    for name, value in params.items():
        kind = kinds.get(_loose(name)) if name.startswith("--") or not name.startswith("-") else None
        seen = _refused(kind, value) if kind else None
        if kind and seen:
            message = f"The parameter `{name}` must be {_WANTED.get(kind, kind)}, not {seen}."
            hint = f"The type is that of its default in job_params() of {script}."
            raise EspalierError("bad_argument", message, hint, argument=name)


def _refused(kind: str, value: Any) -> Optional[str]:
    """A value in words, if a parameter of that kind doesn't take it."""
    if isinstance(value, (list, tuple)):
        return f"{len(value)} values" if len(value) > 1 else None
    if kind == "string":
        return None
    if value is None or value == "":
        return None if kind == "TRUE or FALSE" else "a flag without value"
    text = str(value)
    if kind == "TRUE or FALSE":
        good = value in (0, 1) if not isinstance(value, str) else text.lower() in _FLAGS
    else:
        good = not isinstance(value, bool) and re.fullmatch(_NUMBER, text) is not None
        if kind == "whole number" and isinstance(value, float):
            good = value.is_integer()
    return None if good else f'"{text[:60]}"' if isinstance(value, str) else text


def _loose(name: str) -> str:
    return re.sub(r"[-.]", "_", name.lstrip("-"))
