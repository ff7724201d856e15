"""What can go, where there is no engine. With one: tests/docker/test_images_housekeeping.py."""

from pathlib import Path

import pytest
from espalier.base.paths import CachePaths
from espalier.provision.docker.housekeeping import find_litter, remove_litter
from made_private import add_private


def test_without_an_engine_private_environments_can_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    cache = CachePaths(str(tmp_path / "cache"))
    folder = add_private(cache, "1" * 64, "first", used=1000.0)
    add_private(cache, "2" * 64, "kept", used=1000.0)
    found = find_litter(cache, {"sha256:" + "2" * 64}, 86_400)
    assert [(one.what, one.name) for one in found] == [("private environment", str(folder))]
    assert remove_litter(cache, found) == {str(folder)}
    assert not folder.exists()
