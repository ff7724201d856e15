"""Jobs in private environments."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters.homes import cache_folder
from espalier.base.cache_paths import CachePaths, PrivatePaths
from espalier.base.errors import EspalierError
from espalier.executors.local.private import keeps
from espalier.provision.local.prune import remove_private
from espalier.provision.packages.pyenv import find_uv
from scratch import copy_of


def _has_uv() -> bool:
    try:
        return bool(find_uv())
    except EspalierError:
        return False


def until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not _has_uv(), reason="needs uv")
def test_nobody_removes_the_environment_of_a_running_job(tmp_path: Path) -> None:
    experiment = Experiment(Workspace.create("ws", str(tmp_path)), "exp")
    command = 'python -c "import sys; print(sys.prefix)"; while ! test -e outputs/go; do sleep 0.1; done'
    config = ScriptRunConfig(command=command, environment={"name": "e", "python": {}})
    run: Run = experiment.submit(config)
    until(lambda: run.get_status() not in ("Queued", "Preparing"))
    assert run.get_status() == "Running", run.get_details()["error"]
    key = str(run.get_environment()["key"])[7:]
    cache = CachePaths(cache_folder())
    assert not remove_private(cache, key)
    (copy_of(run) / "outputs" / "go").touch()
    until(lambda: run.get_status() == "Completed")
    until(lambda: remove_private(cache, key))
    assert not os.path.exists(cache.private_environment(key))


def test_one_that_is_gone_is_not_kept(tmp_path: Path) -> None:
    folder = PrivatePaths(str(tmp_path))
    assert not keeps({"folder": folder.root})
    Path(folder.record).touch()
    assert keeps({"folder": folder.root})
    assert keeps({"folder": None})
