"""Secrets in what R recorded of uncaught errors and warnings: its prelude hides them plain, this in all encodings."""

import json
import os
from typing import Any, Callable, List

from espalier.adapters.files import open_regular
from espalier.paths import PRELUDE_WRITER, RunPaths
from espalier.records import replace_file
from espalier.vault.masking import Masker

# What names something; the rest of an event is what somebody said.
_NAMES = ("type", "writer", "payload")


def hide_in_events(run: RunPaths, secrets: List[str]) -> None:
    """Hide secrets in the event logs, and the payloads, of R's prelude. Raises OSError.

    Args:
        run: A run whose job has ended.
        secrets: The texts to hide.
    """
    masker = Masker(secrets)

    def hidden(text: str) -> str:
        shown = masker.feed(text.encode("utf-8", "surrogatepass")) + masker.close()
        return shown.decode("utf-8", "replace")

    for folder in (run.events, run.payloads):
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name.startswith(PRELUDE_WRITER):
                _hide(run, os.path.join(folder, name), hidden)


def _hide(run: RunPaths, path: str, hidden: Callable[[str], str]) -> None:
    with open_regular(path) as file:
        data = file.read()
    lines = [_hidden_line(line, hidden) for line in data.split(b"\n")]
    if lines != data.split(b"\n"):
        replace_file(path, b"\n".join(lines), run.shard)


def _hidden_line(line: bytes, hidden: Callable[[str], str]) -> bytes:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return line
    shown = _hidden_value(event, hidden)
    return line if shown == event else json.dumps(shown, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _hidden_value(value: Any, hidden: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, list):
        return [_hidden_value(item, hidden) for item in value]
    if isinstance(value, dict):
        return {key: item if key in _NAMES else _hidden_value(item, hidden) for key, item in value.items()}
    return value
