import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Run
from espalier.api.run import OfflineRun
from scratch import copy_of


def test_outputs_are_visible_while_the_job_runs(
    submit: Callable[..., Run], reach: Callable[..., None], ended: Callable[..., Dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("while it runs")
    run = submit("echo 1 > outputs/early; while [ ! -e outputs/go ]; do sleep 0.05; done; cat outputs/go")
    reach(lambda: "outputs/early" in run.get_file_names("outputs/"))
    assert run.upload_files(["outputs/note"], [str(tmp_path / "note")]) == ["outputs/note"]
    shutil.copy(tmp_path / "note", copy_of(run) / "outputs" / "go")
    assert ended(run)["status"] == "Completed"
    run.upload_file("model/x.rds", str(tmp_path / "note"))
    assert run.get_file_names("model") == ["model/x.rds"]
    assert Path(run.download_file("model/x.rds", str(tmp_path / "got"))).read_text() == "while it runs"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "f").write_text("f")
    assert run.upload_folder("kept", str(tmp_path / "folder")) == ["kept/f"]
    assert len(run.download_files("kept", str(tmp_path / "back"))) == 1
    assert Path(run.run_dir, "user_logs", "std_log.txt").read_text() == "while it runs"
    with pytest.raises(EspalierError) as caught:
        run.upload_files(["a", "b"], [str(tmp_path / "note")])
    assert caught.value.code == "bad_argument"


def test_outside_a_job_nothing_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_text("x")
    assert OfflineRun().upload_files(["x"], [os.fspath(tmp_path / "x")]) == []
    assert "nothing is recorded" in capsys.readouterr().err


def test_where_a_file_lies(submit: Callable[..., Run], ended: Callable[..., Dict[str, Any]]) -> None:
    run = submit("mkdir outputs/sub; echo 1 > outputs/sub/a; echo 2 > b", outputs={"first": "outputs/sub/a"})
    ended(run)
    place = str(Path(run.run_dir, "outputs", "sub", "a"))
    assert [run.get_file_path(name) for name in ("first", "outputs/sub/a", "sub/a")] == [place] * 3
    assert Path(run.get_file_path("workdir/b")).read_text() == "2\n"
    Path(run.run_dir, "outputs", "link").symlink_to("/etc/passwd")
    Path(run.run_dir, "outputs", "up").symlink_to(run.run_dir)
    wanted = {"b": "artifact_missing", "link": "artifact_unsafe", "outputs/link": "artifact_unsafe", "up/spec.json": "artifact_unsafe",
              "sub": "artifact_unsafe", "../spec.json": "bad_name", "/etc/passwd": "bad_name", "spec.json": "artifact_missing", "": "bad_name"}
    for name, code in wanted.items():
        with pytest.raises(EspalierError) as caught:
            run.get_file_path(name)
        assert caught.value.code == code, name
