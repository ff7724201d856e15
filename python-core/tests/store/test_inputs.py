import os
from pathlib import Path

import pytest
from espalier.store.inputs import LeadsOutside, content_digest, folder_links, measure, open_plain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, a nested folder, and a link to that folder."""
    top = tmp_path / "top"
    (top / "sub" / "deep").mkdir(parents=True)
    (top / "a").write_text("a")
    (top / "sub" / "deep" / "b").write_text("bb")
    (top / "latest").symlink_to("sub/deep")
    return top


def test_measure(folder: Path) -> None:
    os.utime(folder / "a", (5, 5))
    os.utime(folder / "sub" / "deep" / "b", (7, 7))
    assert measure(str(folder)) == (3, 7.0, 2) and measure(str(folder / "a")) == (1, 5.0, 1)
    with pytest.raises(FileNotFoundError):
        measure(str(folder / "gone"))


def test_a_link_to_a_file_counts_as_the_file(folder: Path, tmp_path: Path) -> None:
    (folder / "c").write_text("outside")
    plain = content_digest(str(folder))
    (folder / "c").rename(tmp_path / "c")
    (folder / "c").symlink_to(tmp_path / "c")
    assert content_digest(str(folder)) == plain
    (tmp_path / "c").write_text("OUTSIDE")
    assert content_digest(str(folder)) != plain


def test_a_link_to_a_folder_counts_by_where_it_leads(folder: Path) -> None:
    seen = {content_digest(str(folder))}
    assert list(folder_links(str(folder))) == [("latest", "sub/deep")]
    for target in ("sub", "."):
        (folder / "latest").unlink()
        (folder / "latest").symlink_to(target)
        seen.add(content_digest(str(folder)))
    (folder / "latest").unlink()
    assert len(seen | {content_digest(str(folder))}) == 4


def test_links_do_not_depend_on_the_place(folder: Path, tmp_path: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder / "sub")  # absolute
    assert sorted(folder_links(str(folder))) == [("latest", "sub/deep"), ("sub/up", ".")]
    before = content_digest(str(folder))
    (tmp_path / "link").symlink_to(folder)
    assert content_digest(str(tmp_path / "link")) == before
    (folder / "sub" / "up").unlink()
    (folder / "sub" / "up").symlink_to("../sub")
    folder.rename(tmp_path / "moved")
    assert content_digest(str(tmp_path / "moved")) == before


@pytest.mark.parametrize("target", ["..", "/", "../top-2"])
def test_links_that_lead_out(folder: Path, target: str) -> None:
    Path(f"{folder}-2").mkdir()  # (whose name begins alike)
    (folder / "sub" / "out").symlink_to(os.path.join(folder, target))
    with pytest.raises(LeadsOutside):
        content_digest(str(folder))


def test_what_is_no_file_is_left_out(folder: Path) -> None:
    before = content_digest(str(folder))
    os.mkfifo(folder / "fifo")
    (folder / "nowhere").symlink_to("gone")
    (folder / "loop").symlink_to("loop")
    assert content_digest(str(folder)) == before and measure(str(folder))[2] == 2


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for use in (content_digest, open_plain):
        with pytest.raises(OSError, match="not a plain file"):
            use(str(tmp_path / "fifo"))
