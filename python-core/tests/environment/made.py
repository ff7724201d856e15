"""Environments made by hypothesis: any that a user could write, with what is not easily spelled."""

from typing import Any

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
from hypothesis import strategies as st

LINE = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20).map(lambda text: text.replace("\r\n", "\n"))
R_PACKAGES = st.sampled_from(["abc", "glmnet", "lattice", "R6", "data.table", "limma", "NULL", "yes"])
VERSIONS = st.sampled_from([None, "1.0", "4.10", "0.22-6", "1.10"])
URLS = st.sampled_from(["https://x.org/a_1.0.tar.gz", "http://y.org:80/b.tar.gz", "file:///srv/c_1.tar.gz"])
PIP = st.sampled_from(["numpy", "pandas==2.2", "scipy>=1; python_version < '3.12'", "--pre", "q @ https://x.org/q.zip"])
SECRETS = st.none() | st.sampled_from(["github", "1e5"]).map(Secret)


def several(of: Any, key: Any = None) -> Any:
    return st.lists(of, max_size=4, unique_by=key or (lambda item: item))


R_SIDES = st.builds(
    RSide,
    version=st.sampled_from([None, "4.3", "4.10"]),
    snapshot_date=st.sampled_from([None, "2024-05-01"]),
    repositories=st.dictionaries(st.sampled_from(["internal", "no"]), URLS, max_size=2),
    cran=several(st.builds(CranPackage, R_PACKAGES, VERSIONS, st.none() | URLS), lambda one: one.name),
    github=several(
        st.builds(GithubPackage, st.sampled_from(["u/r", "v/0x1"]), ref=st.sampled_from([None, "1.0", "on"]), auth_token=SECRETS),
        lambda one: one.repository,
    ),
    urls=several(URLS),
    bioconductor=several(st.sampled_from(["Biobase", "DESeq2"])),
)
PYTHON_SIDES = st.builds(
    PythonSide,
    version=st.sampled_from([None, "3.10", "3.11"]),
    conda=st.none() | st.builds(Conda, several(st.sampled_from(["conda-forge", "https://x.org/c"])), several(st.sampled_from(["numpy=1.26", "xgboost >=1,<2", "b"]))),
    pip=several(PIP),
    index_url=st.none() | URLS,
    extra_index_urls=several(URLS),
)
DOCKER_SIDES = st.builds(
    lambda base, **rest: DockerSide(**base, **rest),
    st.sampled_from([{}, {"base_image": "x/y:1.10"}, {"base_dockerfile": "FROM x\n \nRUN a"}, {"build_context": BuildContext("/srv/c")}]),
    steps=several(TEXT.filter(bool)),
    apt=several(st.sampled_from(["curl", "libxml2-dev", "g++"])),
    platform=st.sampled_from([None, "linux/amd64"]),
    pip_config=st.none() | TEXT.filter(lambda text: "@" not in text),
)
ENVIRONMENTS = st.builds(
    Environment,
    name=st.sampled_from(["e", "1e5", "no", "2024-05-01", "null", "0x10"]),
    version=st.none() | st.sampled_from(["1", "10"]),
    description=st.none() | TEXT,
    tags=st.dictionaries(LINE.filter(bool), LINE, max_size=3),
    r=st.none() | R_SIDES,
    python=st.none() | PYTHON_SIDES,
    docker=st.none() | DOCKER_SIDES,
    variables=st.dictionaries(st.sampled_from(["A", "no", "_b"]), LINE, max_size=3),
    use_gpu=st.booleans(),
    shm_size=st.sampled_from([None, "2g", "4096"]),
)
USER_MANAGED = Environment(
    "u", r=RSide(rscript_path="/opt/R/bin/Rscript"), python=PythonSide(interpreter_path="python3"),
    docker=DockerSide(base_image="x", registry=Registry("r.org:5000", "me", Secret("registry"))),
)  # fmt: skip
