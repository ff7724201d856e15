"""A CRAN, a Python index and a conda channel made for the test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from espalier.base.paths import CachePaths
from espalier.provision.local.found import Session
from made_cran import Cran


@pytest.fixture
def cran(tmp_path: Path) -> Cran:
    return Cran(tmp_path / "cran")


@pytest.fixture
def cache(tmp_path: Path) -> CachePaths:
    return CachePaths(str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a small PyPI."""
    import pypi
    from web import Site

    folder = tmp_path_factory.mktemp("pypi")
    pypi.make(folder)
    with Site(folder) as site:
        yield site.url + "/simple"


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a small conda channel."""
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    import conda

    return conda.make(tmp_path_factory.mktemp("channel") / "channel").as_uri()


@pytest.fixture(scope="session")
def session() -> Session:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("there is no R")
    code = "cat(format(getRversion()))"
    version = subprocess.run([rscript, "--vanilla", "-e", code], capture_output=True, text=True, check=True).stdout
    return Session(rscript, version, sys.executable)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own indexes."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
