from typing import Any

import pytest
from espalier.base.config import BUILD_TIMEOUT_SECONDS, PREPARE_TIMEOUT_SECONDS, ScriptRunConfig
from espalier.base.docker_options import DockerOptions, checked_docker
from espalier.base.errors import EspalierError

ENVIRONMENT = {"name": "e", "docker": {"base_image": "debian"}}


@pytest.mark.parametrize("value,on", [(None, False), (False, False), (True, True), ({}, True), ({"network": "none"}, True)])
def test_switched_on_and_off(value: Any, on: bool) -> None:
    assert (checked_docker(value) is not None) == on


def test_what_it_is_by_default() -> None:
    assert DockerOptions() == DockerOptions(shm_size=None, network="bridge", mounts={}, init=True, user=None)
    assert DockerOptions(mounts=["/data"]).places == {"/data": "/data"}


@pytest.mark.parametrize(
    "options",
    [
        {"privileged": True},
        {"cap_add": ["SYS_ADMIN"]},
        {"network": "container:other"},
        {"network": "bridge\n--privileged"},
        {"network": ""},
        {"user": "root"},
        {"user": "0:0;id"},
        {"user": 0},
        {"init": "yes"},
        {"shm_size": "all of it"},
        {"shm_size": 1},
        {"mounts": "/data"},
        {"mounts": ["data"]},
        {"mounts": ["/data/../etc"]},
        {"mounts": ["/data/"]},
        {"mounts": ["/a\nb"]},
        {"mounts": {"/data": "/"}},
        {"mounts": {"/data": "/proc/1"}},
        {"mounts": {"/data": "relative"}},
        {"mounts": {"/a": "/x", "/b": "/x"}},
    ],
)  # fmt: skip
def test_hostile(options: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        checked_docker(options)
    assert caught.value.code == "bad_argument"


@pytest.mark.parametrize("value", ["yes", 1, ["a"]])
def test_no_options_at_all(value: Any) -> None:
    with pytest.raises(EspalierError, match="docker must be"):
        checked_docker(value)


def test_in_a_config() -> None:
    config = ScriptRunConfig(command="a", environment=ENVIRONMENT, compute_target="docker")
    assert config.container == DockerOptions()
    assert config.prepare_timeout_seconds == BUILD_TIMEOUT_SECONDS
    plain = ScriptRunConfig(command="a")
    assert (plain.container, plain.prepare_timeout_seconds) == (None, PREPARE_TIMEOUT_SECONDS)
    assert ScriptRunConfig(command="a", environment=ENVIRONMENT, docker={"network": "host"}).container is not None
    assert ScriptRunConfig(command="a", environment=ENVIRONMENT, docker=False).container is None


@pytest.mark.parametrize(
    "fields,word",
    [
        ({"compute_target": "docker"}, "without an environment"),
        ({"docker": True}, "without an environment"),
        ({"compute_target": "docker", "docker": False, "environment": ENVIRONMENT}, "switched off"),
        ({"environment": 5}, "`environment` must be"),
        ({"environment": ENVIRONMENT, "docker": {"mounts": ["a"]}}, "mounts"),
    ],
)
def test_contradictions(fields: Any, word: str) -> None:
    with pytest.raises(EspalierError, match=word):
        ScriptRunConfig(command="a", **fields)


def test_only_root_has_jobs_run_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 1000)
    assert DockerOptions(user="1000:0").user == "1000:0"
    for user in ("0", "00:5", "0:1000"):
        with pytest.raises(EspalierError) as caught:
            DockerOptions(user=user)
        assert caught.value.code == "bad_argument"
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert DockerOptions(user="0").user == "0"
