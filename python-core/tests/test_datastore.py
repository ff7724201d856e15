import os
import stat
from pathlib import Path

import pytest
from espalier import EspalierError, Workspace
from espalier.api.datastore import Datastore


@pytest.fixture
def datastore(workspace: Workspace) -> Datastore:
    return workspace.datastore


def made(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_files_go_where_they_are_asked_to_go(datastore: Datastore, workspace: Workspace, tmp_path: Path) -> None:
    first, second = made(tmp_path / "in/2026/a.csv", "1"), made(tmp_path / "in/b.csv", "2")
    assert datastore.files() == []
    assert datastore.upload_files([first], target_path="./flat/") == []
    assert datastore.upload_files([first, second], relative_root=str(tmp_path / "in")) == []
    assert datastore.files() == ["2026/a.csv", "b.csv", "flat/a.csv"] and datastore.files("2026/") == ["2026/a.csv"]
    place = datastore.path("flat/a.csv")
    assert Path(place).read_text() == "1" and place.startswith(workspace.path) and not os.stat(place).st_mode & stat.S_IWOTH
    assert Datastore._from_identity(datastore._identity()).path() == datastore.path()


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(datastore: Datastore, tmp_path: Path) -> None:
    file = made(tmp_path / "a.csv", "1")
    datastore.upload_files([file])
    made(tmp_path / "a.csv", "2")
    assert datastore.upload_files([file]) == ["a.csv"] and Path(datastore.path("a.csv")).read_text() == "1"
    assert datastore.upload_files([file], overwrite=True) == [] and Path(datastore.path("a.csv")).read_text() == "2"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a\\b", "a\nb"])
def test_no_path_leads_out(datastore: Datastore, tmp_path: Path, path: str) -> None:
    with pytest.raises(EspalierError) as caught:
        datastore.path(path)
    assert caught.value.code == "bad_name"
    with pytest.raises(EspalierError):
        datastore.upload_files([made(tmp_path / "a.csv", "1")], target_path=path)
    assert datastore.files() == []


def test_nothing_is_uploaded_where_something_is_wrong(datastore: Datastore, tmp_path: Path) -> None:
    good, other = made(tmp_path / "a.csv", "1"), made(tmp_path / "b/a.csv", "1")
    wrong = [([good, str(tmp_path / "none")], None), ([good, other], None), ([good, other], str(tmp_path / "b"))]
    codes = []
    for files, root in wrong:
        with pytest.raises(EspalierError) as caught:
            datastore.upload_files(files, relative_root=root)
        codes.append(caught.value.code)
    assert codes == ["source_missing", "bad_argument", "bad_argument"] and datastore.files() == []


def test_of_two_uploads_at_once_one_is_left(
    datastore: Datastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, place = made(tmp_path / "a.csv", "mine"), datastore.path("a.csv")

    def link(aside: str, to: str) -> None:  # (the other one's file appears just before)
        made(Path(place), "first")
        real(aside, to)

    real = os.link
    monkeypatch.setattr(os, "link", link)
    assert datastore.upload_files([file]) == ["a.csv"] and Path(place).read_text() == "first"
    assert datastore.files() == ["a.csv"]


def test_without_hard_links(datastore: Datastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(aside: str, to: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert datastore.upload_files([made(tmp_path / "a.csv", "1")]) == [] and datastore.files() == ["a.csv"]


def test_a_link_leads_out_of_no_datastore(datastore: Datastore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    os.makedirs(datastore.path())
    os.symlink(outside, datastore.path("way"))
    with pytest.raises(EspalierError) as caught:
        datastore.upload_files([made(tmp_path / "a.csv", "1")], target_path="way/below")
    assert caught.value.code == "bad_name" and os.listdir(outside) == []


def test_all_places_are_checked_first(datastore: Datastore, tmp_path: Path) -> None:
    first = made(tmp_path / "in/first.csv", "1")
    datastore.upload_files([first], target_path="folder")
    inner, outer = made(tmp_path / "x/folder/first.csv/a.csv", "1"), made(tmp_path / "y/folder", "1")
    for files, root in (([first, inner], None), ([first, outer], None)):
        target = "folder/first.csv" if inner in files else None
        with pytest.raises(EspalierError) as caught:
            datastore.upload_files(files, relative_root=root, target_path=target)
        assert caught.value.code == "bad_argument" and datastore.files() == ["folder/first.csv"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read(datastore: Datastore, tmp_path: Path) -> None:
    good, secret = made(tmp_path / "a.csv", "1"), made(tmp_path / "b.csv", "1")
    os.chmod(secret, 0)
    with pytest.raises(EspalierError) as caught:
        datastore.upload_files([good, secret])
    assert caught.value.code == "not_permitted" and datastore.files() == []


def test_of_a_deleted_workspace(datastore: Datastore, workspace: Workspace, tmp_path: Path) -> None:
    workspace.delete()
    with pytest.raises(EspalierError) as caught:
        datastore.upload_files([made(tmp_path / "a.csv", "1")])
    assert caught.value.code == "workspace_missing" and not os.path.exists(workspace.path)


def test_compute_targets_by_name(workspace: Workspace) -> None:
    assert [workspace.get_compute(name) for name in ("local", "docker", "cpu-cluster")] == ["local", "docker", None]
