"""What a job asks for around it, from the config to the run's records. No engine is needed for that."""

import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier import Experiment, ScriptRunConfig
from espalier.base.config import Session
from espalier.base.errors import EspalierError
from espalier.base.extras import missing
from espalier.base.model.codec import encode
from espalier.jobs.plan import Plan, plan

IMAGE = {"name": "small", "docker": {"base_image": "debian:12"}, "variables": {"A": "1", "B": "2"}, "shm_size": "1g"}


def prepared(experiment: Experiment, **fields: Any) -> Plan:
    paths = experiment.workspace._paths
    return plan(paths, "id", experiment.name, ScriptRunConfig(**fields), lambda: None)


def test_packages_of_a_job_that_become_a_version_of_another_environment_are_noted(experiment: Experiment) -> None:
    def notes(package: str, **name: str) -> Any:
        environment = {**name, "docker": {"base_image": "debian:12"}, "python": {"pip": [package]}}
        found = prepared(experiment, command="true", environment=environment, docker=True).notes
        return [note for note in found if "are now version" in note]

    assert notes("six") == notes("six") == []
    (note,) = notes("seven")
    assert note.startswith(f'The packages of this job are now version 2 of the environment "{experiment.name}", which has')
    assert notes("seven") == [] and notes("eight", name=experiment.name) == []


def test_an_image_is_recorded_and_the_hosts_own_is_left_out(experiment: Experiment, tmp_path: Path) -> None:
    session = Session(
        environment={"PATH": "/host/bin", "HOME": "/h", "LD_LIBRARY_PATH": "/l", "TZ": "UTC", "https_proxy": "p",
                     "DOCKER_HOST": "unix:///x", "LANG": "de_DE", "OTHER": "o"},
        rscript="/host/Rscript", library_paths=["/host/library"],
    )  # fmt: skip
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a.R").write_text("1")
    made = prepared(experiment, source_directory=str(tmp_path / "t"), entry_script="a.R", environment=IMAGE, docker=True,
                    environment_variables={"B": "3"}, session=session)  # fmt: skip
    spec, env = encode(made.spec), made.env
    assert spec["command"] == [{"interpreter": "r"}, {"script": "a.R"}], "it is found in the image"
    assert env.variables == {
        "TZ": "UTC", "https_proxy": "p", "A": "1", "B": "3", "RENV_CONFIG_AUTOLOADER_ENABLED": "FALSE",
    }  # fmt: skip
    assert (spec["target"], spec["docker"]["shm_size"], spec["environment"]["how"]) == ("docker", 1 << 30, "image")
    assert (spec["environment"]["name"], spec["environment"]["version"]) == ("small", "1")
    assert env.engine == {"DOCKER_HOST": "unix:///x"} and env.prepared is None
    assert not {"OTHER", "LD_LIBRARY_PATH"} & set(env.preparing) and env.preparing["PATH"] == "/host/bin"


def test_an_equal_definition_keeps_its_version_and_reuse_sees_what_counts(experiment: Experiment) -> None:
    def of(**changes: Any) -> Any:
        return prepared(experiment, command="true", environment={**IMAGE, **changes}, docker=True).spec

    first, same, other = of(), of(), of(docker={"base_image": "debian:11"})
    assert same.environment.version == "1" and other.environment.version == "2"
    assert first.reuse_key == same.reuse_key != other.reuse_key
    assert of(description="text").reuse_key == first.reuse_key, "only people read that"
    by_name = prepared(experiment, command="true", environment={"name": "small", "version": "2"}, docker=True).spec
    assert by_name.environment.definition == other.environment.definition


def test_a_definition_without_a_name_has_the_experiments(experiment: Experiment) -> None:
    spec = prepared(experiment, command="true", environment={"docker": {"base_image": "a"}}, docker=True).spec
    assert spec.environment.name == experiment.name


def test_a_secret_is_a_name_in_every_record(experiment: Experiment) -> None:
    asked = {"name": "e", "r": {"github": [{"repository": "a/b", "auth_token": {"secret": "github"}}]},
             "docker": {"base_image": "a"}}  # fmt: skip
    made = prepared(experiment, command="true", environment=asked, docker=True)
    assert '"auth_token": {"secret": "github"}' in json.dumps(encode(made.spec))


def test_a_variable_that_looks_secret_is_told_of(experiment: Experiment) -> None:
    asked = {**IMAGE, "variables": {"DB_PASSWORD": "hunter2-x", "LEVEL": "1"}}
    made = prepared(experiment, command="true", environment=asked, docker=True)
    assert [note.split()[3] for note in made.notes] == ["DB_PASSWORD"]
    assert "hunter2-x" not in json.dumps([made.notes, encode(made.spec)])
    assert not prepared(experiment, command="true", environment=IMAGE, docker=True).notes


@pytest.mark.parametrize(
    "fields,code",
    [
        ({"environment": IMAGE}, "needs_docker"),
        ({"environment": {"name": "none-of-that-name"}, "docker": True}, "environment_missing"),
        ({"environment": {"definition": "{"}, "docker": True}, "environment_invalid"),
        ({"environment": {"name": "e", "unknown": 1}, "docker": True}, "environment_invalid"),
        ({"environment": {"name": "e", "r": {"cran": [{"name": "a; rm"}]}}, "docker": True}, "environment_invalid"),
        ({"environment": IMAGE, "docker": True, "inputs": {"x": "/proc"}}, "bad_argument"),
    ],
)
def test_refused_before_anything_is_written(experiment: Experiment, fields: Dict[str, Any], code: str) -> None:
    with pytest.raises(EspalierError) as caught:
        prepared(experiment, command="true", **fields)
    assert caught.value.code == code
    assert not os.path.exists(experiment.workspace._paths.environments)


@pytest.mark.parametrize(
    "place,code,word",
    [
        ("ssh://me@host", "not_supported", "unix:// and tcp:// only"),
        ("npipe:////./pipe/docker_engine", "not_supported", "unix:// and tcp:// only"),
        ("127.0.0.1:2375", "not_supported", "unix:// and tcp:// only"),
        ("tcp://192.0.2.1:2376", "not_supported", "on another machine"),
        ("tcp://no-such-host.invalid:2376", "docker_unavailable", "no-such-host.invalid"),
        ("tcp://localhost", "docker_unavailable", "names no port"),
        ("tcp://" + "a" * 100 + ":1", "docker_unavailable", "a{100}"),
    ],
)
def test_an_engine_that_runs_cannot_use(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, place: str, code: str, word: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", place)
    with pytest.raises(EspalierError, match=word) as caught:
        prepared(experiment, command="true", environment=IMAGE, docker=True)
    assert caught.value.code == code
    assert "DOCKER_HOST" in caught.value.hint
    assert prepared(experiment, command="true", environment={"name": "e", "variables": {"A": "1"}})


@pytest.mark.parametrize("place", ["unix:///nowhere.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375/"])
def test_an_engine_of_this_machine(experiment: Experiment, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", place)
    made = prepared(experiment, command="true", environment=IMAGE, docker=True)
    assert made.env.engine["DOCKER_HOST"] == place


@pytest.mark.parametrize(
    ("lacking", "definition"),
    [
        ("docker", {"docker": {"base_image": "debian:12"}}),
        ("packages", {"docker": {"base_image": "debian:12"}, "python": {"pip": ["six"]}}),
        ("conda", {"docker": {"base_image": "debian:12"}, "python": {"conda": {"dependencies": ["zlib"]}}}),
    ],
)
def test_what_making_its_environment_will_need_is_asked_for_at_submit(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, lacking: str, definition: Dict[str, Any]
) -> None:
    """Because the processes of a run install nothing."""
    def require(name: str, folders: Any = None) -> None:
        if name == lacking:
            raise missing(name)

    monkeypatch.setattr("espalier.jobs.environment.require", require)
    monkeypatch.setattr("espalier.provision.packages.pyenv.has_uv", lambda: False)
    with pytest.raises(EspalierError) as caught:
        prepared(experiment, command="true", environment=definition, docker=True)
    assert (caught.value.code, caught.value.fields) == ("extra_missing", {"extra": lacking})
    assert not os.path.exists(os.path.join(experiment.workspace._paths.root, "environments")), "nothing was written"
    prepared(experiment, command="true")
