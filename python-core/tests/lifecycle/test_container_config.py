"""What the engine is told of a job's container."""

from pathlib import Path
from typing import Any, Dict, Mapping

import pytest
from espalier.lifecycle.container_config import Order, container_config
from espalier.paths import RunPaths

DOCKER = {"init": True, "network": "bridge", "user": None, "shm_size": None}


def variables(tmp_path: Path, ours: Mapping[str, str], image: Dict[str, Any], asked: Mapping[str, str]) -> Dict[str, str]:
    run = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"))
    spec = {"workspace_id": "w", "docker": DOCKER, "environment": {"variables": asked}}
    order = Order({}, "sha256:0", ["Rscript", "train.R"], dict(ours), {}, [], "1000:1000")
    config = container_config(run, spec, order, image)
    return dict(line.split("=", 1) for line in config["Env"])


@pytest.mark.parametrize(
    ("image", "asked", "r", "python"),
    [
        (["R_LIBS=/opt/lib", "PYTHONPATH=/opt/py", "PATH=/bin"], {}, "/opt/lib:/run/.job/R", "/run/.job/python:/opt/py"),
        (["R_LIBS="], {}, "/run/.job/R", "/run/.job/python"),
        (None, {}, "/run/.job/R", "/run/.job/python"),
        (["R_LIBS=/opt/lib"], {"R_LIBS": "/mine"}, "/run/.job/R", "/run/.job/python"),
    ],
)
def test_packages_of_the_image_and_ours_are_found(tmp_path: Path, image: Any, asked: Dict[str, str], r: str, python: str) -> None:
    ours = {"R_LIBS": "/run/.job/R", "PYTHONPATH": "/run/.job/python"}
    found = variables(tmp_path, ours, {"Config": {"Env": image}}, asked)
    assert (found["R_LIBS"], found["PYTHONPATH"]) == (r, python)
    assert "PATH" not in found  # the image's own counts
