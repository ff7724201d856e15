"""What a run needs of its host, and what a host has: processors, graphics processors, memory.

Standard library only: the runner loads this file.
"""

import re
from typing import Any, Dict, List, Sequence, Tuple, Union

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.base.model.record import Record

# What the Docker engine takes at least for /dev/shm, bytes.
SMALLEST_SHM = 4096
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?\s*"


class Resources(Record):
    """What one run takes while it executes."""

    cpus: int = 1
    gpus: int = 0
    memory: int = 0  # bytes; 0: nothing is reserved

    def record(self) -> Dict[str, Any]:
        """As `spec.json`, tickets and leases hold it."""
        return {"cpus": self.cpus, "gpus": self.gpus, "memory": self.memory or None}


class Capacity(Record):
    """What a host has, or has left."""

    cpus: int
    gpus: Tuple[str, ...]  # ids, as CUDA_VISIBLE_DEVICES takes them
    memory: int  # bytes

    def fits(self, need: Resources) -> bool:
        """Whether there is room. A run that needs no processor needs no free one."""
        return not self.lacks(need)

    def lacks(self, need: Resources) -> List[str]:
        """What a run needs and there isn't, in words: `2 processors`."""
        lacking = []
        if need.cpus > max(self.cpus, 0):
            lacking.append(counted(need.cpus, "processor"))
        if need.gpus > len(self.gpus):
            lacking.append(counted(need.gpus, "graphics processor"))
        if need.memory > max(self.memory, 0):
            lacking.append(f"{size_text(need.memory)} of memory")
        return lacking

    def without(self, need: Resources, gpus: Sequence[str] = ()) -> "Capacity":
        """The rest when this is taken; numbers may fall below 0 where a limit was lowered."""
        left = tuple(gpu for gpu in self.gpus if gpu not in gpus)
        return Capacity(self.cpus - need.cpus, left, self.memory - need.memory)

    def reserved(self, need: Resources) -> "Capacity":
        """What those behind may take while a run waits for room: nothing of what that one needs."""
        return Capacity(
            max(self.cpus - need.cpus, 0), self.gpus[: max(len(self.gpus) - need.gpus, 0)],
            max(self.memory - need.memory, 0),
        )  # fmt: skip


def checked_count(value: object, name: str, least: int = 0) -> int:
    """A whole number, which may be a float as R's are. Raises EspalierError `bad_argument`."""
    return int(checked_number(value, name, least, is_whole=True))


def checked_number(value: object, name: str, least: float = 0, *, is_whole: bool = False) -> float:
    """A finite number. Raises EspalierError `bad_argument`."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and least <= value < float("inf") and not (is_whole and value % 1):  # type: ignore[operator]
        return value  # type: ignore[return-value]
    what = f"a {'whole ' if is_whole else ''}number of at least {least}"
    raise EspalierError("bad_argument", f"{name} must be {what}, not {shown(value)}.")


def bytes_of(value: Union[int, float, str], name: str = "memory") -> int:
    """A size in bytes: a number of bytes, or text such as `500 MB` or `4GB` (units of 1024).

    Raises:
        EspalierError: `bad_argument`.
    """
    if isinstance(value, str):
        found = re.fullmatch(_SIZE, value, re.IGNORECASE)
        size: float = float(found.group(1)) * _UNITS[found.group(2).lower()] if found else -1
    else:
        size = value if isinstance(value, (int, float)) and not isinstance(value, bool) else -1
    if 0 <= size < 2**63:
        return int(size)
    message = f"{name} must be a size such as '4 GB', or a number of bytes, not {shown(value)}."
    raise EspalierError("bad_argument", message)


def counted(number: int, noun: str) -> str:
    """A number of things for people, `1 processor`, `no processors`."""
    return f"{number or 'no'} {noun}" + ("" if number == 1 else "s")


def size_text(size: int) -> str:
    """A size for people, `1.5 GB`."""
    amount, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1024 or unit == "TB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" or amount == int(amount) else f"{amount:.1f} {unit}"
