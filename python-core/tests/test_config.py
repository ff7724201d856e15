import math
from typing import Any, Dict

import pytest
from espalier.base.config import ScriptRunConfig, Session
from espalier.base.errors import EspalierError


@pytest.mark.parametrize(
    "fields,code,word",
    [
        ({}, "bad_argument", "entry_script"),
        ({"command": "x", "entry_script": "y"}, "bad_argument", "Can't use both"),
        ({"source_directory": "."}, "bad_argument", "entry_script is missing"),
        ({"command": "x", "compute_target": "cluster", "docker": True, "environment": {}}, "bad_argument", "'cluster'"),
        ({"command": "x", "arguments": "--a 1"}, "bad_argument", "list"),
        ({"command": "x", "seed": 1.5}, "bad_argument", "seed"),
        ({"command": "x", "seed": "one"}, "bad_argument", "seed"),
        ({"command": "x", "seed": math.nan}, "bad_argument", "seed"),
        ({"command": "x", "outside_links": "follow"}, "bad_argument", "outside_links"),
        ({"command": "x", "environment_variables": {"A": 1}}, "bad_argument", "`environment_variables['A']` must be text"),
        ({"command": "x", "environment_variables": {"A": "\0"}}, "bad_argument", "NUL"),
        ({"command": "x", "environment_variables": {"": "1"}}, "bad_argument", "name"),
        ({"command": "x", "environment_variables": {"A=B": "1"}}, "bad_argument", "name"),
    ],
)
def test_refused(fields: Dict[str, Any], code: str, word: str) -> None:
    with pytest.raises(EspalierError) as caught:
        ScriptRunConfig(**fields)
    assert caught.value.code == code
    assert word in str(caught.value)


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf, "1h", True])
def test_limits_that_are_none(limit: Any) -> None:
    with pytest.raises(EspalierError, match="max_run_duration_seconds"):
        ScriptRunConfig(command="x", max_run_duration_seconds=limit)


def test_a_seed_from_r_is_an_integer() -> None:
    seed = ScriptRunConfig(command="x", seed=42.0).seed  # type: ignore[arg-type]
    assert seed == 42 and type(seed) is int


def test_from_mapping() -> None:
    config = ScriptRunConfig.from_mapping(
        {"command": ["ls"], "seed": None, "session": {"client": "R 4.2.2", "library_paths": ["/a"]}}
    )
    assert config.session == Session("R 4.2.2", library_paths=["/a"])
    assert config.seed is None


def test_from_mapping_names_what_it_does_not_know() -> None:
    with pytest.raises(EspalierError, match="nodes isn't a known field"):
        ScriptRunConfig.from_mapping({"command": "x", "nodes": 1, "cluster": "y"})


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        ScriptRunConfig(command="x").seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "fields",
    [
        {"cpus": -1}, {"cpus": 1.5}, {"cpus": "2"}, {"cpus": True}, {"gpus": -1}, {"gpus": []}, {"memory": "much"}, {"memory": -1},
        {"memory": {}}, {"priority": 0}, {"priority": 10}, {"priority": "high"}, {"retry": 0}, {"retry": {"on": 5}}, {"retry": []},
        {"depends_on": "exp_1_00000000"}, {"depends_on": 5}, {"depends_on": {"exp_1_00000000": 1}}, {"depends_on": ["../x"]},
        {"queue_timeout_seconds": -1}, {"queue_timeout_seconds": "1"}, {"prepare_timeout_seconds": float("inf")},
    ],
)  # fmt: skip
def test_what_is_asked_of_the_queue_is_checked(fields) -> None:
    with pytest.raises(EspalierError) as caught:
        ScriptRunConfig.from_mapping({"command": "true", **fields})
    assert caught.value.code == "bad_argument" and next(iter(fields)).split("_")[0] in caught.value.message


def test_numbers_of_r_are_whole(tmp_path) -> None:
    config = ScriptRunConfig(command="true", cpus=2.0, gpus=1.0, priority=9.0, memory="1.5 kB")
    assert (config.cpus, config.gpus, config.priority, config.resources.memory) == (2, 1, 9, 1536)


def test_an_environment_is_an_object_or_a_name() -> None:
    from espalier import Environment

    given = Environment("torch")
    assert ScriptRunConfig(command="x", environment=given).environment == given._identity()
    assert ScriptRunConfig(command="x", environment="torch").environment == {"name": "torch"}
    assert ScriptRunConfig(command="x", environment="torch:2").environment == {"name": "torch", "version": "2"}
    for wrong in ("", 3, object()):
        with pytest.raises(EspalierError, match="`environment` must be"):
            ScriptRunConfig(command="x", environment=wrong)


def test_what_azureml_core_calls_it() -> None:
    from dataclasses import replace

    config = ScriptRunConfig(".", script="train.py", arguments=["--lr", 0.1, "--n", 5])  # type: ignore[list-item]
    assert (config.entry_script, config.arguments) == ("train.py", ["--lr", "0.1", "--n", "5"])
    assert replace(config, cpus=2).entry_script == "train.py"
    with pytest.raises(EspalierError, match="both entry_script and script"):
        ScriptRunConfig(".", entry_script="a.py", script="b.py")
