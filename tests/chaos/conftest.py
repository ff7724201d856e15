"""What the chaos tests share. They are run by `make test-chaos`, longer with ESPALIER_CHAOS_RUNS."""

import os
import random
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from espalier.queue import spawn
from world import ACTOR, REAL_RUNNER, World

SEED = int(os.environ.get("ESPALIER_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
RUNS = int(os.environ.get("ESPALIER_CHAOS_RUNS") or 200)


def pytest_report_header() -> str:
    return f"chaos: ESPALIER_CHAOS_SEED={SEED} ESPALIER_CHAOS_RUNS={RUNS}"


@pytest.fixture
def seed() -> int:
    print(f"ESPALIER_CHAOS_SEED={SEED}")  # shown when a test fails
    return SEED


@pytest.fixture
def runs() -> int:
    return RUNS


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose runners follow a plan, if there is one."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(home / "state"))
    monkeypatch.setenv("ESPALIER_CACHE_DIR", str(home / "cache"))
    monkeypatch.setattr(spawn, "RUNNER", ACTOR)
    made = World(home)
    yield made
    made.sweep()


@pytest.fixture
def unharmed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From here on runners are the real ones."""
    return lambda: monkeypatch.setattr(spawn, "RUNNER", REAL_RUNNER)
