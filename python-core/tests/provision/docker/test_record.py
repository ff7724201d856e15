"""What a workspace knows of its images."""

import os
from pathlib import Path

from espalier.base.cache_paths import CachePaths
from espalier.base.paths import WorkspacePaths
from espalier.provision.docker.record import last_used, mark_used, read_image, recorded_keys, write_image

KEY = "sha256:" + "ab" * 32


def test_written_read_and_used(tmp_path: Path) -> None:
    paths, cache = WorkspacePaths(str(tmp_path)), CachePaths(str(tmp_path / "cache"))
    assert (read_image(paths, KEY), recorded_keys(paths), last_used(paths, KEY)) == (None, [], None)
    mark_used(paths, KEY, cache)
    write_image(paths, KEY, {"image": "sha256:1"})
    os.utime(paths.image_record("ab" * 32), (5, 5))
    assert last_used(paths, KEY) == 5
    mark_used(paths, KEY, cache)
    assert (last_used(paths, KEY) or 0) > 5
    (Path(paths.images) / ("ab" * 32 + ".log")).write_text("")
    assert recorded_keys(paths) == [KEY]
    record = read_image(paths, KEY)
    assert record is not None
    assert (record["key"], record["image"]) == (KEY, "sha256:1")


def test_a_damaged_record_is_as_none(tmp_path: Path) -> None:
    paths = WorkspacePaths(str(tmp_path))
    write_image(paths, KEY, {})
    Path(paths.image_record("ab" * 32)).write_text("{")
    assert read_image(paths, KEY) is None
