"""An executor that another package brings does what every executor does."""

from pathlib import Path

import pytest
from espalier.testing.executor_contract import ExecutorContract


@pytest.mark.usefixtures("far")
class TestFar(ExecutorContract):
    target = "far"


def test_the_documented_example_is_this_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "executors.md").read_text("utf-8")
    assert (Path(__file__).parent / "far" / "executor.py").read_text("utf-8") in page
