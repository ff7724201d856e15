import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.api.experiment import Experiment
from espalier.api.run import OfflineRun
from espalier.api.run_parts import RunParts
from espalier.api.workspace import Workspace
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.tracking.parts import read_parts


@pytest.mark.parametrize(
    ("given", "code", "recorded"),
    [
        ({"key": ""}, "bad_name", {"key": "unnamed"}),
        ({"key": "a\nb"}, "bad_name", {"key": "a?b"}),
        ({"key": "x" * 256}, "bad_name", {"key": "x" * 255}),
        ({"key": 3}, "bad_name", {"key": "3"}),
        ({"status": "Done"}, "bad_argument", {"status": "Completed"}),
        ({"status": "Done", "error": "x"}, "bad_argument", {"status": "Failed"}),
        ({"seconds": -1}, "bad_argument", {"seconds": None}),
        ({"seconds": float("nan")}, "bad_argument", {"seconds": None}),
        ({"seconds": "1"}, "bad_argument", {"seconds": None}),
        ({"digest": ""}, "bad_name", {"digest": "unnamed"}),
        ({"metrics": {"seconds": 1}}, "bad_argument", {"seconds_": 1}),
        ({"metrics": {"a\tb": 1}}, "bad_name", {"a?b": 1}),
        ({"metrics": {"m": [1]}}, "bad_argument", {"m": "[1]"}),
        ({"metrics": 5}, "bad_argument", {"value": 5}),
    ],
)
def test_what_cannot_be_recorded_as_it_is(
    tmp_path: Path, given: Dict[str, Any], code: str, recorded: Dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunParts(str(tmp_path))
    for _ in range(2):
        run.log_part(**{"key": "k", **given})
    columns = read_parts(RunPaths(str(tmp_path))).columns
    assert {name: columns[name] for name in recorded} == {name: [value] for name, value in recorded.items()}
    assert capsys.readouterr().err.count("espalier: ") == 1
    with pytest.raises(EspalierError) as caught:
        RunParts(None).log_part(**{"key": "k", **given})
    assert caught.value.code == code


def test_status_follows_the_error(tmp_path: Path) -> None:
    run = RunParts(str(tmp_path))
    run.log_part("a")
    run.log_part("b", error="x")
    run.log_part("c", "Canceled", error="x")
    assert read_parts(RunPaths(str(tmp_path))).columns["status"] == ["Completed", "Failed", "Canceled"]


def test_forks_write_files_of_their_own(tmp_path: Path) -> None:
    run = RunParts(str(tmp_path))
    run.log_part("parent")
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            run.log_part(f"child {child}")
            os._exit(0)
        os.waitpid(pid, 0)
    paths = RunPaths(str(tmp_path))
    assert len(os.listdir(paths.parts)) == 4
    assert read_parts(paths).columns["key"] == ["parent", "child 0", "child 1", "child 2"]


def test_outside_a_job_nothing_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    run = OfflineRun()
    run.log_part("a")
    run.log_part("b")
    assert capsys.readouterr().err.count("nothing is recorded") == 1
    with pytest.raises(EspalierError) as caught:
        run.list_parts()
    assert caught.value.code == "run_not_active"


def test_parts_of_a_run(tmp_path: Path) -> None:
    run = Experiment(Workspace.create("w", str(tmp_path)), "e").start_logging()
    assert len(run.list_parts()) == 0
    run.log_part("a", metrics={"m": 1})
    assert run.list_parts().rows()[0]["m"] == 1
    run.complete()


def test_a_full_disk_does_not_end_the_script(tmp_path: Path) -> None:
    script = (
        "import resource, signal\nfrom espalier.api.run_parts import RunParts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
        f"run = RunParts({str(tmp_path)!r})\nfor i in range(50): run.log_part(f'k{{i}}')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.count("can't record metrics") == 1
    assert 1 <= len(read_parts(RunPaths(str(tmp_path)))) < 10
