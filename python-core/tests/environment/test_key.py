"""Keys: equal for what is the same, different for what is not, and the difference can be named."""

import random
from dataclasses import replace
from typing import Any, Dict, List

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
from espalier.environment.key import (
    compare_environments,
    definition_digest,
    private_key,
    private_python_key,
    private_r_key,
    python_key,
    r_key,
    system_key,
)
from espalier.environment.lock import Lock, RSource
from espalier.environment.recipe import pinned
from hypothesis import given, settings
from hypothesis import strategies as st

from .made import ENVIRONMENTS
from .test_definition import PEM

BASE = "sha256:" + "1" * 64
R = Environment("e", r=RSide(version="4.3", cran=[CranPackage("abc"), CranPackage("glmnet", "4.1")]))
PYTHON = Environment("e", python=PythonSide(version="3.11", pip=["numpy", "pandas==2.2"]))
BOTH = Environment("e", r=R.r, python=PYTHON.python, docker=DockerSide(apt=["curl"]))
LOCK = Lock(
    r=(RSource("abc", "1.0", "cran", "https://x.org/abc.tar.gz"), RSource("b", "1", "github", "https://x.org/b.tar.gz", needs=("abc", "x"))),
    python=("numpy==1.0", "pandas==2.2"), python_version="3.11", r_version="4.3",
)  # fmt: skip


def side(environment: Environment, name: str, **fields: Any) -> Environment:
    """The environment with some fields of one side changed."""
    new: Dict[str, Any] = {name: replace(getattr(environment, name), **fields)}
    return replace(environment, **new)


def shuffled(environment: Environment, seed: int) -> Environment:
    """The same definition in another order, wherever order means nothing."""
    mixed = random.Random(seed)

    def mix(items: Any) -> List[Any]:
        return mixed.sample(list(items), len(items))

    r, python, docker = environment.r, environment.python, environment.docker
    if r:
        r = replace(r, **{name: mix(getattr(r, name)) for name in ("cran", "github", "urls", "bioconductor")})
    if python:
        conda = python.conda and replace(python.conda, dependencies=mix(python.conda.dependencies))
        python = replace(python, pip=mix(python.pip), conda=conda)
    if docker:
        docker = replace(docker, apt=mix(docker.apt))
    return replace(environment, r=r, python=python, docker=docker)


@given(ENVIRONMENTS, st.integers())
@settings(max_examples=200, deadline=None)
def test_order_and_what_is_for_people_make_no_difference(environment: Environment, seed: int) -> None:
    other = replace(
        shuffled(environment, seed), name="other", version="9", description="other", tags={"a": "b"},
        variables={"A": "b"}, use_gpu=not environment.use_gpu, shm_size="9g",
    )  # fmt: skip
    assert r_key(other, BASE) == r_key(environment, BASE)
    assert private_key(other, None, "4.2", "3.11", "p") == private_key(environment, None, "4.2", "3.11", "p")
    assert definition_digest(other) == definition_digest(environment)
    assert len(compare_environments(environment, other)) == 0


@given(ENVIRONMENTS, ENVIRONMENTS)
@settings(max_examples=300, deadline=None)
def test_there_is_a_reason_just_when_the_keys_differ(a: Environment, b: Environment) -> None:
    reasons = compare_environments(a, b)
    assert (len(reasons) > 0) == (r_key(a, None) != r_key(b, None))
    assert all(row["before"] != row["after"] for row in reasons.rows())


@pytest.mark.parametrize(
    "other, field",
    [
        (side(BOTH, "r", version="4.4"), "r.version"),
        (side(BOTH, "r", snapshot_date="2024-05-01"), "r.snapshot_date"),
        (side(BOTH, "r", repositories={"a": "https://x.org"}), "r.repositories"),
        (side(BOTH, "r", cran=[CranPackage("abc")]), "r.cran.glmnet"),
        (side(BOTH, "r", cran=[CranPackage("abc", "1.0"), CranPackage("glmnet", "4.1")]), "r.cran.abc"),
        (side(BOTH, "r", cran=[CranPackage("abc", None, "a"), CranPackage("glmnet", "4.1")]), "r.cran.abc"),
        (side(BOTH, "r", github=[GithubPackage("u/r")]), "r.github.u/r"),
        (side(BOTH, "r", urls=["https://x.org/p.tar.gz"]), "r.urls.https://x.org/p.tar.gz"),
        (side(BOTH, "r", bioconductor=["limma"]), "r.bioconductor.limma"),
        (side(BOTH, "python", version="3.12"), "python.version"),
        (side(BOTH, "python", pip=["numpy", "pandas==2.3"]), "python.pip.pandas"),
        (side(BOTH, "python", conda=Conda([], ["xgboost"])), "python.conda.xgboost"),
        (side(BOTH, "python", conda=Conda(["conda-forge"])), "python.conda.channels"),
        (side(BOTH, "python", index_url="https://x.org"), "python.index_url"),
        (side(BOTH, "python", extra_index_urls=["https://x.org"]), "python.extra_index_urls"),
        (side(BOTH, "docker", base_image="x"), "docker.base_image"),
        (side(BOTH, "docker", base_dockerfile="FROM x"), "docker.base_dockerfile"),
        (side(BOTH, "docker", build_context=BuildContext("/x")), "docker.build_context"),
        (side(BOTH, "docker", steps=["RUN a"]), "docker.steps"),
        (side(BOTH, "docker", apt=["curl", "wget"]), "docker.apt.wget"),
        (side(BOTH, "docker", platform="linux/arm64"), "docker.platform"),
        (side(BOTH, "docker", ca_certificate=PEM), "docker.ca_certificate"),
        (side(BOTH, "docker", pip_config="[global]\n"), "docker.pip_config"),
        (replace(BOTH, python=None), "python"),
        (replace(BOTH, r=None), "r"),
    ],
)  # fmt: skip
def test_each_change_that_matters_changes_the_key_and_is_named(other: Environment, field: str) -> None:
    assert r_key(other, None) != r_key(BOTH, None)
    assert field in compare_environments(BOTH, other).columns["field"]
    assert field in compare_environments(other, BOTH).columns["field"]


def test_indexes_that_a_pip_config_names_are_in_the_keys_of_what_they_give() -> None:
    """Without Docker no Dockerfile has it; and what was locked by one index is not what another has."""
    one, other = (side(BOTH, "docker", pip_config=f"[global]\nindex-url = https://{x}.org/simple\n") for x in "ab")
    assert private_key(one, None, "4.2.2", "3.11", "p") != private_key(other, None, "4.2.2", "3.11", "p")
    assert definition_digest(one) != definition_digest(other)


def test_secrets_and_log_ins_are_in_no_key() -> None:
    image = side(BOTH, "docker", base_image="x/y")
    known = side(image, "docker", registry=Registry(None, "me", Secret("s")))
    assert r_key(known, BASE) == r_key(image, BASE)
    one = side(BOTH, "r", github=[GithubPackage("u/r")])
    assert r_key(side(one, "r", github=[GithubPackage("u/r", auth_token=Secret("s"))]), BASE) == r_key(one, BASE)


def test_what_a_base_images_name_stands_for_is_in_the_key() -> None:
    other = "sha256:" + "2" * 64
    assert len({r_key(BOTH, base) for base in (None, BASE, other)}) == 3
    # the same image under another name is the same
    assert r_key(side(BOTH, "docker", base_image="a/b:1"), BASE) == r_key(BOTH, BASE)
    assert system_key(BOTH, f"rocker/r-ver@{BASE}") == system_key(BOTH, BASE)


def test_stages_cover_those_before_them_and_no_more() -> None:
    packages = side(BOTH, "r", cran=[])
    assert system_key(packages, BASE) == system_key(BOTH, BASE)
    assert python_key(packages, BASE) == python_key(BOTH, BASE)
    assert r_key(packages, BASE) == python_key(packages, BASE) != r_key(BOTH, BASE)
    numpy = side(BOTH, "python", pip=["numpy"])
    assert system_key(numpy, BASE) == system_key(BOTH, BASE) and r_key(numpy, BASE) != r_key(BOTH, BASE)
    assert python_key(R, BASE) == system_key(R, BASE)
    assert r_key(Environment("e"), BASE) == system_key(Environment("e"), BASE)


def test_user_managed_sides_are_not_built() -> None:
    managed = Environment("e", docker=DockerSide(base_image="x"))
    own = replace(managed, r=RSide(rscript_path="Rscript"), python=PythonSide(interpreter_path="python"))
    assert r_key(own, BASE) == r_key(managed, BASE)
    assert private_key(own, None, "4.2", "3.11", "p") == private_key(managed, None, "4.3", "3.12", "p")


def test_locks_are_in_the_key_whatever_their_order() -> None:
    assert r_key(BOTH, BASE, LOCK) != r_key(BOTH, BASE)
    turned = Lock(
        r=tuple(replace(one, needs=one.needs[::-1]) for one in LOCK.r[::-1]), python=LOCK.python[::-1],
        python_version="3.11", r_version="4.3",
    )  # fmt: skip
    assert r_key(BOTH, BASE, turned) == r_key(BOTH, BASE, LOCK)
    for other in (
        replace(LOCK, python=("numpy==1.1", "pandas==2.2")),
        replace(LOCK, r=(replace(LOCK.r[0], version="1.1"), LOCK.r[1])),
        replace(LOCK, r=(replace(LOCK.r[0], digest=BASE), LOCK.r[1])),
        replace(LOCK, conda=("https://x.org/a.conda",)),
        replace(LOCK, python_version="3.12"),
        replace(LOCK, r_version="4.4"),
    ):
        assert r_key(BOTH, BASE, other) != r_key(BOTH, BASE, LOCK)
        assert private_key(BOTH, other, "4.3", "3.11", "p") != private_key(BOTH, LOCK, "4.3", "3.11", "p")


def test_a_build_context_is_in_the_key() -> None:
    one, two, other = (
        Environment("e", docker=DockerSide(build_context=BuildContext(None, snapshot, dockerfile)))
        for snapshot, dockerfile in ((BASE, "Dockerfile"), ("sha256:" + "2" * 64, "Dockerfile"), (BASE, "b/Dockerfile"))
    )
    assert len({r_key(one, None), r_key(two, None), r_key(other, None)}) == 3


def test_private_keys_are_of_the_interpreter_and_the_side() -> None:
    key = private_key(BOTH, None, "4.2", "3.11", "linux")
    for versions in (("4.3", "3.11", "linux"), ("4.2", "3.12", "linux"), ("4.2", "3.11", "mac")):
        assert private_key(BOTH, None, *versions) != key
    assert private_key(R, None, "4.2", "3.11", "p") == private_key(R, None, "4.2", "3.12", "p")
    # what only an image can have is not in it
    assert private_key(side(BOTH, "docker", apt=["wget"]), None, "4.2", "3.11", "linux") == key
    # one side's change leaves the other's environment as it is
    other = side(BOTH, "python", pip=["numpy"])
    assert private_r_key(other, None, "4.2", "p") == private_r_key(BOTH, None, "4.2", "p")
    assert private_python_key(other, None, "3.11", "p") != private_python_key(BOTH, None, "3.11", "p")


def test_locks_are_named_by_what_packages_depend_on() -> None:
    one = definition_digest(BOTH)
    assert definition_digest(side(BOTH, "docker", apt=["wget"], steps=["RUN a"], ca_certificate=PEM)) == one
    assert definition_digest(side(BOTH, "docker", base_image="x")) != one
    assert definition_digest(side(BOTH, "r", snapshot_date="2024-05-01")) != one


def test_keys_do_not_change_from_one_version_to_the_next() -> None:
    """If this fails, KEY_FORMAT or RECIPE_FORMAT has to count up: images of old keys must not be taken for new ones."""
    assert r_key(Environment("e"), BASE) == r_key(Environment("other"), BASE)
    assert r_key(BOTH, BASE, LOCK) == EXPECTED


EXPECTED = "sha256:e0f8e35553ff55b74676c35dc4ffc6bc147113a39c782cdf91e510949d515a94"


def test_names_with_digests() -> None:
    assert pinned("localhost:5000/a/b:1.0", BASE) == f"localhost:5000/a/b@{BASE}"
    assert pinned("rocker/r-ver", BASE) == f"rocker/r-ver@{BASE}"
    assert pinned(f"x@{BASE}", BASE) == f"x@{BASE}"
    assert pinned("x:1", f"y@{BASE}") == f"y@{BASE}"
