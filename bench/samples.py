"""Samples of the Python scripts, written for report.py: one line each, `series,round,seconds`."""

import os
import time
from typing import Callable, List


def seconds(action: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


class Samples:
    """Collects what one script measures.

    Args:
        name: File name in the folder `BENCH_SAMPLES`.
    """

    def __init__(self, name: str) -> None:
        self._path = os.path.join(os.environ["BENCH_SAMPLES"], name)
        self._rows: List[str] = []

    def add(self, series: str, number: int, value: float) -> None:
        """One sample; samples of two series with the same round number were taken one after the other."""
        self._rows.append(f"{series},{number},{value:.9f}\n")

    def write(self) -> None:
        """Write them all."""
        with open(self._path, "w", encoding="ascii") as file:
            file.writelines(self._rows)
