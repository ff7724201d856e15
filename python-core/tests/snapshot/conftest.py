"""All tests of snapshots run with the native scanner and with its twin."""

import pytest
from espalier import accel


@pytest.fixture(autouse=True, params=["native", "twin"])
def scanner(request, monkeypatch):
    """Which of the two serves."""
    if request.param == "twin":
        monkeypatch.setenv("ESPALIER_NATIVE", "no")
    elif accel.native() is None:
        pytest.skip("the native scanner is not built")
    return request.param
