"""Tests of snapshots run with the native scanner and with its twin, unless their module calls neither (SCANS = False)."""

import pytest
from bare import bare
from espalier.base import accel


def pytest_generate_tests(metafunc):
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if getattr(metafunc.module, "SCANS", True) and "scanner" not in chosen:
        metafunc.parametrize("scanner", ["native", "twin"], indirect=True)


@pytest.fixture(autouse=True)
def scanner(request, monkeypatch):
    """Which of the two serves."""
    name = getattr(request, "param", "native")
    if name == "twin":
        monkeypatch.setenv("ESPALIER_NATIVE", "no")
    elif accel.native() is None:
        pytest.skip("the native scanner is not built")
    return name


@pytest.fixture
def paths(tmp_path):
    """A workspace's places; nothing is there yet."""
    return bare(tmp_path / "ws")
