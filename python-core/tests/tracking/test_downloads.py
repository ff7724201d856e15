import os
from pathlib import Path

import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.progress import Listener, listening
from espalier.tracking.transfers import download_all


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    for name in ("outputs/m/a", "outputs/m/b", "outputs/n", "logs/l"):
        Path(paths.root, name).parent.mkdir(parents=True, exist_ok=True)
        Path(paths.root, name).write_text(name)
    return paths


def below(folder: Path) -> "list[str]":
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_by_prefix(run: RunPaths, tmp_path: Path) -> None:
    listener = Listener()
    with listening(listener):
        written = download_all(run, "outputs/m", str(tmp_path / "to"))
    assert below(tmp_path / "to") == ["outputs/m/a", "outputs/m/b"]
    assert written == [str(tmp_path / "to" / name) for name in below(tmp_path / "to")]
    assert Path(written[0]).read_text() == "outputs/m/a" and listener.seen == ("Copying files", 2, 2)
    download_all(run, "outputs/m", str(tmp_path / "short"), append_prefix=False)
    assert below(tmp_path / "short") == ["m/a", "m/b"]
    download_all(run, "outputs/m/", str(tmp_path / "shorter"), append_prefix=False)
    assert below(tmp_path / "shorter") == ["a", "b"]
    assert len(download_all(run, None, str(tmp_path / "all"))) == 4


def test_given_paths(run: RunPaths, tmp_path: Path) -> None:
    download_all(run, "outputs/m/", str(tmp_path / "to"), ["x", str(tmp_path / "y")])
    assert (tmp_path / "to" / "x").read_text() == "outputs/m/a" and (tmp_path / "y").read_text() == "outputs/m/b"
    for paths in (["x"], ["x", "x"]):
        with pytest.raises(EspalierError) as caught:
            download_all(run, "outputs/m/", str(tmp_path / "to"), paths)
        assert caught.value.code == "bad_argument"
    with pytest.raises(EspalierError) as caught:
        download_all(run, "none")
    assert caught.value.code == "artifact_missing"


def test_a_prefix_that_no_name_has(run: RunPaths, tmp_path: Path) -> None:
    with pytest.raises(EspalierError) as caught:
        download_all(run, "output/", str(tmp_path / "to"))
    assert caught.value.message == "Can't find files of the run with names that begin with 'output/'."
    assert caught.value.hint == "Did you mean 'outputs/'? get_run_file_names() returns all names."
    with pytest.raises(EspalierError) as caught:
        download_all(run, "zzz", str(tmp_path / "to"))
    assert caught.value.hint == "get_run_file_names() returns all names."


def test_what_cannot_be_copied_stops_no_other(run: RunPaths, tmp_path: Path) -> None:
    os.symlink("/etc/passwd", Path(run.outputs, "a link"))
    Path(run.outputs, "x\ny").write_text("an odd name")
    (tmp_path / "to" / "outputs" / "n").mkdir(parents=True)
    with pytest.raises(EspalierError) as caught:
        download_all(run, "outputs/", str(tmp_path / "to"))
    assert caught.value.code == "artifact_unsafe" and caught.value.message.startswith("Can't copy 2 of 5")
    assert caught.value.fields["failed"] == ["outputs/a link", "outputs/n"]
    assert below(tmp_path / "to") == ["outputs/m/a", "outputs/m/b", "outputs/x\\x0ay"]
