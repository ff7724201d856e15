"""Definitions of runs for tests: some fields as `spec.json` has them, the others with their defaults."""

from typing import Any

from espalier.base.model.codec import decode
from espalier.base.model.job import JobSpec


def defined(**fields: Any) -> JobSpec:
    return decode(JobSpec, {"id": "e_1_abcdef01", "experiment": "e", **fields})
