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
