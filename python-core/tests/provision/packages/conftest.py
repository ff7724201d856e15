"""A CRAN of tiny packages made for the test, on this machine's disk."""

from pathlib import Path

import pytest
from made_cran import Cran

from espalier.base.paths import CachePaths


@pytest.fixture
def cran(tmp_path: Path) -> Cran:
    return Cran(tmp_path / "cran")


@pytest.fixture
def cache(tmp_path: Path) -> CachePaths:
    return CachePaths(str(tmp_path / "cache"))
