"""What only a container can give."""

from typing import List, Optional

from espalier.adapters.machine import platform_of_machine
from espalier.base.errors import EspalierError
from espalier.environment.definition import Environment


def refuse_without_docker(environment: Environment, r_version: Optional[str]) -> None:
    """Refuse a definition that cannot be met without Docker, before anything is done.

    Args:
        r_version: The available R, `4.2.2`.

    Raises:
        EspalierError: `needs_docker`, with a sentence for each reason.
    """
    reasons = reasons_for_docker(environment, r_version)
    if reasons:
        message = f"Can't create the environment {environment.name} without Docker. " + " ".join(reasons)
        hint = 'Run the job in a container, compute_target = "docker", or leave that out of the environment.'
        raise EspalierError("needs_docker", message, hint, environment=environment.name, reasons=reasons)


def reasons_for_docker(environment: Environment, r_version: Optional[str]) -> List[str]:
    """A sentence for each thing that only a container can give."""
    reasons = []
    docker = environment.docker
    if docker is not None:
        if docker.base_image is not None:
            reasons.append(f"It asks for the base image {docker.base_image}.")
        if docker.base_dockerfile is not None:
            reasons.append("It begins with a Dockerfile.")
        if docker.build_context is not None:
            reasons.append("It begins with a build context.")
        if docker.apt:
            reasons.append(f"It asks for system packages: {', '.join(docker.apt)}.")
        if docker.steps:
            reasons.append("It has Docker steps.")
        if docker.platform is not None and docker.platform != platform_of_machine():
            reasons.append(f"It is for {docker.platform}, and this machine is {platform_of_machine()}.")
    wanted = environment.r.version if environment.r else None
    if wanted is not None:
        if r_version is None:
            reasons.append(f"It asks for R {wanted}, and this machine has no R.")
        elif r_version.split(".")[: wanted.count(".") + 1] != wanted.split("."):
            reasons.append(f"It asks for R {wanted}, and this machine has R {r_version}.")
    return reasons
