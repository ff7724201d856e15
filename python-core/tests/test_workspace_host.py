from typing import Any, Callable

import pytest
from espalier import EspalierError, Host, Run, Workspace


def test_resources(workspace: Workspace, submit: Callable[..., Run], reach: Any) -> None:
    set_to = Host.resources(cpus=4, gpus=["0", "GPU-7"], memory="2 GB")
    assert set_to.columns == {
        "resource": ["cpus", "gpus", "memory"],
        "total": [4.0, 2.0, 2.0**31],
        "free": [4.0, 2.0, 2.0**31],
        "ids": [None, "0 GPU-7", None],
    }
    run = submit("sleep 30", cpus=3, gpus=1, memory="1 GB")
    reach(run, "Running")
    assert Host.resources().columns["free"] == [1.0, 1.0, 2.0**30]
    Host.resources(cpus=2)
    assert Host.resources().columns["free"][0] == 0.0, "a lowered limit stops nobody"
    assert Host.resources().columns["total"][0] == 2 and run.get_status() == "Running"


def test_more_starts_what_waits(workspace: Workspace, submit: Callable[..., Run], reach: Any) -> None:
    Host.resources(cpus=1)
    first, second = submit("sleep 30"), submit("sleep 30")
    reach(first, "Running")
    Host.resources(cpus=2)
    reach(second, "Running")


@pytest.mark.parametrize("bad", [{"cpus": 0}, {"cpus": 1.5}, {"memory": "much"}])
def test_bad_values(home: Any, bad: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        Host.resources(**bad)
    assert caught.value.code == "bad_argument"


def test_the_keeper_is_seen(workspace: Workspace, submit: Callable[..., Run], reach: Any) -> None:
    Host.resources(cpus=1)
    first, second = submit("sleep 30"), submit("true")
    reach(lambda: Host.keeper_status()["running"])
    second.cancel()
    reach(lambda: not Host.keeper_status()["running"])
    first.cancel()
