"""Building an image, stage by stage."""

from typing import Any, Dict, NamedTuple

from espalier.images.stages import Builder, stage_image
from espalier.images.system_stage import build_system
from espalier.images.wanted import Wanted


class Built(NamedTuple):
    """What a build made: the image's id, and what it was made of, for the record."""

    image: str
    facts: Dict[str, Any]


def build(builder: Builder, wanted: Wanted) -> Built:
    """Make the image of an environment; stages that are there already are used again.

    Args:
        builder: What is needed for that.
        wanted: The environment.

    Raises:
        EspalierError: `build_failed`, `lock_failed`, `package_missing`, `image_missing`, `registry_failed`,
            `docker_unavailable`.
        Cancelled: the call was called off; no container is left, and what was finished is used next time.
    """
    stages = {"system": stage_image(builder, "system", wanted.system, lambda: build_system(builder, wanted))}
    image = stages["system"]
    return Built(image, {"stages": stages, "lock": None})

