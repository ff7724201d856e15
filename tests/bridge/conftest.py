from typing import Any

import pytest
from espalier_bridge.arrow import export


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    """All structs that a test handed out are released at its end."""
    before = export.pending()
    yield
    assert export.pending() == before
