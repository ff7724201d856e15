"""What the engine is told of a job's container."""

from pathlib import Path
from typing import Any, Dict, Mapping

import pytest
from defined import defined
from espalier.base.paths import JOB_PART, RunPaths
from espalier.executors.docker.config import Order, container_config

DOCKER = {"init": True, "network": "bridge", "user": None, "shm_size": None}


def variables(tmp_path: Path, ours: Mapping[str, str], image: Dict[str, Any], asked: Mapping[str, str]) -> Dict[str, str]:
    run = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"))
    spec = defined(workspace_id="w", docker=DOCKER, environment={"variables": asked})
    order = Order({}, "sha256:0", ["Rscript", "train.R"], dict(ours), {}, [], "1000:1000", {"path": "/w/abcdef01", "directory": ""})
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


@pytest.mark.parametrize(("user", "trusted"), [(None, None), ("1000", None), ("1000:5", None), ("1234", "/w/abcdef01/work")])
def test_git_takes_the_working_copy_of_another_user(tmp_path: Path, monkeypatch: Any, user: Any, trusted: Any) -> None:
    monkeypatch.setitem(DOCKER, "user", user)
    assert variables(tmp_path, {}, {}, {}).get("GIT_CONFIG_VALUE_0") == trusted


def test_only_the_jobs_part_of_its_run_is_writable(tmp_path: Path) -> None:
    run = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"))
    inputs = [{"name": "large", "path": "/data/large"}, {"name": "small", "path": "/data/small", "digest": "sha256:0"}]
    spec = defined(workspace_id="w", docker=DOCKER, inputs=inputs)
    order = Order({}, "sha256:0", ["true"], {}, {"/opt/x": "/opt/x"}, [], "1000:1000", {"path": "/w/abcdef01", "directory": ""})
    mounts = container_config(run, spec, order, {})["HostConfig"]["Mounts"]
    written = {mount["Target"] for mount in mounts if not mount["ReadOnly"]}
    assert written == {"/w/abcdef01/work", "/w/abcdef01/tmp", *(f"{run.root}/{name}" for name in JOB_PART)}
    read = {mount["Target"]: mount["Source"] for mount in mounts if mount["ReadOnly"]}
    assert read == {
        run.workspace.runs: f"{run.view}/runs", "/data/large": "/data/large", run.inputs: run.inputs, "/opt/x": "/opt/x",
    }
    assert set(JOB_PART).isdisjoint({"user_logs", "system_logs", "provenance", "attempts", "children", "workdir", ".job"})
