"""Building an image, stage by stage."""

from typing import Any, Dict, NamedTuple, Optional

from espalier.environment.lock import Lock, lock_record
from espalier.provision.docker.facts import Facts, facts_of, lock_of_stage
from espalier.provision.docker.package_stages import build_python, build_r
from espalier.provision.docker.stages import Builder, stage_image
from espalier.provision.docker.system_stage import build_system
from espalier.provision.docker.wanted import Wanted


class Built(NamedTuple):
    """What a build made: the image's id, and what it was made of, for the record."""

    image: str
    facts: Dict[str, Any]


def build(builder: Builder, wanted: Wanted, known: Optional[Lock] = None) -> Built:
    """Make the image of an environment; stages that are there already are used again.

    Args:
        known: What an earlier build of the same resolved, and is to be taken again.

    Raises:
        EspalierError: `build_failed`, `lock_failed`, `package_missing`, `secret_missing`, `image_missing`,
            `registry_failed`, `docker_unavailable`.
        Cancelled: the call was called off; no container is left, and what was finished is used next time.
    """
    lock = wanted.lock or known
    platform = wanted.docker.platform
    system = stage_image(builder, "system", wanted.system, lambda: build_system(builder, wanted), platform)
    stages = {"system": system}

    def facts() -> Facts:
        return facts_of(builder, wanted.system, system, platform)

    python = r = None
    if wanted.python != wanted.system:
        stages["python"] = stage_image(
            builder, "python", wanted.python, lambda: build_python(builder, wanted, system, facts(), lock), platform
        )
        python = lock_of_stage(builder, wanted.python)
    before = stages.get("python", system)
    if wanted.key != wanted.python:
        stages["r"] = stage_image(
            builder, "r", wanted.key, lambda: build_r(builder, wanted, before, facts(), lock), platform
        )
        r = lock_of_stage(builder, wanted.key)
    used = _joined(python, r)
    return Built(stages.get("r", before), {"stages": stages, "lock": lock_record(used) if used else None})


def _joined(python: Optional[Lock], r: Optional[Lock]) -> Optional[Lock]:
    """What the stages were made with, as one lock."""
    if python is None or r is None:
        return python or r
    return Lock(r.r, python.python, python.conda, python.python_version, r.r_version)
