"""Recipes: the same bytes for the same definition, as the golden files have them, and nothing of a secret.

`ESPALIER_GOLDEN=write` writes the files anew; RECIPE_FORMAT has to count up if that changes one.
"""

import os
from pathlib import Path
from typing import Dict

import pytest
from espalier import Environment
from espalier.environment.definition import (
    BuildContext,
    Conda,
    CranPackage,
    DockerSide,
    GithubPackage,
    PythonSide,
    Registry,
    RSide,
    Secret,
)
from espalier.environment.lock import Lock, RSource
from espalier.environment.recipe import CERTIFICATE, PIP_CONFIG, base_image, render
from espalier.environment.text import stages_as_text
from hypothesis import given, settings

from .made import ENVIRONMENTS
from .test_definition import FULL, PEM

GOLDEN = Path(__file__).parent / "golden"
TIDY = RSide(
    version="4.3.1", snapshot_date="2024-05-01",
    cran=[CranPackage("ranger", "0.16.0"), CranPackage("tidymodels"), CranPackage("glmnet"), CranPackage("mine", None, "ours")],
    repositories={"ours": "https://cran.example.org"}, github=[GithubPackage("user/repo", "pkg", "v1.0", Secret("github"))],
    urls=["https://example.org/p_1.0.tar.gz"], bioconductor=["limma", "Biobase"],
)  # fmt: skip
TREES = PythonSide(version="3.11", pip=["lightgbm==4.3.0", 'numpy==1.26.4; python_version < "3.12"', "pandas"])
PROXY = DockerSide(
    apt=["zlib1g-dev", "libxml2-dev=2.9.14"], ca_certificate=PEM, pip_config="[global]\ntimeout = 60\n",
    steps=["RUN echo 'done; $(date)'", "COPY x y\n"], platform="linux/amd64",
)  # fmt: skip
ENVIRONMENTS_BY_NAME: Dict[str, Environment] = {
    "rocker": Environment("rocker", r=TIDY),
    "python": Environment("python", python=TREES),
    "both": Environment("both", r=TIDY, python=TREES),
    "neither": Environment("neither"),
    "conda": Environment("conda", python=PythonSide(version="3.11", conda=Conda(["conda-forge", "bioconda"], ["xgboost>=1,<2", "numpy"]), pip=["rich"])),
    "proxy": Environment("proxy", r=RSide(version="4.3.1"), docker=PROXY),
    "dockerfile": Environment("dockerfile", python=TREES, docker=DockerSide(base_dockerfile="ARG V=12\nFROM debian:$V\nUSER nobody\n\n", apt=["curl"])),
    "context": Environment("context", docker=DockerSide(build_context=BuildContext("/srv/image", dockerfile="docker/file"), steps=["RUN true"])),
    "gpu": Environment("gpu", python=PythonSide(pip=["torch"], index_url="https://me@pypi.example.org/simple", extra_index_urls=["https://pypi.org/simple"], index_password=Secret("pypi")),
                       docker=DockerSide(base_image="team/cuda:12.1", registry=Registry("r.org:5000", "me", Secret("registry"))), use_gpu=True, shm_size="8g"),
    "managed": Environment("managed", r=RSide(rscript_path="/opt/R/bin/Rscript"), python=PythonSide(interpreter_path="python3"), docker=DockerSide(base_image="x")),
}  # fmt: skip
LOCK = Lock(
    r=(RSource("lattice", "0.22-6", "cran", "https://x.org/lattice_0.22-6.tar.gz"), RSource("glmnet", "4.1-8", "cran", "https://x.org/glmnet_4.1-8.tar.gz", needs=("lattice",))),
    python=("numpy==1.26.4 --hash=sha256:" + "a" * 64,), python_version="3.11", r_version="4.3",
)  # fmt: skip


def same_as(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("ESPALIER_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", ENVIRONMENTS_BY_NAME)
def test_recipes_are_what_they_were(name: str) -> None:
    recipe = render(ENVIRONMENTS_BY_NAME[name])
    same_as(f"{name}.Dockerfile", recipe.dockerfile)
    assert recipe == render(Environment.from_mapping(ENVIRONMENTS_BY_NAME[name].record()))


@pytest.mark.parametrize("name", ENVIRONMENTS_BY_NAME)
def test_stages_are_what_they_were(name: str) -> None:
    text = stages_as_text(ENVIRONMENTS_BY_NAME[name])
    same_as(f"{name}.stages.Dockerfile", text)
    # apart from comments before and after, it is what the engine gets
    assert "".join(line for line in text.splitlines(True) if line[0] != "#") == render(ENVIRONMENTS_BY_NAME[name]).dockerfile


def test_a_lock_is_what_the_stages_of_packages_install() -> None:
    same_as("locked.stages.Dockerfile", stages_as_text(ENVIRONMENTS_BY_NAME["both"], LOCK))


def test_every_golden_file_is_looked_at() -> None:
    names = {f"{name}{kind}.Dockerfile" for name in ENVIRONMENTS_BY_NAME for kind in ("", ".stages")}
    assert {file.name for file in GOLDEN.iterdir()} == names | {"locked.stages.Dockerfile"}


def test_files_beside_the_dockerfile() -> None:
    recipe = render(ENVIRONMENTS_BY_NAME["proxy"])
    assert recipe.files == {CERTIFICATE: PEM.encode(), PIP_CONFIG: b"[global]\ntimeout = 60\n"}
    assert render(ENVIRONMENTS_BY_NAME["rocker"]).files == {}
    assert render(ENVIRONMENTS_BY_NAME["context"]).context == BuildContext("/srv/image", dockerfile="docker/file")


def test_base_images() -> None:
    def of(**fields: object) -> object:
        return base_image(Environment("e", **fields))  # type: ignore[arg-type]

    assert of(r=RSide(version="4.3")) == of(r=RSide(version="4.3"), python=TREES) == "rocker/r-ver:4.3"
    assert of(python=TREES) == "python:3.11-slim"
    assert of(docker=DockerSide(base_image="a/b", registry=Registry("r.org"))) == "r.org/a/b"
    assert of(docker=DockerSide(base_image="r.org/a/b", registry=Registry("r.org"))) == "r.org/a/b"
    assert of(docker=DockerSide(base_dockerfile="FROM x")) is None
    assert of(docker=DockerSide(build_context=BuildContext("/x"))) is None


def test_a_given_base_is_where_it_begins() -> None:
    digest = "rocker/r-ver@sha256:" + "1" * 64
    assert render(ENVIRONMENTS_BY_NAME["rocker"], digest).dockerfile.startswith(f"FROM {digest}\n")
    assert render(ENVIRONMENTS_BY_NAME["context"], "sha256:" + "2" * 64).dockerfile.startswith("FROM sha256:2")
    # the user's own Dockerfile says it itself
    own = ENVIRONMENTS_BY_NAME["dockerfile"]
    assert render(own, digest) == render(own)


@given(ENVIRONMENTS)
@settings(max_examples=200, deadline=None)
def test_no_instruction_comes_from_a_value(environment: Environment) -> None:
    """Whatever is asked for, without text of the user's the lines are of espalier's instructions."""
    docker = environment.docker
    if docker is not None and (docker.steps or docker.base_dockerfile):
        return
    words = ("FROM ", "USER root", "ENV ", "COPY ", "RUN ", "#", " ")
    for text in (render(environment).dockerfile, stages_as_text(environment), stages_as_text(environment, LOCK)):
        assert all(line.startswith(words) for line in text.splitlines())
        assert text.count("\nFROM ") + text.startswith("FROM ") == 1


def test_names_of_secrets_are_comments_and_log_ins_nothing() -> None:
    recipe = render(Environment.from_mapping(FULL)).dockerfile
    assert "github" not in recipe and "secret" not in recipe
    stages = stages_as_text(Environment.from_mapping(FULL))
    assert all("secret" not in line or line.startswith("#") for line in stages.splitlines())
