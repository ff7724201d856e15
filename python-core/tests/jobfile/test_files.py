"""Job files: what is written is read as it was."""

import datetime
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, Dict

import pytest
import yaml
from espalier import Environment, EspalierError, ScriptRunConfig, input_url, read_job, write_job
from espalier.base.config import OUTSIDE_LINKS, Session
from espalier.base.docker_options import DockerOptions
from espalier.base.retry import CAUSES, Retry
from espalier.environment.definition import CranPackage, RSide
from espalier.jobfile.environments import definition_value
from espalier.jobfile.fields import WAYS, schema_of_job_files
from espalier.jobfile.files import job_text
from espalier.jobfile.model import fields_of, job_of
from espalier.jobfile.reader import read_document
from hypothesis import given, settings
from hypothesis import strategies as st

FOLDER = "/srv/project/jobs"
# What other readers of YAML take for something else, and what shells, YAML and terminals have a use for.
ODD = ["", "yes", "no", "1e5", "0o17", "1.10", "010", "null", "~", "2024-05-01", "12:30", "-", "--x", "$(id)", "!!str", "&a", "*a", "#", ": ", "a\nb", " a", "a ", "\n\n a\n", "\t", "\r\n", "\x00\x1b[31m", "\u2028\x85", "é\ufeff", "😀\U0001d4b3", "'", '"', "\\n", "{", "[", "<<", "?", "=", ".inf", "1_0", "%", "@", "`"]
TEXTS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12) | st.sampled_from(ODD)
PLAIN = TEXTS.map(lambda text: text.replace("\0", ""))
NAMES = st.sampled_from(["a", "no", "1e5", "0x1", "null", "data.1", "true", "12_30"])
LABELS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="-"), min_size=1, max_size=8) | st.sampled_from([odd for odd in ODD if odd.isprintable() and odd.strip("-")])
NUMBERS = st.integers(-(2**80), 2**80) | st.integers() | st.floats() | st.booleans()
WORDS = PLAIN.filter(lambda text: not text.startswith("-"))
PARAMS = st.none() | NUMBERS | PLAIN | st.lists(NUMBERS.filter(lambda number: number != float("-inf")) | WORDS, max_size=3)
PATHS = st.sampled_from(["/srv/project", "/srv/project/jobs", "/srv/project/jobs/~a", "/srv/project/jobs/b c", "/srv/else", "/", "/srv/project/R/é: [x"])
SIZES = st.sampled_from(["4 GB", "4096", 5_000_000, "5 kB"])
REFERENCES = st.sampled_from([{"run": "exp_1_abcdef01", "output": "model"}, input_url("https://x.org/a.csv", "0" * 64)])
DEFINITIONS = st.sampled_from([
    Environment("e"), Environment("e", version="3", description="a\nb"), Environment("1e5", use_gpu=True, variables={"A": "no"}),
    Environment("e", r=RSide(version="4.10", cran=(CranPackage("yes"), CranPackage("glmnet", "4.1-8")))),
])  # fmt: skip
ENVIRONMENTS = (
    st.sampled_from([{"name": "tidy"}, {"name": "tidy", "version": "3"}, {"name": "a:b"}, {"name": "1e5", "version": "1.10"}])
    | st.tuples(DEFINITIONS, st.booleans()).map(lambda pair: definition_value(*pair))
)  # fmt: skip
DOCKER = st.builds(
    DockerOptions, shm_size=st.none() | SIZES, network=st.sampled_from(["bridge", "none", "no"]), init=st.booleans(),
    mounts=st.dictionaries(PATHS.filter(lambda path: path != "/"), st.sampled_from(["/mnt", "/data"]), max_size=1), user=st.none() | st.just("1000:100"),
)  # fmt: skip
RETRIES = st.none() | st.integers(1, 9) | st.fixed_dictionaries({"attempts": st.integers(1, 9)}, optional={"on": st.lists(st.sampled_from(CAUSES), min_size=1) | st.sampled_from(CAUSES), "wait_seconds": st.floats(0, 9), "factor": st.integers(1, 9)}).map(lambda policy: {name: policy[name] for name in Retry._fields if name in policy})
SECONDS = st.none() | st.floats(0.1, 1e9) | st.integers(1, 10**9)
COMMON: Dict[str, Any] = dict(
    arguments=st.lists(TEXTS, max_size=3), script_params=st.dictionaries(LABELS, PARAMS, max_size=4), environment_variables=st.dictionaries(LABELS.filter(lambda name: "=" not in name), PLAIN, max_size=3),
    inputs=st.dictionaries(NAMES, PATHS | REFERENCES, max_size=3), outputs=st.dictionaries(NAMES, st.sampled_from(["outputs/a.rds", "outputs/1e5", "logs/é"]), max_size=2),
    cpus=st.integers(0, 9), gpus=st.integers(0, 2), memory=st.none() | SIZES, priority=st.integers(1, 9), retry=RETRIES,
    depends_on=st.lists(st.just("exp_1785146492_abcdef01"), max_size=1), max_run_duration_seconds=SECONDS, queue_timeout_seconds=st.floats(0, 1e9),
    prepare_timeout_seconds=SECONDS, seed=st.none() | st.integers(), keep_workdir=st.booleans(), display_name=st.none() | TEXTS,
    record_diff=st.booleans(), children=st.sampled_from(["wait", "detach"]), secrets=st.lists(st.sampled_from(["no", "db.key", "1e5"]), unique=True), outside_links=st.sampled_from(OUTSIDE_LINKS),
    session=st.sampled_from([Session(), Session(python="python3"), Session(python=FOLDER + "/venv"), Session(python="/usr/bin/python3")]),
)  # fmt: skip
PLACES: Any = st.tuples(st.none() | ENVIRONMENTS, st.none() | st.just(True) | DOCKER, st.sampled_from(["local", "docker", "1e5"])).map(
    lambda place: dict(environment=place[0], docker=place[1] if place[2] != "1e5" else None, compute_target=place[2]) if place[0] is not None else dict(environment=None)
)
PROGRAMS: Any = (
    st.tuples(TEXTS, PATHS).map(lambda pair: dict(entry_script=pair[0], source_directory=pair[1]))
    | st.tuples(TEXTS | st.lists(TEXTS, max_size=3), st.none() | PATHS).map(lambda pair: dict(command=pair[0], source_directory=pair[1]))
)  # fmt: skip
CONFIGS = st.tuples(st.fixed_dictionaries({}, optional=COMMON), PLACES, PROGRAMS).map(lambda parts: ScriptRunConfig(**parts[0], **parts[1], **parts[2]))


def same(one: ScriptRunConfig, other: ScriptRunConfig) -> bool:
    """Whether two configs are the same, NaN, the types of values and the order of names included."""
    return exact(one) == exact(other)


def exact(value: Any) -> Any:
    if isinstance(value, (ScriptRunConfig, Session, DockerOptions)):
        return {item.name: exact(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return [(name, exact(item)) for name, item in value.items()]
    return [exact(item) for item in value] if isinstance(value, (list, tuple)) else (type(value).__name__, repr(value))


@given(CONFIGS, st.none() | st.sampled_from(["pima", "1e5"]), st.dictionaries(LABELS, TEXTS, max_size=3))
@settings(max_examples=400, deadline=None)
def test_nothing_is_lost(config: ScriptRunConfig, experiment: Any, tags: Dict[str, str]) -> None:
    text = job_text(fields_of(config, experiment, tags, FOLDER))
    job = job_of(read_document(text, f"{FOLDER}/job.yml"), [])
    assert same(job.config, config), text
    assert (job.experiment, dict(job.tags)) == (experiment, tags)
    # and readers of YAML 1.1 find the same text and numbers
    plain = yaml.safe_load(text)
    assert exact(plain.get("params", {})) == exact(dict(config.script_params)) and plain.get("arguments", []) == list(config.arguments)


def test_every_field_of_a_config_has_one_in_files() -> None:
    assert {*WAYS, "session"} == {item.name for item in fields(ScriptRunConfig)}


def test_a_file_says_what_the_job_says_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    config = ScriptRunConfig(str(tmp_path / "project"), "train.R", script_params={"trees": 500, "lr": 0.1, "verbose": None}, cpus=2)
    assert write_job(config, str(path), "pima", {"stage": "dev"}) == []
    assert path.read_text() == (
        "$schema: urn:espalier:job:1\nformat: 1\nexperiment: pima\ntags:\n  stage: dev\nsource_directory: project\n"
        "script: train.R\nparams:\n  trees: 500\n  lr: 0.1\n  verbose: null\nresources:\n  cpus: 2\n"
    )
    job = read_job(str(path))
    assert same(job.config, config) and (job.experiment, job.tags, job.notes) == ("pima", {"stage": "dev"}, [])


def test_paths_move_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "one" / "jobs").mkdir(parents=True)
    config = ScriptRunConfig(str(tmp_path / "one"), "a.R", inputs={"near": str(tmp_path / "one" / "x.csv"), "far": "/srv/y.csv"})
    write_job(config, str(tmp_path / "one" / "jobs" / "job.yml"))
    (tmp_path / "one").rename(tmp_path / "two")
    moved = read_job(str(tmp_path / "two" / "jobs" / "job.yml")).config
    assert moved.source_directory == str(tmp_path / "two")
    assert moved.inputs == {"near": str(tmp_path / "two" / "x.csv"), "far": "/srv/y.csv"}


def test_a_script_lies_beside_its_file_unless_it_says_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.yml").write_text("script: a.R\n")
    (tmp_path / "home.yml").write_text("script: a.R\nsource_directory: ~/x\npython: ~/venv\n")
    (tmp_path / "command.yml").write_text("command: ls\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert read_job("job.yml").config.source_directory == str(tmp_path)
    home = read_job("home.yml").config
    assert (home.source_directory, home.session.python) == ("/home/me/x", "/home/me/venv")
    assert read_job("command.yml").config.source_directory is None


def test_environments_of_all_kinds(tmp_path: Path) -> None:
    environment = Environment("tidy", r=RSide(version="4.10", cran=(CranPackage("glmnet"),)))
    environment.write(str(tmp_path / "tidy.yml"))
    written = {
        "tidy": {"name": "tidy"}, "tidy:3": {"name": "tidy", "version": "3"}, "{name: tidy, version: 3}": {"name": "tidy", "version": "3"},
        "{file: tidy.yml}": {"definition": environment._identity()["definition"]},
        "{name: tidy, r: {version: 4.10, cran: [{name: glmnet}]}}": {"definition": environment._identity()["definition"]},
        "{r: {version: 4.10, cran: [{name: glmnet}]}}": {"r": {"version": "4.10", "cran": [{"name": "glmnet"}]}}, "{}": {},
    }  # fmt: skip
    for text, meant in written.items():
        (tmp_path / "job.yml").write_text(f"command: ls\nenvironment: {text}\n")
        assert read_job(str(tmp_path / "job.yml")).config.environment == meant, text
    # (as Python's users may write it)
    path = str(tmp_path / "new.yml")
    write_job(ScriptRunConfig(command="ls", environment={"name": "tidy", "r": {"version": "4.10", "cran": [{"name": "glmnet"}]}}), path)
    assert read_job(path).config.environment == written["{file: tidy.yml}"]


def test_what_no_file_can_hold(tmp_path: Path) -> None:
    path = str(tmp_path / "job.yml")
    for wrong, says in (
        ({"display_name": "\udc80"}, "isn't Unicode"), ({"arguments": ["x"] * 30_000}, "more than 20000 values"), ({"arguments": ["x" * (2 << 20)]}, "larger than 1 MB"),
        ({"script_params": {"a": object()}}, "type object"), ({"script_params": {"a": 10**600}}, "Can't write"), ({"environment": {"definition": "{"}}, "JSON"),
    ):  # fmt: skip
        with pytest.raises(EspalierError, match=says):
            write_job(ScriptRunConfig(command="ls", **wrong), path)  # type: ignore[arg-type]
    with pytest.raises(EspalierError, match="`source_directory` is missing"):
        write_job(ScriptRunConfig(entry_script="a.R"), path)
    with pytest.raises(EspalierError, match="Can't name an experiment"):
        write_job(ScriptRunConfig(command="ls"), path, "a/b")
    with pytest.raises(EspalierError, match="Can't write"):
        write_job(ScriptRunConfig(command="ls"), str(tmp_path / "no" / "job.yml"))
    assert os.listdir(tmp_path) == []


def test_values_of_other_types(tmp_path: Path) -> None:
    path = str(tmp_path / "job.yml")
    day = datetime.date(2024, 5, 1)
    write_job({"command": ("ls", "-l"), "script_params": {"day": day, "several": (1, 2)}}, path, tags={"n": 5})
    job = read_job(path)
    assert (job.config.command, job.config.script_params) == (["ls", "-l"], {"day": "2024-05-01", "several": [1, 2]})
    assert job.tags == {"n": "5"}


def test_variables_that_look_secret_are_noted(tmp_path: Path) -> None:
    config = ScriptRunConfig(command="ls", environment_variables={"DB_PASSWORD": "x", "N": "1"}, secrets=["db"])
    (note,) = write_job(config, str(tmp_path / "job.yml"))
    assert "DB_PASSWORD" in note and "secrets" in note


def test_the_published_schema_is_that_of_the_fields() -> None:
    page = json.loads((Path(__file__).parents[3] / "docs" / "job.schema.json").read_text("utf-8"))
    assert page == schema_of_job_files()
