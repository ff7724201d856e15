"""Azure's job files, read as they are."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from espalier import Environment, EspalierError, read_job
from espalier.jobfile.model import JobFile

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\n"
COMMAND = (
    SCHEMA + """type: command
name: job-17
display_name: Pima
experiment_name: pima
description: |
  A job.
tags: {stage: dev}
code: src
command: >-
  Rscript train.R --data ${{inputs.data}} --trees ${{inputs.trees}} --title '${{ inputs.title }}'
  --out "${{outputs.model}}/m.rds" --log ${{outputs.log}}
inputs:
  data: {type: uri_file, path: ../data/pima.csv, mode: ro_mount}
  trees: 500
  title: "it's $(touch harmed) `touch harmed`; \\"x\\""
outputs:
  model: {type: uri_folder, mode: rw_mount}
  log: {type: uri_file, path: azureml://datastores/x/paths/y}
environment: azureml:tidy:3
environment_variables: {OMP_NUM_THREADS: 4}
compute: azureml:cpu-cluster
resources: {instance_count: 1, instance_type: Standard_DS3_v2, shm_size: 2g}
distribution: {type: mpi, process_count_per_instance: 1}
limits: {timeout: 3600}
services:
  notebook: {type: jupyter_lab}
identity: {type: managed}
"""
)


def read(tmp_path: Path, text: str, name: str = "job.yml", given: Any = ()) -> JobFile:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return read_job(str(path), given)


def test_a_command_job(tmp_path: Path) -> None:
    job = read(tmp_path, COMMAND)
    config = job.config
    assert (job.experiment, job.tags, config.display_name) == ("pima", {"stage": "dev"}, "Pima")
    assert config.source_directory == str(tmp_path / "src")
    assert config.inputs == {"data": str(tmp_path.parent / "data" / "pima.csv")}
    assert config.outputs == {"model": "outputs/model", "log": "outputs/log"}
    assert config.environment == {"name": "tidy", "version": "3"}
    assert (config.executor, config.container and config.container.shm_size, config.max_run_duration_seconds) == ("docker", "2g", 3600)
    title = "it's $(touch harmed) `touch harmed`; \"x\""
    assert config.environment_variables == {"OMP_NUM_THREADS": "4", "AZURE_ML_INPUT_trees": "500", "AZURE_ML_INPUT_title": title}
    (note,) = job.notes
    assert note == (
        "job.yml: these fields have no meaning on this machine and were left out: name, description, distribution, services, identity, compute, "
        "resources.instance_type, outputs.log.path."
    )


def test_its_command_in_a_shell(tmp_path: Path) -> None:
    """Whatever the values are, each is one word, and none is executed."""
    (tmp_path / "Rscript").write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n')
    (tmp_path / "Rscript").chmod(0o755)
    config = read(tmp_path, COMMAND).config
    variables = {**config.environment_variables, "ESPALIER_INPUT_DATA": "/a b/$(touch harmed)", "AZUREML_OUTPUT_DIRECTORY": str(tmp_path / "o p"), "PATH": f"{tmp_path}:/bin:/usr/bin"}
    done = subprocess.run(["/bin/sh", "-c", str(config.command)], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "train.R", "--data", "/a b/$(touch harmed)", "--trees", "500", "--title", "it's $(touch harmed) `touch harmed`; \"x\"",
        "--out", f"{tmp_path}/o p/model/m.rds", "--log", f"{tmp_path}/o p/log",
    ]  # fmt: skip
    assert (tmp_path / "o p" / "model").is_dir() and "harmed" not in os.listdir(tmp_path)


def test_settings_are_by_its_own_names(tmp_path: Path) -> None:
    job = read(tmp_path, COMMAND, given=["inputs.trees=7", "inputs.data.path=/x.csv", "compute=local", "tags.n=1"])
    assert job.config.environment_variables["AZURE_ML_INPUT_trees"] == "7" and job.config.inputs == {"data": "/x.csv"}
    assert "compute" not in job.notes[0] and job.tags == {"stage": "dev", "n": "1"}


@pytest.mark.parametrize(
    "written, meant",
    [
        ("azureml:tidy:3", {"name": "tidy", "version": "3"}), ("azureml:tidy@latest", {"name": "tidy"}), ("azureml:tidy", {"name": "tidy"}),
        ("azureml://registries/azureml/environments/sk-1.0/versions/12", {"name": "sk-1.0", "version": "12"}),
        ("azureml://registries/azureml/environments/sk-1.0/labels/latest", {"name": "sk-1.0"}),
        ("{image: 'rocker/r-ver:4.3'}", {"docker": {"base_image": "rocker/r-ver:4.3"}}),
        ("{image: x/y, conda_file: conda.yml, name: n, version: 1}", {"python": {"version": "3.11", "conda": {"channels": ["conda-forge"], "dependencies": ["numpy=1.26"]}}, "docker": {"base_image": "x/y"}}),
        ("{conda_file: conda.yml}", {"python": {"version": "3.11", "conda": {"channels": ["conda-forge"], "dependencies": ["numpy=1.26"]}}}),
        ("{build: {path: image, dockerfile_path: D}}", {"docker": {"build_context": {"path": "<here>/image", "dockerfile": "D"}}}),
    ],
)  # fmt: skip
def test_its_environments(written: str, meant: Any, tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("name: x\nchannels: [conda-forge]\ndependencies: [python=3.11, numpy=1.26]\n")
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "D").write_text("FROM x\n")
    config = read(tmp_path, f"type: command\ncommand: ls\nenvironment: {written}\n").config
    found = str(config.environment).replace(str(tmp_path), "<here>")
    if "python" in meant:
        assert config.environment is not None and "numpy=1.26" in found
        Environment.from_mapping({"name": "e", **config.environment})
    else:
        assert found == str(meant)
    assert (config.container is not None) == ("docker" in meant)


@pytest.mark.parametrize(
    "text, place, says",
    [
        ("type: sweep\ntrial: {}\n", "line 1, column 7", "type must be command, not 'sweep'"),
        ("type: command\ncommand: ls\ncomputee: x\n", "line 3, column 1", "computee isn't a known field"),
        ("type: command\ncommand: ls ${{inputs.x}}\n", "line 2, column 10", "${{inputs.x}}, which isn't among the inputs"),
        ("type: command\ninputs: {x: 1}\ncommand: |\n  # don't\n  ls ${{inputs.x}}\n", "line 3, column 10", "beside a comment"),
        ("type: command\ninputs: {x: 1}\ncommand: cat <<E ${{inputs.x}}\n", "line 3, column 10", "a here-document"),
        ('type: command\ninputs: {x: 1}\ncommand: echo "$(ls "${{inputs.x}}")"\n', "line 3, column 10", "within a command"),
        ("type: command\ncommand: ls ${{search_space.x}}\n", "line 2, column 10", "isn't an input or output"),
        ("type: command\ncommand: ls\ncode: git+https://x.org/r\n", "line 3, column 7", "isn't a path on this machine"),
        ("type: command\ncommand: ls\ninputs: {d: {path: 'azureml:data:3'}}\n", "line 3, column 20", "isn't a path on this machine"),
        ("type: command\ncommand: ls\ninputs: {d: {path: 'https://x.org/a'}}\n", "line 3, column 20", "isn't a path"),
        ("type: command\ncommand: ls\ninputs: {'a b': 1}\n", "line 3, column 10", "inputs.a b can't be the name of one"),
        ("type: command\ncommand: ls\ninputs: {d: [1]}\n", "line 3, column 13", "inputs.d must be text, not a list"),
        ("type: command\ncommand: ls\noutputs: {'../x': }\n", "line 3, column 11", "outputs.../x can't be the name of one"),
        ("type: command\ncommand: [ls]\n", "line 2, column 10", "command must be text, not a list"),
        ("type: command\ncommand: ls\nenvironment: {}\n", "line 3, column 14", "a name, or have image, build or conda_file"),
        ("type: command\ncommand: ls\nenvironment: {conda_file: no.yml}\n", "line 3, column 14", "can't be read"),
        ("type: command\ncommand: ls\nenvironment: {image: '--x'}\n", "line 3, column 14", "isn't the name of an image"),
        ("type: command\ncommand: ls\nlimits: {timeout: -1}\n", "line 3, column 19", "must be a positive number"),
        ("type: command\n", "line 1, column 1", "it holds no job"),
        ("type: command\ncommand: ls\nenvironment: 'a:b:c:d'\n", "line 3, column 14", "must be the name of an environment"),
    ],
)  # fmt: skip
def test_what_has_no_place_here_is_an_error(text: str, place: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(EspalierError) as caught:
        read(tmp_path, text)
    assert caught.value.code == "bad_job_file"
    assert f"job.yml, {place}: " in caught.value.message and says in caught.value.message, str(caught.value)


def test_files_of_ours_are_not_taken_for_azures(tmp_path: Path) -> None:
    job = read(tmp_path, "command: ls\nlimits: {run_seconds: 5}\nresources: {cpus: 2}\ntags: {a: b}\n")
    assert (job.config.max_run_duration_seconds, job.config.cpus, job.notes) == (5, 2, [])
    assert read(tmp_path, "$schema: urn:espalier:job:1\ncommand: ls\nenvironment: azureml\n").notes == []


def test_a_file_on_the_web_by_its_digest(tmp_path: Path) -> None:
    given = {"url": "https://x.org/a.csv", "sha256": "0" * 64}
    text = f"type: command\ncommand: cat ${{{{inputs.d}}}}\ninputs: {{d: {{url: {given['url']}, sha256: '{given['sha256']}'}}}}\n"
    assert read(tmp_path, text).config.inputs == {"d": given}


RUNCONFIG = """script: train.py
arguments: [--trees, 0500]
target: cpu-cluster
framework: Python
communicator: None
maxRunDurationSeconds: 600
nodeCount: 1
priority:
environment:
  name: project environment
  version: null
  environmentVariables: {EXAMPLE: a, OTHER: b}
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependenciesFile: .azureml/conda.yml
    baseCondaEnvironment: null
  docker: {enabled: true, baseImage: 'mcr.microsoft.com/azureml/base:1', baseDockerfile: null, baseImageRegistry: {address: null, username: null, password: null}, sharedVolumes: true, shmSize: 2g, arguments: []}
  spark: {repositories: [], packages: [], precachePackages: true}
history: {outputCollection: true, snapshotProject: true, directoriesToWatch: [logs]}
spark: {configuration: {spark.app.name: Azure}}
tensorflow: {workerCount: 1, parameterServerCount: 1}
mpi: {processCountPerNode: 1}
dataReferences: {}
data: {}
sourceDirectoryDataStore: null
environmentVariables: {OTHER: c}
"""


def test_a_run_configuration(tmp_path: Path) -> None:
    (tmp_path / ".azureml").mkdir()
    (tmp_path / ".azureml" / "conda.yml").write_text("channels: [conda-forge]\ndependencies: [python=3.11, {pip: [azureml-defaults]}]\n")
    job = read(tmp_path, RUNCONFIG, ".azureml/train.runconfig")
    config = job.config
    assert (config.source_directory, config.entry_script, config.arguments) == (str(tmp_path), "train.py", ["--trees", "0500"])
    assert (config.max_run_duration_seconds, config.environment_variables) == (600, {"EXAMPLE": "a", "OTHER": "c"})
    assert config.environment is not None and config.environment["docker"] == {"base_image": "mcr.microsoft.com/azureml/base:1"}
    assert config.environment["python"]["pip"] == ["azureml-defaults"]
    assert config.container is not None and config.container.shm_size == "2g"
    assert job.notes == ["train.runconfig: these fields have no meaning on this machine and were left out: target, framework, history, spark."]


@pytest.mark.parametrize(
    "environment, meant",
    [
        ("{python: {userManagedDependencies: true, interpreterPath: /opt/python}}", {"python": {"interpreter_path": "/opt/python"}}),
        ("{python: {userManagedDependencies: true, interpreterPath: python}, docker: {enabled: false, baseImage: x}}", None),
        ("{python: {condaDependencies: {channels: [c], dependencies: [numpy]}}}", {"python": {"conda": {"channels": ["c"], "dependencies": ["numpy"]}}}),
        ("{r: {rVersion: 4.10, cranPackages: [{name: glmnet, version: 4.1-8}], githubPackages: [{repository: u/r, authToken: x}]}}", {"r": {"version": "4.10", "cran": [{"name": "glmnet", "version": "4.1-8"}], "github": [{"repository": "u/r"}]}}),
        ("{docker: {enabled: true, baseDockerfile: FROM x}}", {"docker": {"base_dockerfile": "FROM x"}}),
        ("conda.yml", {"python": {"conda": {"dependencies": ["numpy"]}}}),
        ("null", None),
    ],
)  # fmt: skip
def test_environments_of_run_configurations(environment: str, meant: Any, tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("dependencies: [numpy]\n")
    found = read(tmp_path, f"script: a.R\nframework: R\nenvironment: {environment}\n").config.environment
    assert found == meant or (meant and meant["python"]["conda"]["dependencies"] == ["numpy"] and found["python"]["conda"]["dependencies"][-1] == "numpy")  # type: ignore[index]


@pytest.mark.parametrize(
    "text, says",
    [
        ("framework: R\n", "script is missing"),
        ("script: a.R\nframework: R\narguments: \"--a 'b\"\n", "can't be split into words"),
        ("script: a.R\nframework: R\nenvironment: {r: {rVersion: x}}\n", "r.version"),
        ("script: a.R\nframework: R\nenvironment: {python: {condaDependenciesFile: ../../none}}\n", "can't be read"),
        ("script: a.R\nframework: R\nenvironment: {python: {condaDependencies: {dependencies: [{pip: ['-r /etc/passwd']}]}}}\n", "line 3"),
        ("script: a.R\nframework: R\ndocker: {useDocker: maybe}\n", "docker.use_docker must be true or false"),
    ],
)
def test_run_configurations_that_are_wrong(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(EspalierError, match="job.yml, line") as caught:
        read(tmp_path, text)
    assert caught.value.code == "bad_job_file" and says in caught.value.message
    assert read(tmp_path, "script: a.R\nframework: R\narguments: --a 'b c'\n").config.arguments == ["--a", "b c"]


def test_an_environment_that_azure_keeps_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_text("type: command\ncommand: ls\nenvironment: azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest\n")
    job = read_job(str(path))
    assert job.config.environment is None
    assert job.notes == ["job.yml: these fields have no meaning on this machine and were left out: environment."]


def test_a_run_configuration_in_its_place(tmp_path: Path) -> None:
    """Relative paths begin at the project, not at `.azureml/`."""
    path = tmp_path / ".azureml" / "fit.runconfig"
    path.parent.mkdir()
    python = "{userManagedDependencies: true, interpreterPath: .venv/bin/python}"
    path.write_text(f"script: train.py\nenvironment: {{name: mine, python: {python}}}\n")
    job = read_job(str(path))
    assert job.config.source_directory == str(tmp_path)
    assert job.config.environment == {"python": {"interpreter_path": f"{tmp_path}/.venv/bin/python"}}
