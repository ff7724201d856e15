import os
import subprocess
import sys
from pathlib import Path

import pytest
from espalier.adapters import private
from espalier.adapters.private import path_of, private_file, remove_private_file, sealed_memory


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders in place of those in memory."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(private, "_FOLDERS", (str(tmp_path / "one"), str(tmp_path / "two")))
    return tmp_path


def mine(place: Path) -> Path:
    return place / f"espalier-{os.getuid()}"


def test_other_processes_read_it_and_nobody_changes_it() -> None:
    fd = sealed_memory(b"x" * 100_000)
    try:
        assert not os.get_inheritable(fd)
        code = "import sys; print(len(open(sys.argv[1], 'rb').read()))"
        for _ in range(2):  # (each begins at the beginning)
            done = subprocess.run([sys.executable, "-c", code, path_of(fd)], capture_output=True, text=True, check=True)
            assert done.stdout == "100000\n"
        for change in (lambda: os.pwrite(fd, b"y", 0), lambda: os.ftruncate(fd, 0), lambda: os.pwrite(fd, b"y", 100_000)):
            with pytest.raises(PermissionError):
                change()
    finally:
        os.close(fd)


def test_a_file_for_its_owner_alone(places: Path) -> None:
    path = private_file("name", b"content")
    assert path == str(mine(places / "one") / "name")
    assert (os.stat(path).st_mode & 0o777, os.stat(os.path.dirname(path)).st_mode & 0o777) == (0o600, 0o700)
    assert private_file("name", b"other") == path
    assert Path(path).read_bytes() == b"other"
    private_file("second", b"")
    remove_private_file("name")
    assert os.listdir(mine(places / "one")) == ["second"]
    remove_private_file("second")
    remove_private_file("second")
    assert os.listdir(places / "one") == []


@pytest.mark.parametrize("trap", ["link", "open", "file", "foreign"])
def test_what_another_has_put_there_is_not_used(places: Path, trap: str) -> None:
    folder = mine(places / "one")
    if trap == "link":
        (places / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(places / "elsewhere")
    elif trap == "file":
        folder.write_text("")
    else:
        folder.mkdir(mode=0o700)
        if trap == "open":
            folder.chmod(0o777)
        elif os.geteuid() == 0:
            os.chown(folder, 12345, -1)
        else:
            pytest.skip("only root can give folders away")
    assert private_file("name", b"content") == str(mine(places / "two") / "name")
    assert not (places / "elsewhere" / "name").exists()


def test_a_link_in_place_of_the_file_is_not_followed(places: Path) -> None:
    mine(places / "one").mkdir(mode=0o700)
    (mine(places / "one") / "name").symlink_to(places / "target")
    private_file("name", b"content")
    assert not (places / "target").exists()


def test_on_windows_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getuid")
    remove_private_file("name")
    with pytest.raises(OSError):
        private_file("name", b"content")


def test_nowhere(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "_FOLDERS", (str(places / "none"),))
    with pytest.raises(OSError, match="no folder in memory"):
        private_file("name", b"content")
    remove_private_file("name")
