"""Private environments: real R and real uv, tiny packages."""

import os
import subprocess
from pathlib import Path
from typing import Any, List

import pytest
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.environment.definition import Conda, CranPackage, DockerSide, Environment, PythonSide, RSide
from espalier.provision.local.activation import PrivateEnvironment, Session
from espalier.provision.local.ensure import ensure
from made_cran import Cran


def r_environment(cran: Cran, *names: str) -> Environment:
    return Environment("env", r=RSide(repositories={"CRAN": cran.url}, cran=[CranPackage(name) for name in names]))


def python_environment(index: str, *lines: str, **fields: Any) -> Environment:
    return Environment("env", python=PythonSide(pip=lines, index_url=index, **fields))


def run(found: PrivateEnvironment, argv: List[str], **extra: str) -> str:
    env = {**os.environ, **found.variables, **extra}
    env["PATH"] = os.pathsep.join([*found.path, env["PATH"]])
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_r_library_is_built_once_and_seen_alone(cache: CachePaths, cran: Cran, session: Session, tmp_path: Path) -> None:
    cran.add("aa")
    cran.add("bb", Imports="aa")
    log = tmp_path / "run" / "log"
    first = ensure(cache, r_environment(cran, "bb"), None, session, str(log))
    second = ensure(cache, r_environment(cran, "bb"), None, session, str(log))
    assert (first.found, second.found, first.key == second.key) == (False, True, True)
    assert log.read_text().count("installing\n") == 2
    shown = run(second, [str(second.rscript), "-e", "cat(bb::bb_version(), '|', .libPaths(), '|', rownames(installed.packages()), sep = ' ')"])
    version, paths, packages = shown.split("|")
    assert version.strip() == "1.0"
    assert paths.split()[0] == os.path.join(str(second.folder), "library")
    assert len(paths.split()) == 2  # and R's own
    assert {"aa", "bb", "stats", "survival"} <= set(packages.split())
    assert not {"jsonlite", "reticulate"} & set(packages.split())


def test_user_renviron_opens_no_other_library(cache: CachePaths, cran: Cran, session: Session, tmp_path: Path) -> None:
    cran.add("aa")
    found = ensure(cache, r_environment(cran, "aa"), None, session)
    # (Debian's Renviron.site has /usr/local/lib/R/site-library, whatever R_LIBS_SITE says)
    (tmp_path / ".Renviron").write_text(f"R_LIBS={tmp_path}\nR_LIBS_USER={tmp_path}\nR_LIBS_SITE={tmp_path}\n")
    seen = run(found, [str(found.rscript), "-e", "cat(.libPaths()[-1], .Library)"], HOME=str(tmp_path)).split()
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_python_environment(cache: CachePaths, index: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = ensure(cache, python_environment(index, "beta", "alpha<2"), log=str(log))
    code = "import alpha, beta, sys; print(alpha.__version__, beta.__version__, sys.prefix)"
    assert run(first, ["python", "-c", code]) == f"1.0 1.0 {first.folder}/python"
    assert run(first, ["beta"]) == "beta 1.0"
    assert first.variables["RETICULATE_PYTHON"] == first.python == f"{first.folder}/python/bin/python"
    assert ensure(cache, python_environment(index, "alpha<2", "beta")).found
    other = ensure(cache, python_environment(index, "beta", "alpha"))
    assert not other.found
    assert run(other, ["python", "-c", "import alpha; print(alpha.__version__)"]) == "2.0"


def test_conda_environment_with_pip_part(cache: CachePaths, index: str, channel: str) -> None:
    side = PythonSide(conda=Conda([channel], ["hello<2", "nice"]), pip=["alpha"], index_url=index)
    found = ensure(cache, Environment("env", python=side))
    assert run(found, ["hello"]) == "hello 1.0"
    assert run(found, ["python", "-c", "import nice, alpha; print(nice.__version__, alpha.__version__)"]) == "1.0 2.0"


def test_failure_names_the_package_and_leaves_nothing(cache: CachePaths, cran: Cran, session: Session, tmp_path: Path) -> None:
    cran.add("needy", files={"src/a.c": "#include <libxml/tree.h>\n"})
    log = tmp_path / "log"
    with pytest.raises(EspalierError) as caught:
        ensure(cache, r_environment(cran, "needy"), None, session, str(log))
    error = caught.value
    assert error.code == "build_failed"
    assert (error.fields["package"], error.fields["apt"]) == ("needy", ["libxml2-dev"])
    assert "needs the header libxml/tree.h" in error.message
    assert os.listdir(cache.private) == []
    assert "libxml/tree.h" in log.read_text()


@pytest.mark.parametrize(
    ("docker", "word"),
    [
        (DockerSide(apt=["libxml2"]), "libxml2"),
        (DockerSide(steps=["RUN true"]), "steps"),
        (DockerSide(base_image="debian:12"), "debian:12"),
        (DockerSide(base_dockerfile="FROM debian:12\n"), "Dockerfile"),
        (DockerSide(platform="linux/riscv64"), "riscv64"),
    ],
)
def test_what_only_a_container_can_give_is_refused(cache: CachePaths, session: Session, docker: DockerSide, word: str) -> None:
    with pytest.raises(EspalierError) as caught:
        ensure(cache, Environment("env", docker=docker, python=PythonSide(pip=["alpha"])), None, session)
    assert caught.value.code == "needs_docker"
    assert 'compute_target = "docker"' in caught.value.hint
    assert word in caught.value.message
    assert not os.path.exists(cache.private)


def test_another_r_is_refused(cache: CachePaths, session: Session) -> None:
    major_minor = ".".join(str(session.r_version).split(".")[:2])
    with pytest.raises(EspalierError, match=r"asks for R 3\.0, and this machine has R"):
        ensure(cache, Environment("env", r=RSide(version="3.0")), None, session)
    assert ensure(cache, Environment("env", r=RSide(version=major_minor)), None, session).rscript == session.rscript


def test_user_managed_interpreters_are_used_as_they_are(cache: CachePaths, session: Session) -> None:
    own = Environment("env", r=RSide(rscript_path=session.rscript), python=PythonSide(interpreter_path="python3"))
    found = ensure(cache, own, None, Session())
    assert found.folder is None
    assert found.rscript == session.rscript
    assert os.path.isabs(str(found.python))
    assert dict(found.variables) == {"RETICULATE_PYTHON": found.python}
    with pytest.raises(EspalierError) as caught:
        ensure(cache, Environment("env", r=RSide(rscript_path="/no/Rscript")), None, session)
    assert caught.value.code == "interpreter_missing"
