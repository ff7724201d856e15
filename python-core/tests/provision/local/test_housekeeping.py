import os
from pathlib import Path

import pytest
from espalier.adapters import posix
from espalier.base.errors import EspalierError
from espalier.base.paths import CachePaths
from espalier.provision.local.housekeeping import clean_up, list_private, own_size, remove_private
from made_private import add_private


def test_lists_with_size_and_last_use_and_removes(cache: CachePaths) -> None:
    assert list_private(cache) == []
    one, two = add_private(cache, "1" * 64, "first", used=1000.0), add_private(cache, "2" * 64, "second", used=2000.0)
    half = Path(cache.private_environment("3" * 64))
    half.mkdir()
    listed = list_private(cache)
    assert [(item.name, item.last_used, item.whole) for item in listed] == [("second", 2000.0, True), ("first", 1000.0, True), (None, None, False)]
    assert listed[0].size > 0
    assert remove_private(cache, "1" * 64)
    assert not one.exists()
    assert two.exists()
    assert not remove_private(cache, "1" * 64)
    assert remove_private(cache, "3" * 64)
    assert sorted(os.listdir(cache.private)) == ["2" * 64]


@pytest.mark.parametrize("key", ["", "..", "../../x", "1" * 63, "/etc"])
def test_refuses_what_is_no_key(cache: CachePaths, key: str) -> None:
    with pytest.raises(EspalierError) as caught:
        remove_private(cache, key)
    assert caught.value.code == "bad_argument"


def test_one_that_is_being_built_is_left_alone(cache: CachePaths) -> None:
    from espalier.provision.packages.locking import locked

    folder = add_private(cache, "1" * 64, "first", used=1000.0)
    with locked(cache.build_lock("1" * 64)):
        assert not remove_private(cache, "1" * 64)
    assert folder.exists()


def test_one_that_a_job_runs_in_is_left_alone(cache: CachePaths) -> None:
    folder = add_private(cache, "1" * 64, "first", used=1000.0)
    kept = os.open(folder / "environment.json", os.O_RDWR)
    try:
        assert posix.try_lock(kept, shared=True)
        assert not remove_private(cache, "1" * 64)
    finally:
        os.close(kept)
    assert folder.exists()
    assert remove_private(cache, "1" * 64)


def test_shared_files_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "own").write_bytes(b"x" * 10_000)
    (tmp_path / "shared").write_bytes(b"x" * 1_000_000)
    os.link(tmp_path / "shared", tmp_path / "a" / "shared")
    assert 10_000 <= own_size(str(tmp_path / "a")) < 100_000


def test_old_leftovers_go(cache: CachePaths) -> None:
    for folder in (cache.private, cache.r_packages):
        for name, at in ((".tmp-old", 1000.0), (".tmp-new", None)):
            path = os.path.join(folder, name)
            os.makedirs(path)
            if at is not None:
                os.utime(path, (at, at))
    clean_up(cache)
    assert os.listdir(cache.private) == os.listdir(cache.r_packages) == [".tmp-new"]
