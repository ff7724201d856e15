"""What a run's environment is made ready by: the look-up of its image, or a private environment."""

from typing import Any, Dict

from espalier.adapters.engine import Engine
from espalier.environment.definition import Environment
from espalier.paths import RunPaths


def make_ready(run: RunPaths, spec: Dict[str, Any], env: Dict[str, Any]) -> Dict[str, Any]:
    """Find or build what a run needs.

    Args:
        env: The run's `env.json`.

    Returns:
        The record of what is ready (protocol.md, `.job/environment.json`).

    Raises:
        EspalierError: what could not be had.
    """
    asked = spec["environment"]
    environment = Environment.from_mapping(asked["definition"])
    if asked["how"] == "image":
        return _image(run, environment, env)
    return _private(run, environment, env)


def _image(run: RunPaths, environment: Environment, env: Dict[str, Any]) -> Dict[str, Any]:
    assert environment.docker is not None and environment.docker.base_image
    image = Engine(env["engine"]).image(environment.docker.base_image)
    return {"how": "image", "image": image["Id"], "key": None, "found": "engine", "variables": {}}


def _private(run: RunPaths, environment: Environment, env: Dict[str, Any]) -> Dict[str, Any]:
    raise NotImplementedError
