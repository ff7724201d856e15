"""All tests of snapshots run with the native scanner and with its twin."""

import pytest
from espalier import accel
from espalier.paths import WorkspacePaths


@pytest.fixture(autouse=True, params=["native", "twin"])
def scanner(request, monkeypatch):
    """Which of the two serves."""
    if request.param == "twin":
        monkeypatch.setenv("ESPALIER_NATIVE", "no")
    elif accel.native() is None:
        pytest.skip("the native scanner is not built")
    return request.param


@pytest.fixture
def paths(tmp_path):
    """A workspace's places; nothing is there yet."""
    return WorkspacePaths(str(tmp_path / "ws"))
