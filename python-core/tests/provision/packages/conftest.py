"""A CRAN of tiny packages made for the test, on this machine's disk."""

from pathlib import Path

import pytest
from espalier.base.paths import CachePaths
from made_cran import Cran


@pytest.fixture
def cran(tmp_path: Path) -> Cran:
    return Cran(tmp_path / "cran")


@pytest.fixture
def cache(tmp_path: Path) -> CachePaths:
    return CachePaths(str(tmp_path / "cache"))
