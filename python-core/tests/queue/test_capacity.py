import json
import os
from pathlib import Path

import pytest
from espalier.adapters import machine
from espalier.api.host import Host
from espalier.base.errors import EspalierError
from espalier.base.resources import Capacity
from espalier.queue.capacity import capacity, set_capacity
from espalier.queue.home import queue_paths


def test_by_default_what_the_machine_has(home: Path) -> None:
    there = capacity(queue_paths())
    assert there.cpus == len(os.sched_getaffinity(0))
    assert 0 < there.memory <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert there.gpus == machine.gpu_ids()


def test_setting_one_keeps_the_others(home: Path) -> None:
    paths = queue_paths()
    set_capacity(paths, cpus=7)
    set_capacity(paths, gpus=["0", "GPU-8f"])
    set_capacity(paths, memory=2**30)
    assert capacity(paths) == Capacity(7, ("0", "GPU-8f"), 2**30)
    assert json.loads(Path(paths.config).read_text())["format"] == 1
    set_capacity(paths, gpus=[])
    assert capacity(paths) == Capacity(7, (), 2**30) and Host.resources().columns["total"][0] == 7


@pytest.mark.parametrize("bad", [0, -1])
def test_at_least_one_run(home: Path, bad: int) -> None:
    set_capacity(queue_paths(), cpus=7)
    with pytest.raises(EspalierError) as caught:
        Host.resources(cpus=bad)
    assert caught.value.code == "bad_argument" and capacity(queue_paths()).cpus == 7


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"max_concurrent_runs": "many", "gpus": 1, "memory": "all"}', '{"max_concurrent_runs": 0}']
)
def test_a_config_that_says_nothing(home: Path, content: str) -> None:
    Path(queue_paths().config).write_text(content)
    assert capacity(queue_paths()) == Capacity(machine.processors(), machine.gpu_ids(), machine.memory())


def test_a_container_s_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "limit").write_text("1000000\n")
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(machine, "_CGROUP_LIMITS", (str(tmp_path / "none"), str(tmp_path / "limit"), "/nowhere"))
    assert machine.memory() == 1_000_000
