"""The definition of an environment: what it takes, what it refuses, and that nothing is lost."""

import pickle
from typing import Any, Dict, List

import pytest
from espalier import Environment, EspalierError
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

PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\nAAAA==\n-----END CERTIFICATE-----\n"
FULL: Dict[str, Any] = {
    "format": 1,
    "name": "tidy",
    "version": "3",
    "description": "two\nlines",
    "tags": {"team": "a b"},
    "r": {
        "version": "4.3",
        "rscript_path": None,
        "snapshot_date": "2024-05-01",
        "repositories": {"internal": "https://cran.example.org/{snapshot_date}"},
        "cran": [{"name": "glmnet", "version": "4.1-8", "repository": "internal"}],
        "github": [{"repository": "user/repo", "subdir": "r/pkg", "ref": "v1.0", "auth_token": {"secret": "github"}}],
        "urls": ["https://example.org/p_1.0.tar.gz"],
        "bioconductor": ["limma"],
    },
    "python": {
        "interpreter_path": None,
        "version": "3.10",
        "conda": {"channels": ["conda-forge"], "dependencies": ["numpy=1.26", "xgboost >=1,<2"]},
        "pip": ["pandas==2.2.2"],
        "index_url": "https://me@pypi.example.org/simple",
        "extra_index_urls": ["https://pypi.org/simple"],
        "index_password": {"secret": "pypi"},
    },
    "docker": {
        "base_image": "team/base:1.0",
        "base_dockerfile": None,
        "build_context": None,
        "steps": ["RUN echo 'hello; $(date)'"],
        "apt": ["libxml2-dev", "zlib1g-dev=1:1.2.13"],
        "registry": {"address": "registry.example.org:5000", "username": "me", "password": {"secret": "registry"}},
        "platform": "linux/arm64/v8",
        "ca_certificate": PEM,
        "pip_config": "[global]\ntimeout = 60\n",
    },
    "variables": {"OMP_NUM_THREADS": "4", "QUOTED": "'; $(x)"},
    "use_gpu": True,
    "shm_size": "2g",
}


def changed(path: str, value: Any) -> Dict[str, Any]:
    """A definition with one field changed, and nothing that contradicts it."""
    values: Dict[str, Any] = {"name": "e"}
    at = values
    *folders, last = path.split(".")
    for folder in folders:
        at = at.setdefault(folder, {})
    at[last] = value
    return values


def refused(values: Any) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        Environment.from_mapping(values)
    return caught.value


def test_record_is_what_was_given() -> None:
    environment = Environment.from_mapping(FULL)
    assert environment.record() == FULL
    assert Environment.from_mapping(environment.record()) == environment
    assert environment.r is not None and environment.r.github[0].auth_token == Secret("github")


def test_defaults_are_in_the_record() -> None:
    record = Environment("e", r=RSide(), python=PythonSide(conda=Conda()), docker=DockerSide(apt=["curl"])).record()
    assert record["r"] == {
        "version": None, "rscript_path": None, "snapshot_date": None, "repositories": {}, "cran": [], "github": [],
        "urls": [], "bioconductor": [],
    }
    assert record["python"]["conda"] == {"channels": [], "dependencies": []}
    assert record["docker"]["apt"] == ["curl"]
    assert Environment.from_mapping(record).record() == record


def test_identity_holds_everything() -> None:
    environment = Environment.from_mapping(FULL)
    again = Environment._from_identity(environment._identity())
    assert again == environment and again.record() == FULL
    assert list(environment._identity()) == ["definition"]


def test_values_are_equal_by_their_fields() -> None:
    one, two = Environment.from_mapping(FULL), Environment.from_mapping(FULL)
    assert one == two and hash(one) == hash(two) and len({one, two}) == 1
    assert one != Environment.from_mapping({**FULL, "shm_size": "1g"})
    assert pickle.loads(pickle.dumps(one)) == one
    assert Environment("e", tags={}) == Environment("e")
    assert RSide(bioconductor=["limma"]) == RSide(bioconductor=("limma",))  # lists and tuples are one


def test_numbers_that_can_be_meant_in_one_way_only() -> None:
    environment = Environment.from_mapping({"name": "e", "version": 3, "variables": {"THREADS": 4}, "use_gpu": "no"})
    assert (environment.version, environment.variables, environment.use_gpu) == ("3", {"THREADS": "4"}, False)


def test_a_package_named_twice_alike_is_one() -> None:
    side = RSide(cran=[CranPackage("abc"), CranPackage("abc")], urls=["https://x.org/a.tar.gz"] * 2)
    assert (len(side.cran), len(side.urls)) == (1, 1)
    assert PythonSide(pip=["numpy", " numpy "]).pip == ("numpy",)


@pytest.mark.parametrize(
    "values, field",
    [
        ({"name": "e", "nmae": "x"}, "nmae"),
        (changed("docker.base_imag", "x"), "docker.base_imag"),
        (changed("r.cran", [{"name": "abc", "versoin": "1.0"}]), "r.cran.versoin"),
        (changed("python.conda.pip", []), "python.conda.pip"),
        (changed("r.cran", [{"version": "1.0"}]), "r.cran.name"),
        (changed("r.cran", "glmnet"), "r.cran"),
        (changed("r.cran", ["glmnet"]), "r.cran"),
        (changed("docker.apt", "curl"), "docker.apt"),
        (changed("docker", ["curl"]), "docker"),
        (changed("variables", ["a"]), "variables"),
        (changed("variables.A", None), "variables.A"),
        (changed("r.version", 4.1), "r.version"),
        (changed("python.version", 3.1), "python.version"),
        (changed("python.pip", [1.5]), "python.pip"),
        (changed("use_gpu", "perhaps"), "use_gpu"),
        (changed("use_gpu", 1), "use_gpu"),
        (changed("description", True), "description"),
        ({"format": "x", "name": "e"}, "format"),
        ({"format": 0, "name": "e"}, "format"),
        ({"format": True, "name": "e"}, "format"),
        ({}, "name"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(values: Any, field: str) -> None:
    error = refused(values)
    assert (error.code, error.fields["field"]) == ("environment_invalid", field)
    assert field in error.message


def test_the_hint_knows_what_was_meant() -> None:
    assert refused(changed("docker.base_imag", "x")).hint == "Did you mean docker.base_image?"
    assert "4.10" in refused(changed("r.version", 4.1)).hint


def test_a_newer_format_is_not_guessed_at() -> None:
    assert refused({**FULL, "format": 2}).code == "newer_format"


@pytest.mark.parametrize(
    "side, fields, first, second",
    [
        ("docker", {"base_image": "x", "base_dockerfile": "FROM x"}, "docker.base_image", "docker.base_dockerfile"),
        ("docker", {"base_image": "x", "build_context": {"path": "/x"}}, "docker.base_image", "docker.build_context"),
        ("docker", {"base_dockerfile": "FROM x", "build_context": {"path": "/x"}}, "docker.base_dockerfile", "build"),
        ("docker", {"base_dockerfile": " \n"}, "docker.base_dockerfile", "empty"),
        ("docker", {"registry": {"address": "r.org"}}, "docker.registry", "base image"),
        ("docker", {"base_image": "x", "registry": {"username": "me"}}, "docker.registry.username", "password"),
        ("docker", {"build_context": {}}, "docker.build_context", "snapshot"),
        ("docker", {"build_context": {"path": "/x", "snapshot": "sha256:" + "0" * 64}}, "docker.build_context", "path"),
        ("python", {"interpreter_path": "python3", "pip": ["numpy"]}, "python.interpreter_path", "python.pip"),
        ("python", {"interpreter_path": "python3", "conda": {}}, "python.interpreter_path", "python.conda"),
        ("python", {"interpreter_path": "python3", "version": "3.11"}, "python.interpreter_path", "python.version"),
        ("python", {"index_password": {"secret": "p"}}, "python.index_password", "index_url"),
        ("python", {"version": "3.11", "conda": {"dependencies": ["python=3.9"]}}, "python.version", "conda"),
        ("python", {"version": "3.11", "conda": {"dependencies": ["c::python >=3"]}}, "python.version", "conda"),
        ("python", {"pip": ["numpy==1.0", "NumPy==2.0"]}, "python.pip", "numpy"),
        ("r", {"rscript_path": "/usr/bin/Rscript", "cran": [{"name": "abc"}]}, "r.rscript_path", "r.cran"),
        ("r", {"rscript_path": "/usr/bin/Rscript", "snapshot_date": "2024-05-01"}, "r.rscript_path", "snapshot_date"),
        ("r", {"rscript_path": "/usr/bin/Rscript", "repositories": {"a": "https://x.org"}}, "r.rscript_path", "repos"),
        ("r", {"snapshot_date": "2024-05-01", "repositories": {"CRAN": "https://x.org"}}, "r.snapshot_date", "CRAN"),
        ("r", {"repositories": {"CRAN": "https://x.org/{snapshot_date}"}}, "r.repositories.CRAN", "snapshot_date"),
        ("r", {"cran": [{"name": "abc"}, {"name": "abc", "version": "1.0"}]}, "r.cran", "abc"),
        ("r", {"cran": [{"name": "limma"}], "bioconductor": ["limma"]}, "r.cran", "limma"),
        ("r", {"github": [{"repository": "u/r"}, {"repository": "u/r", "ref": "dev"}]}, "r.github", "u/r"),
    ],
)  # fmt: skip
def test_contradictions_name_both_fields(side: str, fields: Dict[str, Any], first: str, second: str) -> None:
    error = refused({"name": "e", side: fields})
    assert (error.code, error.fields["field"]) == ("environment_invalid", first)
    assert second in error.message


def test_what_does_not_contradict() -> None:
    good: List[Environment] = [
        Environment("e", r=RSide(rscript_path="/usr/bin/Rscript"), python=PythonSide(pip=["numpy"])),
        Environment("e", python=PythonSide(version="3.11", conda=Conda(dependencies=["python-dateutil"]))),
        Environment("e", python=PythonSide(pip=['a==1; python_version < "3.9"', 'a==2; python_version >= "3.9"'])),
        Environment("e", docker=DockerSide(build_context=BuildContext("/x"), registry=Registry("r.org"))),
        Environment("e", r=RSide(github=[GithubPackage("u/r", "a"), GithubPackage("u/r", "b")])),
    ]
    for environment in good:
        assert Environment.from_mapping(environment.record()) == environment


@pytest.mark.parametrize("name", ["azureml-x", "AzureML-x", "Microsoft", "espalier-r", "a/b", "", "-a", "a\n", "ä"])
def test_names_that_are_reserved_or_no_names(name: str) -> None:
    assert refused({"name": name}).code == "bad_name"


def test_nothing_said_about_docker_is_no_docker_side() -> None:
    assert Environment("e", docker=DockerSide()) == Environment("e")


@pytest.mark.parametrize("size", ["0g", "7b", "4095", "0.1k", "5i"])
def test_shared_memory_that_no_engine_gives_is_refused(size: str) -> None:
    with pytest.raises(EspalierError) as caught:
        Environment("e", shm_size=size)
    assert caught.value.fields["field"] == "shm_size"
