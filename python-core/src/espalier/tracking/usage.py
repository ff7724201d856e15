"""What a run used while its job ran, as columns (protocol.md, "usage")."""

import os
from typing import Any, Dict, List

from espalier.base.paths import RunPaths
from espalier.base.types import Frame
from espalier.tracking.events import Damage, line_blocks, parse_events

_NUMBERS = ("seconds", "cpu_seconds", "memory_bytes", "processes", "read_bytes", "written_bytes")
_GPU = "gpu_memory_bytes"


def read_usage(run: RunPaths) -> Frame:
    """The samples of the last attempt; `cores` is the processor time since the sample before, by the time since then.

    Raises:
        EspalierError: `damaged` if they cannot be read at all, `newer_format`.

    Warns:
        DamageWarning: Of lines that are no samples, which are left out.
    """
    samples: List[Dict[str, Any]] = []
    damage = Damage()
    if os.path.lexists(run.usage):
        for numbers, block in line_blocks(run.usage):
            for number, event in parse_events(block.split(b"\n"), numbers, run.usage, damage):
                if event["type"] == "sample":
                    if not all(_is_number(event.get(name)) for name in _NUMBERS):
                        damage.line(run.usage, number)
                        continue
                    if event.get("seq") == 0:
                        samples.clear()
                    samples.append(event)
    damage.warn()
    columns: Dict[str, List[Any]] = {"time": [float(sample["time"]) for sample in samples]}
    columns.update((name, [float(sample[name]) for sample in samples]) for name in _NUMBERS)
    columns["cores"] = _rates(columns["seconds"], columns["cpu_seconds"])
    columns["processes"] = [int(value) for value in columns["processes"]]
    if any(_GPU in sample for sample in samples):
        columns[_GPU] = [float(sample[_GPU]) if _is_number(sample.get(_GPU)) else None for sample in samples]
    kinds = {**dict.fromkeys(columns, "double"), "time": "time", "processes": "integer"}
    order = ["time", "seconds", "cores", *(name for name in columns if name not in ("time", "seconds", "cores"))]
    return Frame({name: columns[name] for name in order}, kinds)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**53


def _rates(seconds: List[float], used: List[float]) -> List[float]:
    """(A process that ended unseen may have taken some time with it: no rate is negative.)"""
    before = zip([0.0, *seconds], [0.0, *used])
    return [
        max(now - used_then, 0.0) / (at - then) if at > then else 0.0
        for at, now, (then, used_then) in zip(seconds, used, before)
    ]
